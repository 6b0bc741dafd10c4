// Numbers on command lines: what they must be, and one short line when they are not.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace tweedie {

/// The number that the whole of `text` is, in decimals; nothing where it is none, or not finite.
std::optional<double> parse_number(const std::string& text);

/// For `option->check`: a whole decimal number from `low` to `high`, both included. "ten", "9.0", "1e3" and
/// "010" (which CLI11 would take for octal) are none. The message says what was expected and what was found.
CLI::Validator whole_number(std::int64_t low, std::int64_t high = std::numeric_limits<std::int32_t>::max());

/// Likewise a finite decimal number from `low` to `high`, both included.
CLI::Validator number(double low, double high);

/// Likewise a finite number above 0.
CLI::Validator positive_number();

/// Adds --seed: a whole number of 64 bits, and nothing that would only become one.
void add_seed_option(CLI::App& app, std::uint64_t& seed, const std::string& help);

}  // namespace tweedie

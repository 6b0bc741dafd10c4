#include "tools/numbers.hpp"

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

// At most a little of what was typed, with nothing in it that a terminal obeys.
std::string shown(const std::string& text) {
  std::string some = text.substr(0, 40);
  for (char& c : some)
    if (c < 0x20 || c > 0x7e) c = '?';
  return "'" + some + (text.size() > 40 ? "...'" : "'");
}

std::string refusal(const std::string& expected, const std::string& found) {
  return "expected " + expected + ", found " + shown(found);
}

template <class T>
bool parse(std::string_view text, T& value) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size();
}

bool begins_with_a_spare_zero(const std::string& text) {
  const std::size_t first = text.find_first_not_of("+-");
  return first != std::string::npos && text[first] == '0' && first + 1 < text.size();
}

CLI::Validator real(const std::string& expected, const std::string& shape, double low, double high) {
  return CLI::Validator(
      [=](std::string& text) -> std::string {
        double value = 0;
        const bool fits = parse(text, value) && std::isfinite(value) && value >= low && value <= high;
        return fits ? "" : refusal(expected, text);
      },
      shape);
}

}  // namespace

std::optional<double> parse_number(const std::string& text) {
  double value = 0;
  if (!parse(text, value) || !std::isfinite(value)) return {};
  return value;
}

CLI::Validator whole_number(std::int64_t low, std::int64_t high) {
  const bool bounded = high != std::numeric_limits<std::int32_t>::max();
  const std::string range = bounded ? message("from ", low, " to ", high) : message("of at least ", low);
  const std::string expected = "a whole number " + range;
  return CLI::Validator(
      [=](std::string& text) -> std::string {
        std::int64_t value = 0;
        const bool fits =
            parse(text, value) && !begins_with_a_spare_zero(text) && value >= low && value <= high;
        return fits ? "" : refusal(expected, text);
      },
      bounded ? message(low, " to ", high) : message(low, " or more"));
}

CLI::Validator number(double low, double high) {
  return real(message("a number from ", low, " to ", high), message(low, " to ", high), low, high);
}

CLI::Validator positive_number() {
  return real("a number above 0", "above 0", std::numeric_limits<double>::min(),
              std::numeric_limits<double>::max());
}

void add_seed_option(CLI::App& app, std::uint64_t& seed, const std::string& help) {
  app.add_option("--seed", seed, help)
      ->capture_default_str()
      ->check([](const std::string& text) -> std::string {
        std::uint64_t value = 0;
        const char* const end = text.data() + text.size();
        const auto result = std::from_chars(text.data(), end, value);
        return result.ec == std::errc() && result.ptr == end ? ""
                                                             : text + " is not a whole number of 64 bits";
      });
}

}  // namespace tweedie

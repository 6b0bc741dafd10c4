// report.json: what a run did, with what, and how it went.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tweedie {

using Json = nlohmann::ordered_json;

/// What every report begins with.
struct RunInfo {
  std::string program;                    // "tweedie-restore"
  std::vector<std::string> command_line;  // argv, the program's name included
  std::string device;                     // description for people: "CPU, 2 threads, oneDNN 2.6.3"
  std::uint64_t seed = 0;
};

/// The common fields, in this order: program, version, command (one string a shell reads back as the same
/// words), date (now, UTC, ISO 8601), device, seed. The tool appends its own.
Json start_report(const RunInfo& run);

/// `words` as one line that a POSIX shell splits into the same words again.
std::string shell_line(const std::vector<std::string>& words);

/// Writes the report, indented, whole or not at all. Numbers that JSON lacks (infinity, NaN) become null,
/// bytes that are not UTF-8 (file names) the replacement character. Throws `Error` if the file cannot be
/// written.
void write_report(const std::string& path, const Json& report);

/// The most memory this process has had resident so far (VmHWM of Linux), in bytes; nothing where the system
/// does not say.
std::optional<std::uint64_t> peak_memory_bytes();

}  // namespace tweedie

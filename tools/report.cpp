#include "tools/report.hpp"

#include <ctime>
#include <fstream>
#include <string_view>

#include "tools/files.hpp"

namespace tweedie {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// The word as a POSIX shell reads it back: bare where that is safe, else in single quotes.
std::string quoted(const std::string& word) {
  constexpr std::string_view safe =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+,./:@%";
  if (!word.empty() && word.find_first_not_of(safe) == std::string::npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

std::string shell_line(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    line += quoted(word);
  }
  return line;
}

Json start_report(const RunInfo& run) {
  Json report;
  report["program"] = run.program;
  report["version"] = TWEEDIE_VERSION;
  report["command"] = shell_line(run.command_line);
  report["date"] = utc_now();
  report["device"] = run.device;
  report["seed"] = run.seed;
  return report;
}

void write_report(const std::string& path, const Json& report) {
  atomic_write(path, report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::optional<std::uint64_t> peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::stoull(line.substr(6)) * 1024;  // "VmHWM:   12345 kB"
  return std::nullopt;
}

}  // namespace tweedie

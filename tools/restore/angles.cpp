#include "tools/restore/angles.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "kernels/error.hpp"
#include "tools/arrays.hpp"
#include "tools/files.hpp"
#include "tools/numbers.hpp"

namespace tweedie {
namespace {

constexpr std::size_t most = 100000;

/// The numbers of a text; a comment goes from '#' to the line's end.
std::vector<float> numbers_of(const std::string& text, const std::string& path) {
  std::string words;
  bool comment = false;
  for (const char c : text) {
    comment = c == '#' || (comment && c != '\n');
    words += comment || c == ',' || c == ';' ? ' ' : c;
  }
  std::vector<float> values;
  std::istringstream stream(words);
  for (std::string word; stream >> word;) {
    const std::optional<double> value = parse_number(word);
    require(value.has_value(), path, ": '", word.substr(0, 40),
            "' is not a number; expected angles in degrees");
    values.push_back(float(*value));
  }
  return values;
}

}  // namespace

std::optional<AngleRange> parse_angle_range(const std::string& text, const std::string& option) {
  if (text.find(':') == text.npos) return {};
  std::vector<std::optional<double>> parts;
  std::istringstream stream(text + ":");
  for (std::string part; std::getline(stream, part, ':');) parts.push_back(parse_number(part));
  const bool numbers =
      parts.size() == 3 && std::all_of(parts.begin(), parts.end(), [](const auto& v) { return bool(v); });
  require(numbers, option, " is '", text, "', expected START:STOP:N, angles in degrees and how many");
  const double first = *parts[0], last = *parts[1], count = *parts[2];
  require(first != last && std::abs(last - first) <= 360, option, " is '", text,
          "': from START to STOP are up to 360 degrees, and not 0");
  require(count >= 1 && count <= double(most) && count == std::floor(count), option, " is '", text,
          "': N is a whole number from 1 to ", most);
  return AngleRange{first, last, int(count)};
}

std::vector<float> read_angles(const std::string& path, const std::string& option) {
  std::vector<float> degrees;
  try {
    degrees = is_array_file(path) ? read_array(path).values : numbers_of(read_file(path, 1 << 24), path);
  } catch (const Error& error) {
    throw Error(
        message(option, " is neither a number, nor START:STOP:N, nor a file of angles: ", error.what()));
  }
  require(!degrees.empty() && degrees.size() <= most, path, ": ", degrees.size(), " angles; expected 1 to ",
          most);
  for (const float degree : degrees) require(std::isfinite(degree), path, ": holds ", degree);
  return degrees;
}

}  // namespace tweedie

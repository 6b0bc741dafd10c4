#include "weights/config_values.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>

#include "kernels/error.hpp"
#include "weights/unet_config.hpp"

namespace tweedie {

using nlohmann::json;

namespace {

// Texts are numbers when the whole of them is; locale-independent.
bool parse_number(const std::string& text, double& value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc() && result.ptr == end;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

void ConfigValue::refuse(const std::string& expected) const {
  std::string shown = json_.dump(-1, ' ', false, json::error_handler_t::replace);
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  throw Error(message(where_, ": ", key_, ": got ", shown, ", expected ", expected));
}

bool ConfigValue::is_none() const {
  return json_.is_null() || (json_.is_string() && (json_ == "" || json_ == "None"));
}

bool ConfigValue::as_bool() const {
  if (json_.is_boolean()) return json_.get<bool>();
  if (json_ == "True" || json_ == "true") return true;
  if (json_ == "False" || json_ == "false") return false;
  refuse("true or false");
}

double ConfigValue::number(const json& value) const {
  double parsed = 0;
  if (value.is_number())
    parsed = value.get<double>();
  else if (!value.is_string() || !parse_number(trimmed(value.get<std::string>()), parsed))
    refuse("a number");
  if (!std::isfinite(parsed)) refuse("a finite number");
  return parsed;
}

int ConfigValue::integer(double value) const {
  if (value != std::floor(value) || std::abs(value) > 1e9) refuse("a whole number");
  return static_cast<int>(value);
}

int ConfigValue::as_int() const { return integer(number(json_)); }

std::string ConfigValue::as_text() const {
  if (!json_.is_string()) refuse("text");
  return json_.get<std::string>();
}

std::vector<double> ConfigValue::as_numbers() const {
  std::vector<double> numbers;
  if (json_.is_array()) {
    for (const json& item : json_) numbers.push_back(number(item));
  } else if (json_.is_string()) {
    std::istringstream parts(json_.get<std::string>());
    for (std::string part; std::getline(parts, part, ',');) numbers.push_back(number(json(part)));
  } else {
    numbers.push_back(number(json_));
  }
  if (numbers.size() > 64) refuse("at most 64 numbers");
  return numbers;
}

std::vector<int> ConfigValue::as_ints() const {
  std::vector<int> ints;
  for (const double value : as_numbers()) ints.push_back(integer(value));
  return ints;
}

namespace {

// YAML's plain scalars by YAML 1.2's core schema; quoted ones stay text.
json from_yaml_scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (text == "null" || text == "~" || text.empty()) return nullptr;
  std::int64_t integer = 0;
  const char* end = text.data() + text.size();
  if (const auto result = std::from_chars(text.data(), end, integer);
      result.ec == std::errc() && result.ptr == end)
    return integer;
  std::uint64_t large = 0;  // seeds
  if (const auto result = std::from_chars(text.data(), end, large);
      result.ec == std::errc() && result.ptr == end)
    return large;
  double real = 0;
  if (parse_number(text, real) && std::isfinite(real)) return real;
  return text;
}

json from_yaml(const YAML::Node& node, const std::string& path, int depth = 0) {
  require(depth < 16, path, ": nested more than 16 levels deep");
  if (node.IsScalar()) return from_yaml_scalar(node);
  if (node.IsSequence()) {
    json list = json::array();
    for (const YAML::Node& item : node) list.push_back(from_yaml(item, path, depth + 1));
    return list;
  }
  if (!node.IsMap()) return nullptr;
  json object = json::object();
  for (const auto& item : node) {
    require(item.first.IsScalar(), path, ": line ", item.first.Mark().line + 1, ": a key must be a word");
    const std::string key = item.first.Scalar();
    require(!object.contains(key), path, ": line ", item.first.Mark().line + 1, ": ", key, " is given twice");
    object[key] = from_yaml(item.second, path, depth + 1);
  }
  return object;
}

}  // namespace

json read_config_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  require(file.good() && (text << file.rdbuf()), path, ": cannot read this configuration file");
  try {
    const json parsed = from_yaml(YAML::Load(text.str()), path);  // YAML contains JSON
    require(parsed.is_object(), path, ": expected a list of `key: value` pairs (YAML or JSON)");
    return parsed;
  } catch (const YAML::Exception& error) {
    throw Error(message(path, ": line ", error.mark.line + 1, ": ", error.msg));
  }
}

}  // namespace tweedie

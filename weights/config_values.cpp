#include "weights/config_values.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "kernels/error.hpp"
#include "weights/read_files.hpp"
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
  require(!json_.is_null(), where_, ": ", key_, " has no value, expected ", expected);
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

double ConfigValue::as_number() const { return number(json_); }

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

constexpr const char* yaml_tags = "tag:yaml.org,2002:";

// Where a piece of a file stands, for messages.
std::string at_line(const std::string& path, const YAML::Node& node) {
  return message(path, ": line ", node.Mark().line + 1, ": ");
}

// YAML 1.1 (PyYAML) reads 010 as 8, YAML 1.2 as 10.
bool has_leading_zero(const std::string& text) {
  const std::size_t first = text.find_first_not_of("+-");
  return first != std::string::npos && text.size() > first + 1 && text[first] == '0' &&
         text.find_first_not_of("0123456789", first) == std::string::npos;
}

// YAML's plain scalars by YAML 1.2's core schema.
json from_plain_scalar(const std::string& text) {
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

// Quoted scalars stay text; a tag must agree with what the text spells, or make it text.
json from_yaml_scalar(const YAML::Node& node, const std::string& path) {
  const std::string& text = node.Scalar();
  std::string tag = node.Tag();
  if (tag == "!") return text;  // quoted
  if (tag.starts_with(yaml_tags)) tag.erase(0, std::char_traits<char>::length(yaml_tags));
  if (tag == "str") return text;
  json value = from_plain_scalar(text);
  require(!has_leading_zero(text), at_line(path, node), text,
          " means one number to some readers of YAML and another to others; write it without leading zeros");
  if (tag == "float" && value.is_number()) value = value.get<double>();
  const bool agrees = tag.empty() || tag == "?" || (tag == "int" && value.is_number_integer()) ||
                      (tag == "float" && value.is_number()) || (tag == "bool" && value.is_boolean()) ||
                      (tag == "null" && value.is_null());
  require(agrees, at_line(path, node), "the tag !", tag, " of `", text.substr(0, 60), "` is not read");
  return value;
}

// Turns a document into JSON; nothing in it is left out.
class YamlReader {
 public:
  YamlReader(const std::string& path, ConfigLines* lines) : path_(path), lines_(lines) {}

  json read(const YAML::Node& node, const json::json_pointer& pointer = json::json_pointer(), int depth = 0) {
    if (lines_) lines_->try_emplace(pointer.to_string(), node.Mark().line + 1);
    require(depth < 16, path_, ": nested more than 16 levels deep");
    require(++values_ <= most_values, path_, ": more than ", most_values, " values");  // aliases multiply
    if (node.IsScalar()) return from_yaml_scalar(node, path_);
    if (node.IsSequence()) {
      require_tag(node, {"seq", "python/tuple"});
      json list = json::array();
      for (const YAML::Node& item : node) list.push_back(read(item, pointer / list.size(), depth + 1));
      return list;
    }
    if (!node.IsMap()) return nullptr;
    require_tag(node, {"map"});
    return read_map(node, pointer, depth);
  }

 private:
  static constexpr int most_values = 100000;

  json read_map(const YAML::Node& node, const json::json_pointer& pointer, int depth) {
    json object = json::object();
    for (const auto& item : node) {
      require(item.first.IsScalar(), at_line(path_, item.first), "a key must be a word");
      const std::string key = item.first.Scalar();
      require(key != "<<", at_line(path_, item.first), "merging by `<<` is not read; write the keys out");
      require(!object.contains(key), at_line(path_, item.first), key, " is given twice");
      const json::json_pointer its = pointer / key;
      if (lines_) (*lines_)[its.to_string()] = item.first.Mark().line + 1;
      object[key] = read(item.second, its, depth + 1);
    }
    return object;
  }

  void require_tag(const YAML::Node& node, std::initializer_list<std::string_view> allowed) const {
    std::string tag = node.Tag();
    if (tag.empty() || tag == "?" || tag == "!") return;
    if (tag.starts_with(yaml_tags)) tag.erase(0, std::char_traits<char>::length(yaml_tags));
    require(std::find(allowed.begin(), allowed.end(), tag) != allowed.end(), at_line(path_, node),
            "the tag !", tag, " is not read");
  }

  const std::string& path_;
  ConfigLines* lines_;
  int values_ = 0;
};

bool is_utf8(const std::string& text) {
  try {
    json(text).dump();
    return true;
  } catch (const json::type_error&) {
    return false;
  }
}

// What yaml-cpp says, and what it does not: that a tab is no indentation.
std::string syntax_error(const std::string& text, const YAML::Exception& error) {
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; number <= error.mark.line && std::getline(lines, line);) {
    ++number;
    const std::string indentation = line.substr(0, line.find_first_not_of(" \t"));
    if (indentation.find('\t') != std::string::npos)
      return message("line ", number, ": indented by a tab, expected spaces");
  }
  return message("line ", error.mark.line + 1, ": ", error.msg);
}

void require_values(const json& value, const json::json_pointer& at, const ConfigLines& lines,
                    const std::string& path) {
  if (value.is_structured())
    for (const auto& item : value.items())
      require_values(item.value(), value.is_array() ? at / std::stoul(item.key()) : at / item.key(), lines,
                     path);
  require(!value.is_null(), path, ": line ", lines.at(at.to_string()), ": ",
          at.to_string().substr(at.empty() ? 0 : 1), " has no value; leave it out, or give it one");
}

// What yaml-cpp would pass over in silence: whatever follows a NUL, and directives behind the first document.
void require_plain_text(const std::string& text, const std::string& path) {
  const auto is_control = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && !std::strchr("\t\n\r", c);
  };
  const bool plain =
      std::none_of(text.begin(), text.end(), is_control) && text.find('\0') == std::string::npos;
  require(plain && is_utf8(text), path, ": not a configuration in UTF-8 text");
  bool content = false;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    require(!line.starts_with('%') || !content, path, ": line ", number, ": `", line.substr(0, 60),
            "` would not be read");
    const std::size_t first = line.find_first_not_of(" \t\r\xef\xbb\xbf");
    content = content || (first != std::string::npos && line[first] != '#' && line[0] != '%');
  }
}

// The one document of a file that has content.
YAML::Node only_document(const std::string& text, const std::string& path) {
  YAML::Node only;
  for (const YAML::Node& document : YAML::LoadAll(text)) {
    if (document.IsNull()) continue;
    require(only.IsNull(), at_line(path, document),
            "a second document (behind `---`, `...` or the end of the first); only one is read");
    only.reset(document);
  }
  return only;
}

}  // namespace

json read_config_file(const std::string& path, ConfigLines* lines) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file.good()) text << file.rdbuf();  // nothing to copy is no failure
  require(file.good(), path, ": cannot read this configuration file");
  note_read(path);
  require_plain_text(text.str(), path);
  try {
    const json parsed = YamlReader(path, lines).read(only_document(text.str(), path));  // YAML contains JSON
    require(parsed.is_object(), path, ": expected a list of `key: value` pairs (YAML or JSON)");
    return parsed;
  } catch (const YAML::Exception& error) {
    throw Error(message(path, ": ", syntax_error(text.str(), error)));
  }
}

json read_stated_file(const std::string& path) {
  ConfigLines lines;
  const json file = read_config_file(path, &lines);
  require_values(file, json::json_pointer(), lines, path);
  return file;
}

}  // namespace tweedie

// Values of a configuration file, read with the tolerance that Python's dialects need and with errors that
// name the key.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tweedie {

/// One value of a configuration. Every accessor throws `Error` naming file and key when the value is of
/// another kind; text such as "True", "16,8" or "3" counts as what it spells.
class ConfigValue {
 public:
  ConfigValue(const nlohmann::json& json, std::string key, std::string where)
      : json_(json), key_(std::move(key)), where_(std::move(where)) {}

  bool as_bool() const;
  int as_int() const;
  double as_number() const;
  std::string as_text() const;
  /// A list, a comma-separated text, or a single number.
  std::vector<double> as_numbers() const;
  std::vector<int> as_ints() const;
  /// JSON null, or the texts "" and "None".
  bool is_none() const;

  const std::string& key() const { return key_; }

  /// Throws `Error`: "WHERE: KEY: got VALUE, expected WHAT".
  [[noreturn]] void refuse(const std::string& expected) const;

 private:
  double number(const nlohmann::json& json) const;
  int integer(double value) const;

  const nlohmann::json& json_;
  std::string key_;
  std::string where_;
};

/// As `read_config_file`; also an error is a key without a value, which says nothing where somebody meant to
/// say something.
nlohmann::json read_stated_file(const std::string& path);

}  // namespace tweedie

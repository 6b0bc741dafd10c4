// Reading a JSON object of settings so that nothing in it is silently ignored.
#pragma once

#include <climits>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "kernels/error.hpp"

namespace tweedie {

/// The settings of one thing (`what` begins every message). Each getter marks its key as used;
/// `require_all_used` names the first key nobody asked for.
class JsonSettings {
 public:
  JsonSettings(const nlohmann::json& json, std::string what) : json_(json), what_(std::move(what)) {
    require(json.is_object(), what_, ": expected a table of settings, found ", json.dump());
  }
  bool has(const std::string& key) const { return json_.contains(key) && !json_.at(key).is_null(); }
  std::string text(const std::string& key) { return get(key, "a text").get<std::string>(); }
  double number(const std::string& key) { return get(key, "a number").get<double>(); }
  double number(const std::string& key, double otherwise) {
    return has(key) ? number(key) : skip(key, otherwise);
  }
  int integer(const std::string& key) {
    const nlohmann::json& value = get(key, "a number");
    const bool large = value.is_number_unsigned() && value.get<std::uint64_t>() > INT_MAX;  // or it wraps
    const bool whole = value.is_number_integer() && !large && value >= -INT_MAX && value <= INT_MAX;
    require(whole, what_, ": '", key, "' is ", value.dump(), ", expected a whole number of 31 bits");
    return value.get<int>();
  }
  /// A seed: a whole number from 0 on.
  std::uint64_t seed(const std::string& key) {
    if (!has(key)) return skip(key, std::uint64_t(0));
    const nlohmann::json& value = get(key, "a number");
    require(value.is_number_unsigned() || (value.is_number_integer() && value >= 0), what_, ": '", key,
            "' is ", value.dump(), ", expected a whole number from 0 on");
    return value.get<std::uint64_t>();
  }
  int integer(const std::string& key, int otherwise) {
    return has(key) ? integer(key) : skip(key, otherwise);
  }
  std::string text(const std::string& key, const std::string& otherwise) {
    return has(key) ? text(key) : skip(key, otherwise);
  }
  bool flag(const std::string& key, bool otherwise) {
    if (!has(key)) return skip(key, otherwise);
    used_.insert(key);
    require(json_.at(key).is_boolean(), what_, ": '", key, "' is ", json_.at(key).dump(),
            ", expected true or false");
    return json_.at(key).get<bool>();
  }
  const nlohmann::json& list(const std::string& key) {
    require(has(key) && json_.at(key).is_array(), what_, ": '", key, "' must be a list");
    used_.insert(key);
    return json_.at(key);
  }
  const nlohmann::json& table(const std::string& key) {
    require(has(key) && json_.at(key).is_object(), what_, ": '", key, "' must be a table of settings");
    used_.insert(key);
    return json_.at(key);
  }
  /// Accepts a key without looking at its value.
  void ignore(const std::string& key) { used_.insert(key); }
  void require_all_used() const {
    for (const auto& item : json_.items())
      require(used_.contains(item.key()), what_, ": the setting '", item.key(), "' is not known here");
  }

 private:
  template <class T>
  T skip(const std::string& key, T otherwise) {
    used_.insert(key);
    return otherwise;
  }
  const nlohmann::json& get(const std::string& key, const std::string& kind) {
    require(has(key), what_, ": the setting '", key, "' is missing");
    used_.insert(key);
    const nlohmann::json& value = json_.at(key);
    require(kind == "a text" ? value.is_string() : value.is_number(), what_, ": '", key, "' is ",
            value.dump(), ", expected ", kind);
    return value;
  }
  const nlohmann::json& json_;
  std::string what_;
  std::set<std::string> used_;
};

}  // namespace tweedie

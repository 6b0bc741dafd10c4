// Reading a table's file level by level: every key is asked for, and every complaint says where it stands.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "weights/unet_config.hpp"

namespace tweedie::table {

/// A place in the file, for messages: "t.yaml: line 7: tasks[2]: drop".
class Place {
 public:
  /// The whole file. `patch` is where what overlays it stands (the pointer of a reading), or empty. `path`
  /// and `lines` outlive this.
  Place(const std::string& path, const ConfigLines& lines,
        nlohmann::json::json_pointer patch = nlohmann::json::json_pointer())
      : path_(path), lines_(lines), patch_(std::move(patch)) {}
  /// A key, or an item, of what stands here.
  Place at(const std::string& key) const;
  Place at(std::size_t item) const;
  std::string text() const;

 private:
  const std::string& path_;
  const ConfigLines& lines_;
  nlohmann::json::json_pointer patch_, pointer_;
  std::string words_;
};

/// Keys with values. All errors begin with the place.
class Level {
 public:
  /// Errors: anything but keys with values.
  Level(const nlohmann::json& values, Place place);

  /// The value, or null where it is missing or null.
  const nlohmann::json* find(const std::string& key);
  /// Errors: it is missing.
  const nlohmann::json& get(const std::string& key);
  std::string text(const std::string& key, const std::string& otherwise = "");
  std::int64_t whole(const std::string& key, std::int64_t otherwise, std::int64_t least);
  /// Of a list, or of one value; numbers as they are spelt.
  std::vector<std::string> texts(const std::string& key);
  /// Errors: a key that nobody asked for.
  void require_all_asked() const;

  const nlohmann::json& values() const { return values_; }
  const Place& place() const { return place_; }
  bool asked(const std::string& key) const { return asked_.contains(key); }

 private:
  const nlohmann::json& values_;
  Place place_;
  std::set<std::string> asked_;
};

}  // namespace tweedie::table

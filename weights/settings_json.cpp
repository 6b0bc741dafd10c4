#include "weights/settings_json.hpp"

#include <algorithm>

#include "kernels/error.hpp"

namespace tweedie {

using nlohmann::json;

namespace {

std::string shown(const json& value) {
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

void require_table(const json& value, const std::string& what) {
  require(value.is_object(), what, ": expected a table of settings, found ", shown(value));
}

/// A scalar as a value.
SettingValue value_of(const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number()) return value.get<double>();
  return value.get<std::string>();
}

const json& member(const json& table, const std::string& key, const std::string& what) {
  require_table(table, what);
  const auto found = table.find(key);
  require(found != table.end() && !found->is_null(), what, ": the setting '", key, "' is missing");
  return *found;
}

}  // namespace

Settings settings_from_json(const json& table, std::string what, std::span<const Setting> rows,
                            std::span<const std::string_view> besides) {
  require_table(table, what);
  Settings settings(std::move(what), rows);
  for (const auto& [key, value] : table.items()) {
    if (std::find(besides.begin(), besides.end(), key) != besides.end()) continue;
    require(settings.knows(key), settings.what(), ": the setting '", key, "' is not known here");
    if (value.is_null()) continue;
    const Setting& row =
        *std::find_if(rows.begin(), rows.end(), [&](auto& each) { return each.name == key; });
    require(!value.is_structured(), settings.what(), ": '", key, "' is ", shown(value), ", expected ",
            expected_of(row));
    settings.set(key, value_of(value));
  }
  for (const Setting& row : rows)
    require(!row.needed || settings.stated(row.name), settings.what(), ": the setting '", row.name,
            "' is missing");
  return settings;
}

json to_json(const Settings& settings, bool with_defaults) {
  json table = json::object();
  for (const Setting& row : settings.rows()) {
    if (!with_defaults && !settings.stated(row.name)) continue;
    if (const auto value = settings.value(row.name))
      std::visit([&](const auto& v) { table[row.name] = v; }, *value);
  }
  return table;
}

std::string text_member(const json& table, const std::string& key, const std::string& what) {
  const json& value = member(table, key, what);
  require(value.is_string(), what, ": '", key, "' is ", shown(value), ", expected a text");
  return value.get<std::string>();
}

const json& table_member(const json& table, const std::string& key, const std::string& what) {
  const json& value = member(table, key, what);
  require(value.is_object(), what, ": '", key, "' is ", shown(value), ", expected a table of settings");
  return value;
}

const json& list_member(const json& table, const std::string& key, const std::string& what) {
  const json& value = member(table, key, what);
  require(value.is_array(), what, ": '", key, "' is ", shown(value), ", expected a list");
  return value;
}

}  // namespace tweedie

// Settings from files, and back: JSON objects (which is what YAML files become) by a table of rows.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "engine/settings.hpp"

namespace tweedie {

/// The values of an object's members by their rows. null counts as not stated. `besides` names members that
/// are accepted and not looked at: those that the caller reads by itself, and those of other programs.
/// `what` begins every message. Errors: not an object; a member without a row; a value that does not fit; a
/// missing member that files must state.
Settings settings_from_json(const nlohmann::json& json, std::string what, std::span<const Setting> rows,
                            std::span<const std::string_view> besides = {});

/// Every value that was stated; `with_defaults`: also the defaults.
nlohmann::json to_json(const Settings& settings, bool with_defaults = false);

/// The member of an object, which must be a text, an object or a list. Errors: it is missing, or something
/// else; `what` begins the message.
std::string text_member(const nlohmann::json& json, const std::string& key, const std::string& what);
const nlohmann::json& table_member(const nlohmann::json& json, const std::string& key,
                                   const std::string& what);
const nlohmann::json& list_member(const nlohmann::json& json, const std::string& key,
                                  const std::string& what);

}  // namespace tweedie

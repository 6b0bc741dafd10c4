// JSON without the two liberties that lose information: a key given twice, and nesting without end.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/error.hpp"

namespace tweedie {

/// Parses all of a text. Throws `Error` beginning with `where` when it is not JSON (or has anything behind
/// it), names a key twice within one object, or is nested more than `most_levels` deep.
inline nlohmann::json parse_json(std::string_view text, const std::string& where, int most_levels = 32) {
  using nlohmann::json;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const json::parser_callback_t strict = [&](int depth, json::parse_event_t event, json& value) {
    require(depth <= most_levels, where, " is nested too deeply");
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key) {
      const auto name = value.get<std::string>();
      require(keys.back().insert(name).second, where, " has the key ", name, " twice");
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), strict);
  } catch (const json::exception&) {
    throw Error(where + " is not JSON");
  }
}

}  // namespace tweedie

#include "tools/table/level.hpp"

#include <limits>

#include "kernels/error.hpp"

namespace tweedie::table {

using nlohmann::json;

Place Place::at(const std::string& key) const {
  Place place(*this);
  place.pointer_ /= key;
  place.words_ += (words_.empty() ? "" : ": ") + key;
  return place;
}

Place Place::at(std::size_t item) const {
  Place place(*this);
  place.pointer_ /= item;
  place.words_ += message("[", item, "]");
  return place;
}

std::string Place::text() const {
  int line = 0;
  for (const json::json_pointer& overlay : {patch_ / pointer_, pointer_})
    if (const auto found = lines_.find(overlay.to_string()); found != lines_.end() && line == 0)
      line = found->second;
  return path_ + (line > 0 ? message(": line ", line) : "") + (words_.empty() ? "" : ": ") + words_;
}

Level::Level(const json& values, Place place) : values_(values), place_(std::move(place)) {
  require(values.is_object(), place_.text(), ": expected keys with values");
}

const json* Level::find(const std::string& key) {
  asked_.insert(key);
  const auto found = values_.find(key);
  require(found == values_.end() || !found->is_null(), place_.at(key).text(),
          ": has no value; leave the key out, or give it one");
  return found == values_.end() ? nullptr : &*found;
}

const json& Level::get(const std::string& key) {
  const json* value = find(key);
  require(value, place_.text(), ": ", key, " is missing");
  return *value;
}

std::string Level::text(const std::string& key, const std::string& otherwise) {
  const json* value = find(key);
  if (!value) return otherwise;
  require(value->is_string(), place_.at(key).text(), ": expected text, got ", value->dump());
  return value->get<std::string>();
}

std::int64_t Level::whole(const std::string& key, std::int64_t otherwise, std::int64_t least) {
  const json* value = find(key);
  if (!value) return otherwise;
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  require(
      value->is_number_integer() && value->get<std::int64_t>() >= least && value->get<std::int64_t>() <= most,
      place_.at(key).text(), ": expected a whole number from ", least, ", got ", value->dump());
  return value->get<std::int64_t>();
}

std::vector<std::string> Level::texts(const std::string& key) {
  std::vector<std::string> list;
  const json* value = find(key);
  if (!value) return list;
  for (const json& item : value->is_array() ? *value : json::array({*value})) {
    require(item.is_string() || item.is_number(), place_.at(key).text(), ": expected text, got ",
            item.dump());
    list.push_back(item.is_string() ? item.get<std::string>() : item.dump());
  }
  return list;
}

void Level::require_all_asked() const {
  for (const auto& item : values_.items())
    require(asked_.contains(item.key()), place_.at(item.key()).text(), ": unknown key");
}

}  // namespace tweedie::table

#include "tools/table/table.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "kernels/error.hpp"
#include "tools/files.hpp"
#include "tools/table/level.hpp"

namespace tweedie::table {
namespace {

using nlohmann::json;

std::string word_of(const json& value, const Place& place) {
  require(value.is_string() || value.is_number(), place.text(), ": expected text or a number, got ",
          value.dump());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// Every key that is not the table's own is an option of tweedie-restore: `drop: 0.7` is --drop 0.7, `compat:
/// true` is --compat, a list repeats its option.
Words words_of(const Level& level) {
  static const std::set<std::string> reserved = {
      "input",     "out",         "output",         "measurement",  "seed",
      "quiet",     "resume",      "prior",          "weights",      "device",
      "precision", "save-arrays", "kernel-weights", "tilt-weights", "operator-weights"};
  Words words;
  for (const auto& item : level.values().items()) {
    if (level.asked(item.key())) continue;
    const Place place = level.place().at(item.key());
    require(!reserved.contains(item.key()), place.text(), ": the table's own runs state it");
    const json& value = item.value();
    require(item.key() != "label" || value != "from-name", place.text(), ": from-name is for methods");
    const std::string option = "--" + item.key();
    if (value.is_boolean()) {
      require(value.get<bool>(), place.text(), ": an option is stated or left out; expected true");
      words[option] = {option};
      continue;
    }
    for (const json& each : value.is_array() ? value : json::array({value})) {
      words[option].push_back(option);
      words[option].push_back(word_of(each, place));
    }
  }
  return words;
}

std::vector<Row> rows_of(Level& top, const std::string& key) {
  const json& list = top.get(key);
  const Place place = top.place().at(key);
  require(list.is_array() && !list.empty(), place.text(), ": expected a list of rows");
  std::vector<Row> rows;
  for (const json& item : list) {
    Level level(item, place.at(rows.size()));
    Row row;
    row.name = level.text("name");
    require(!row.name.empty(), level.place().text(), ": name is missing");
    if (key == "methods") {
      row.only = level.texts("only");
      row.prior = level.text("prior");
      const auto label = item.find("label");
      row.label_of_name = label != item.end() && *label == "from-name" && level.find("label");
    }
    row.words = words_of(level);
    for (const Row& other : rows)
      require(other.id() != row.id(), level.place().text(), ": a second row '", row.name, "'");
    rows.push_back(std::move(row));
  }
  return rows;
}

Selection selection_of(Level& top, const std::string& path) {
  Selection s;
  const json* value = top.find("images");
  if (!value) return s;
  Level level(*value, top.place().at("images"));
  const std::string where = level.place().text();
  s.ids = level.texts("ids");
  if (const std::string list = level.text("list"); !list.empty()) {
    require(s.ids.empty(), where, ": give ids or a list, not both");
    const std::string file = (std::filesystem::path(path).parent_path() / list).string();
    std::string id;
    for (const char c : read_file(file, std::size_t(1) << 24) + "\n")
      if (c != '\n' && c != '\r')
        id += c;
      else if (!std::exchange(id, {}).empty())
        s.ids.push_back(id);
  }
  s.first = int(level.whole("first", 0, 1));
  s.size = int(level.whole("size", 0, 8));
  s.crop = level.text("crop", "none");
  require(s.crop == "none" || s.crop == "centre" || s.crop == "guided-diffusion", where, ": crop: got ",
          s.crop, ", expected none, centre or guided-diffusion");
  require(s.crop == "none" || s.size > 0, where, ": crop ", s.crop, " needs a size");
  level.require_all_asked();
  return s;
}

bool names(const std::vector<Row>& rows, const std::string& name) {
  return std::any_of(rows.begin(), rows.end(), [&](const Row& row) { return row.name == name; });
}

/// Of another reading only what it still has: it may leave rows out.
std::vector<Published> published_of(Level& top, const Table& t) {
  std::vector<Published> all;
  const json* value = top.find("published");
  if (!value) return all;
  const Place here = top.place().at("published");
  const auto has = [&](const std::vector<Row>& rows, const std::string& name, const Place& place,
                       const char* what) {
    const bool known = names(rows, name);
    require(known || !t.reading.empty(), place.text(), ": there is no such ", what);
    return known;
  };
  require(value->is_object(), here.text(), ": expected tasks with methods");
  for (const auto& task : value->items()) {
    const Place of_task = here.at(task.key());
    if (!has(t.tasks, task.key(), of_task, "task")) continue;
    require(task.value().is_object(), of_task.text(), ": expected methods with metrics");
    for (const auto& method : task.value().items()) {
      const Place of_method = of_task.at(method.key());
      if (!has(t.methods, method.key(), of_method, "method")) continue;
      require(method.value().is_object(), of_method.text(), ": expected metrics with numbers");
      for (const auto& metric : method.value().items()) {
        require(metric.value().is_number(), of_method.at(metric.key()).text(), ": expected a number, got ",
                metric.value().dump());
        all.push_back({task.key(), method.key(), metric.key(), metric.value().get<double>()});
      }
    }
  }
  return all;
}

std::string name_of(const json& row) {
  const bool named = row.is_object() && row.contains("name") && row["name"].is_string();
  return named ? row["name"].get<std::string>() : "";
}

/// What stands at and below `from` is also what will stand at `to`.
void also_at(ConfigLines& lines, const json::json_pointer& to, const json::json_pointer& from) {
  const std::string old = from.to_string();
  ConfigLines moved;
  for (const auto& [pointer, line] : lines)
    if (pointer == old || pointer.starts_with(old + "/"))
      moved[to.to_string() + pointer.substr(old.size())] = line;
  for (const auto& [pointer, line] : moved) lines[pointer] = line;
}

/// `tasks` and `methods` of a reading may name the rows that they change: {ROW: {key: value}}; null takes a
/// row away. The result has lists, and `lines` tells where their rows and keys come from.
json with_rows_by_name(const json& file, json patch, ConfigLines& lines, const json::json_pointer& here,
                       const Place& place) {
  for (const char* key : {"tasks", "methods"}) {
    if (!patch.contains(key) || !patch[key].is_object() || !file.contains(key) || !file[key].is_array())
      continue;
    json rows = json::array();
    for (std::size_t k = 0; k < file[key].size(); ++k) {
      json row = file[key][k];
      const auto change = patch[key].find(name_of(row));
      if (change != patch[key].end() && change->is_null()) continue;
      const json::json_pointer to = here / key / rows.size();
      also_at(lines, to, json::json_pointer() / key / k);
      if (change != patch[key].end()) {
        also_at(lines, to, here / key / change.key());
        row.merge_patch(*change);
      }
      rows.push_back(std::move(row));
    }
    for (const auto& item : patch[key].items())
      require(std::any_of(file[key].begin(), file[key].end(),
                          [&](const json& row) { return name_of(row) == item.key(); }),
              place.at(key).at(item.key()).text(), ": there is no such row");
    patch[key] = std::move(rows);
  }
  return patch;
}

std::vector<Reading> readings_of(const json& file, const Place& place) {
  std::vector<Reading> readings;
  const auto found = file.find("readings");
  if (found == file.end()) return readings;
  require(found->is_object(), place.at("readings").text(), ": expected names with keys");
  for (const auto& item : found->items()) {
    Level level(item.value(), place.at("readings").at(item.key()));
    readings.push_back({item.key(), level.text("what")});
    require(!readings.back().what.empty(), level.place().text(), ": what is missing");
  }
  return readings;
}

/// The file with what the reading states in its place.
json read_as(const json& file, const std::string& reading, ConfigLines& lines, const Place& place) {
  json table = file;
  table.erase("readings");
  if (reading.empty()) return table;
  std::string known;
  for (const Reading& each : readings_of(file, place)) known += (known.empty() ? "" : ", ") + each.name;
  const bool there = file.contains("readings") && file["readings"].contains(reading);
  require(there, place.text(), ": there is no reading '", reading, "'; ",
          known.empty() ? "there are none" : "there are " + known);
  json patch =
      with_rows_by_name(file, file["readings"][reading], lines, json::json_pointer() / "readings" / reading,
                        place.at("readings").at(reading));
  patch.erase("what");
  table.merge_patch(patch);
  return table;
}

}  // namespace

std::string Row::id() const {
  std::string id;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '+' || c == '-';
    id += plain ? c : '_';
  }
  return id;
}

bool Table::pairs(const Row& task, const Row& method) const {
  return method.only.empty() ||
         std::find(method.only.begin(), method.only.end(), task.name) != method.only.end();
}

Table read_table(const std::string& path, const std::string& reading) {
  ConfigLines lines;
  const json file = read_config_file(path, &lines);
  const json::json_pointer patch =
      reading.empty() ? json::json_pointer() : json::json_pointer() / "readings" / reading;
  const json table = read_as(file, reading, lines, Place(path, lines));
  Level top(table, Place(path, lines, patch));
  Table t;
  t.reading = reading;
  t.readings = readings_of(file, Place(path, lines));
  t.name = top.text("name", std::filesystem::path(path).stem().string());
  if (!reading.empty()) t.name += ", reading " + reading;
  t.source = top.text("source");
  t.network = top.text("network");
  t.differs = top.texts("differs");
  t.ambiguities = top.texts("ambiguities");
  t.metrics = top.texts("metrics");
  if (t.metrics.empty()) t.metrics = {"psnr", "ssim"};
  t.images = selection_of(top, path);
  for (const std::string& seed : top.texts("seeds")) {
    require(!seed.empty() && seed.size() < 10 && seed.find_first_not_of("0123456789") == std::string::npos,
            top.place().at("seeds").text(), ": expected whole numbers, got ", seed);
    t.seeds.push_back(std::stoull(seed));
  }
  if (t.seeds.empty()) t.seeds = {0};
  if (const json* options = top.find("options"))
    t.common = words_of(Level(*options, top.place().at("options")));
  t.tasks = rows_of(top, "tasks");
  t.methods = rows_of(top, "methods");
  for (const Row& method : t.methods)
    for (const std::string& name : method.only)
      require(names(t.tasks, name) || !reading.empty(), top.place().at("methods").text(), ": '", method.name,
              "': only: there is no task '", name, "'");
  t.published = published_of(top, t);
  top.require_all_asked();
  return t;
}

}  // namespace tweedie::table

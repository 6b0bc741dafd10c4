#include "tools/table/table.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "kernels/error.hpp"
#include "tools/files.hpp"
#include "weights/unet_config.hpp"

namespace tweedie::table {
namespace {

using nlohmann::json;

// One level of the file: every key is asked for, and none may be left.
class Level {
 public:
  Level(const json& values, std::string where) : values_(values), where_(std::move(where)) {
    require(values.is_object(), where_, ": expected keys with values");
  }
  const json* find(const std::string& key) {
    asked_.insert(key);
    const auto found = values_.find(key);
    return found == values_.end() || found->is_null() ? nullptr : &*found;
  }
  const json& get(const std::string& key) {
    const json* value = find(key);
    require(value, where_, ": ", key, " is missing");
    return *value;
  }
  std::string text(const std::string& key, const std::string& otherwise = "") {
    const json* value = find(key);
    if (!value) return otherwise;
    require(value->is_string(), where_, ": ", key, ": expected text, got ", value->dump());
    return value->get<std::string>();
  }
  std::int64_t whole(const std::string& key, std::int64_t otherwise, std::int64_t least) {
    const json* value = find(key);
    if (!value) return otherwise;
    require(value->is_number_integer() && value->get<std::int64_t>() >= least, where_, ": ", key,
            ": expected a whole number from ", least, ", got ", value->dump());
    return value->get<std::int64_t>();
  }
  std::vector<std::string> texts(const std::string& key) {
    std::vector<std::string> list;
    const json* value = find(key);
    if (!value) return list;
    for (const json& item : value->is_array() ? *value : json::array({*value})) {
      require(item.is_string() || item.is_number(), where_, ": ", key, ": expected text, got ", item.dump());
      list.push_back(item.is_string() ? item.get<std::string>() : item.dump());
    }
    return list;
  }
  void require_all_asked() const {
    for (const auto& item : values_.items())
      require(asked_.contains(item.key()), where_, ": unknown key ", item.key());
  }
  const json& values() const { return values_; }
  const std::string& where() const { return where_; }
  bool asked(const std::string& key) const { return asked_.contains(key); }

 private:
  const json& values_;
  std::string where_;
  std::set<std::string> asked_;
};

std::string word_of(const json& value, const std::string& where) {
  require(value.is_string() || value.is_number(), where, ": expected text or a number, got ", value.dump());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// Every key that is not the table's own is an option of tweedie-restore: `drop: 0.7` is --drop 0.7, `compat:
/// true` is --compat, a list repeats its option.
std::vector<std::string> words_of(const Level& level) {
  static const std::set<std::string> reserved = {"input", "out",    "output",   "measurement",
                                                 "seed",  "quiet",  "resume",   "weights",
                                                 "prior", "device", "precision"};
  std::vector<std::string> words;
  for (const auto& item : level.values().items()) {
    if (level.asked(item.key())) continue;
    const std::string where = level.where() + ": " + item.key();
    require(!reserved.contains(item.key()), where, ": the table's own runs state it");
    const json& value = item.value();
    if (value.is_boolean()) {
      require(value.get<bool>(), where, ": an option is stated or left out; expected true");
      words.push_back("--" + item.key());
      continue;
    }
    for (const json& each : value.is_array() ? value : json::array({value})) {
      words.push_back("--" + item.key());
      words.push_back(word_of(each, where));
    }
  }
  return words;
}

std::vector<Row> rows_of(Level& top, const std::string& key, const std::string& path) {
  const json& list = top.get(key);
  require(list.is_array() && !list.empty(), path, ": ", key, ": expected a list of rows");
  std::vector<Row> rows;
  for (const json& item : list) {
    Level level(item, message(path, ": ", key, "[", rows.size(), "]"));
    Row row;
    row.name = level.text("name");
    require(!row.name.empty(), level.where(), ": name is missing");
    if (key == "methods") {
      row.only = level.texts("only");
      row.prior = level.text("prior");
      if (const json* steps = level.values().contains("steps") ? &level.values().at("steps") : nullptr)
        if (steps->is_number_integer()) row.steps = steps->get<int>();
    }
    row.words = words_of(level);
    for (const Row& other : rows)
      require(other.id() != row.id(), level.where(), ": a second row '", row.name, "'");
    rows.push_back(std::move(row));
  }
  return rows;
}

Selection selection_of(const json* value, const std::string& path) {
  Selection s;
  if (!value) return s;
  Level level(*value, path + ": images");
  s.ids = level.texts("ids");
  if (const std::string list = level.text("list"); !list.empty()) {
    require(s.ids.empty(), path, ": images: give ids or a list, not both");
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
  require(s.crop == "none" || s.crop == "centre" || s.crop == "guided-diffusion", path,
          ": images: crop: got ", s.crop, ", expected none, centre or guided-diffusion");
  require(s.crop == "none" || s.size > 0, path, ": images: crop ", s.crop, " needs a size");
  level.require_all_asked();
  return s;
}

std::vector<Published> published_of(const json* value, const Table& t, const std::string& path) {
  std::vector<Published> all;
  if (!value) return all;
  const auto known = [](const std::vector<Row>& rows, const std::string& name) {
    return std::any_of(rows.begin(), rows.end(), [&](const Row& row) { return row.name == name; });
  };
  require(value->is_object(), path, ": published: expected tasks with methods");
  for (const auto& task : value->items()) {
    require(known(t.tasks, task.key()), path, ": published: there is no task '", task.key(), "'");
    require(task.value().is_object(), path, ": published: ", task.key(), ": expected methods with metrics");
    for (const auto& method : task.value().items()) {
      require(method.value().is_object(), path, ": published: ", task.key(), ": ", method.key(),
              ": expected metrics with numbers");
      for (const auto& metric : method.value().items()) {
        require(metric.value().is_number(), path, ": published: ", task.key(), ": ", method.key(), ": ",
                metric.key(), ": expected a number, got ", metric.value().dump());
        all.push_back({task.key(), method.key(), metric.key(), metric.value().get<double>()});
      }
    }
  }
  return all;
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

Table read_table(const std::string& path) {
  const json file = read_config_file(path);
  Level top(file, path);
  Table t;
  t.name = top.text("name", std::filesystem::path(path).stem().string());
  t.source = top.text("source");
  t.network = top.text("network");
  t.differs = top.texts("differs");
  t.ambiguities = top.texts("ambiguities");
  t.metrics = top.texts("metrics");
  if (t.metrics.empty()) t.metrics = {"psnr", "ssim"};
  t.images = selection_of(top.find("images"), path);
  for (const std::string& seed : top.texts("seeds")) {
    require(!seed.empty() && seed.size() < 10 && seed.find_first_not_of("0123456789") == std::string::npos,
            path, ": seeds: expected whole numbers, got ", seed);
    t.seeds.push_back(std::stoull(seed));
  }
  if (t.seeds.empty()) t.seeds = {0};
  if (const json* options = top.find("options")) t.common = words_of(Level(*options, path + ": options"));
  t.tasks = rows_of(top, "tasks", path);
  t.methods = rows_of(top, "methods", path);
  for (const Row& method : t.methods)
    for (const std::string& name : method.only)
      require(std::any_of(t.tasks.begin(), t.tasks.end(), [&](const Row& task) { return task.name == name; }),
              path, ": method '", method.name, "': only: there is no task '", name, "'");
  t.published = published_of(top.find("published"), t, path);
  top.require_all_asked();
  return t;
}

}  // namespace tweedie::table

#include "tools/restore/asked.hpp"

#include <algorithm>

#include "tools/numbers.hpp"
#include "tools/restore/angles.hpp"
#include "weights/settings_json.hpp"

namespace tweedie {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

const Setting* row_of(const Settings& settings, const std::string& option) {
  for (const Setting& row : settings.rows())
    if (option_of(row) == option) return &row;
  return nullptr;
}

[[noreturn]] void refuse(const std::string& option, const std::string& task,
                         const std::vector<TaskOption>& options) {
  const auto row = std::find_if(options.begin(), options.end(),
                                [&](const TaskOption& each) { return each.option == option; });
  throw Error(message(option, " means nothing to task ", task, ", only to ",
                      row == options.end() ? "none" : joined(row->tasks)));
}

void prefer_in(OperatorDescription& op, const std::string& key, const std::string& value) {
  for (OperatorDescription& part : op.parts) prefer_in(part, key, value);
  if (op.settings.knows(key) && !op.settings.stated(key)) op.settings.parse(key, value, key);
}

}  // namespace

std::string Task::name() const {
  return draw ? message(kind->name, "_", draw->name) : std::string(kind->task_name());
}

std::vector<Task> all_tasks() {
  std::vector<Task> tasks;
  for (const OperatorKind* kind : operator_kinds()) {
    tasks.push_back({kind});
    for (const DrawRow& draw : kind->draws) tasks.push_back({kind, &draw});
  }
  return tasks;
}

namespace {

std::string described(const std::string& title, bool blind) {
  std::string text = title;
  for (const Task& task : all_tasks())
    if ((task.kind->blind != nullptr) == blind)
      text += message("\n  ", task.name(), std::string(20 - task.name().size(), ' '), task.what());
  return text;
}

}  // namespace

std::string describe_tasks() { return described("Tasks:", false); }

std::string describe_blind_tasks() { return described("Blind tasks:", true); }

Task find_task(const std::string& name) {
  std::vector<std::string> known;
  for (const Task& task : all_tasks()) {
    if (task.name() == name) return task;
    known.push_back(task.name());
  }
  throw Error(message("task '", name, "' is not known; expected one of ", joined(known)));
}

void add_option(std::vector<TaskOption>& options, const std::string& option, const std::string& what,
                const std::string& otherwise, const std::string& task, bool is_flag) {
  if (option.empty()) return;
  const std::string help = message(task, ": ", what);
  const auto same = std::find_if(options.begin(), options.end(),
                                 [&](const TaskOption& each) { return each.option == option; });
  if (same == options.end()) {
    options.push_back({option, help, otherwise, {task}, is_flag});
    return;
  }
  // What it means to the task before is said once for both.
  const std::string before = message(same->tasks.back(), ": ", what);
  if (same->help.ends_with(before))
    same->help.replace(same->help.size() - before.size(), before.size(),
                       message(same->tasks.back(), ", ", help));
  else
    same->help += "; " + help;
  same->tasks.push_back(task);
}

void add_option(std::vector<TaskOption>& options, const Setting& row, const std::string& task) {
  const bool flag = row.kind == Setting::Kind::flag;
  add_option(options, option_of(row), flag ? row.what : message(row.what, " (", expected_of(row), ")"),
             flag ? "" : default_of(row), task, flag);
}

std::vector<TaskOption> setting_options() {
  std::vector<TaskOption> options;
  for (const Task& task : all_tasks())
    for (const auto& rows : {task.draw ? task.draw->settings : task.kind->settings, task.kind->reading})
      for (const Setting& row : rows) add_option(options, row, task.name());
  return options;
}

std::vector<TaskOption> file_options() {
  std::vector<TaskOption> options;
  for (const OperatorKind* kind : operator_kinds()) {
    for (const ArrayRow& row : kind->arrays) add_option(options, row.option, row.what, "", kind->task_name());
    if (kind->network) add_option(options, "--operator-weights", kind->network, "", kind->task_name());
  }
  return options;
}

std::vector<TaskOption> foreign_options() {
  std::vector<TaskOption> options;
  for (const OperatorKind* kind : operator_kinds())
    if (kind->files) add_option(options, kind->files->option, kind->files->what, "0", kind->task_name());
  return options;
}

std::vector<UnknownOption> unknown_options() {
  std::vector<UnknownOption> options;
  for (const OperatorKind* kind : operator_kinds()) {
    if (!kind->blind) continue;
    for (const char* unknown : kind->blind->unknowns) {
      auto row = std::find_if(options.begin(), options.end(),
                              [&](const UnknownOption& each) { return each.unknown == unknown; });
      if (row == options.end())
        row = options.insert(
            options.end(),
            {unknown, message("--", unknown, "-weights"), message("--", unknown, "-model-config"), {}});
      row->tasks.push_back(kind->task_name());
    }
  }
  return options;
}

Asked::Asked(const Task& task)
    : op{task.kind, Settings(message("operator ", task.kind->name), task.kind->settings)},
      draw(task.draw),
      drawn_by("mask", task.draw ? task.draw->settings : std::span<const Setting>()),
      read_by("measurement", task.kind->reading) {}

Asked::Asked(OperatorDescription description, const DrawRow* how)
    : op(std::move(description)),
      draw(how),
      drawn_by("mask", how ? how->settings : std::span<const Setting>()),
      read_by("measurement", op.kind->reading),
      described(true) {}

std::string Asked::name() const {
  return draw && op.kind->draws.size() > 0 ? Task{op.kind, draw}.name() : op.kind->task_name();
}

Settings* Asked::settings_with(const std::string& option) {
  for (Settings* settings : {&op.settings, &drawn_by, &read_by})
    if (row_of(*settings, option)) return settings;
  return nullptr;
}

bool Asked::are_angles(const std::string& option, const std::string& text) const {
  const AnglesRow* row = op.kind->angles;
  return row && option == message("--", row->count) && !parse_number(text);
}

void Asked::take_angles(const std::string& option, const std::string& text) {
  const AnglesRow& row = *op.kind->angles;
  require(!op.settings.stated(row.first) && !op.settings.stated(row.span), option, " ", text,
          " says where the angles begin and end; nothing else may");
  if (const auto range = parse_angle_range(text, option)) {
    op.settings.set(row.first, range->first);
    op.settings.set(row.span, range->last - range->first);
    op.settings.set(row.count, std::int64_t(range->count));
    return;
  }
  std::vector<float> degrees = read_angles(text, option);
  op.settings.set(row.count, std::int64_t(degrees.size()));
  lists[row.array] = std::move(degrees);
}

void Asked::take_settings(const Given& given) {
  for (const auto& [option, text] : given) {
    Settings* settings = settings_with(option);
    if (!settings) refuse(option, name(), setting_options());
    if (!are_angles(option, text)) settings->parse(row_of(*settings, option)->name, text, option);
  }
  for (const auto& [option, text] : given)
    if (are_angles(option, text)) take_angles(option, text);
}

void Asked::take_files(const Given& given) {
  for (const auto& [option, path] : given) {
    bool taken = false;
    for (const OperatorDescription* leaf : op.leaves()) {
      for (const ArrayRow& row : leaf->kind->arrays)
        if (option == row.option && (!draw || described)) files[row.name] = path, taken = true;
      if (option == "--operator-weights" && leaf->kind->network) network = path, taken = true;
    }
    // What `composed` is made of, its measurement says.
    if (!taken && !(op.kind->of_many && op.parts.empty())) refuse(option, name(), file_options());
  }
}

void Asked::set(const std::string& key, const std::string& text) {
  Settings& settings = op.settings.knows(key) ? op.settings : drawn_by.knows(key) ? drawn_by : read_by;
  settings.parse(key, text, message("--set ", key));
}

void Asked::add_lists(Context& context, OperatorData& data) const {
  for (const auto& [array, values] : lists)
    data[array] = context.upload({1, 1, 1, int(values.size())}, values);
}

void Asked::prefer(const std::string& wishes) {
  for (std::size_t from = 0; from < wishes.size();) {
    const std::size_t end = std::min(wishes.find(' ', from), wishes.size());
    const std::string wish = wishes.substr(from, end - from);
    const std::size_t equals = wish.find('=');
    if (equals != wish.npos) prefer_in(op, wish.substr(0, equals), wish.substr(equals + 1));
    from = end + 1;
  }
}

Json Asked::describe_mask() const {
  if (const auto file = files.find("mask"); file != files.end()) return {{"file", file->second}};
  if (!draw) return {};
  Json mask{{"kind", draw->name}};
  mask.update(Json(to_json(drawn_by, true)));
  return mask;
}

}  // namespace tweedie

// What was measured and how, as the user asks for it: tasks by name, and their options, all from the rows of
// operators.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "operators/factory.hpp"
#include "tools/report.hpp"

namespace tweedie {

/// An inverse problem by the name that follows --task: an operator, or one whose mask is drawn.
struct Task {
  const OperatorKind* kind;
  const DrawRow* draw = nullptr;
  std::string name() const;
  std::string what() const { return draw ? draw->what : kind->what; }
};
std::vector<Task> all_tasks();
/// Names and one line each, for --help; blind problems apart.
std::string describe_tasks();
std::string describe_blind_tasks();
/// Errors: an unknown name (the known ones are listed).
Task find_task(const std::string& name);

/// An option of the command line that belongs to some tasks, or methods.
struct TaskOption {
  std::string option, help,
      otherwise;  ///< help: what it means to which task; otherwise: the default, as text
  std::vector<std::string> tasks;
  bool is_flag = false;
};
/// Adds an option that means `what` to a task, or the task to the same option of others.
void add_option(std::vector<TaskOption>& options, const std::string& option, const std::string& what,
                const std::string& otherwise, const std::string& task, bool is_flag = false);
/// The same of a setting, where command lines have it.
void add_option(std::vector<TaskOption>& options, const Setting& row, const std::string& task);
/// Of settings; of files that hold an operator's arrays or its network; of other programs' files. Options
/// that several tasks share are one.
std::vector<TaskOption> setting_options();
std::vector<TaskOption> file_options();
std::vector<TaskOption> foreign_options();
/// Of the weights ("--kernel-weights"), and of the configurations ("--kernel-model-config"), of the priors of
/// what is unknown besides the image; `unknown` is its name.
struct UnknownOption {
  std::string unknown, weights, config;
  std::vector<std::string> tasks;
};
std::vector<UnknownOption> unknown_options();

/// Options that were stated, with their texts.
using Given = std::map<std::string, std::string>;

/// What is to be measured: nothing is stated but what the user stated.
struct Asked {
  explicit Asked(const Task& task);
  /// An operator that a file describes; its mask, if it has one, may be drawn.
  Asked(OperatorDescription description, const DrawRow* draw);

  OperatorDescription op;
  const DrawRow* draw = nullptr;
  Settings drawn_by;                                ///< of `draw`
  Settings read_by;                                 ///< how a plain array that was measured is to be read
  std::map<std::string, std::vector<float>> lists;  ///< arrays that were stated as lists, by their names
  std::map<std::string, std::string> files;         ///< paths of arrays, by the arrays' names
  std::string network;                              ///< path of the operator's weight file
  bool kernel_is_psf = false;                       ///< a kernel file is convolved with, not correlated
  bool described = false;                           ///< by a file

  /// The name of the task.
  std::string name() const;
  /// Takes the values of options. Errors: one that means nothing to this task; a value that does not fit.
  void take_settings(const Given& given);
  void take_files(const Given& given);
  /// Whether a setting or a range of the mask has this name.
  bool knows(const std::string& key) const {
    return op.settings.knows(key) || drawn_by.knows(key) || read_by.knows(key);
  }
  /// Whether it has a value.
  bool states(const std::string& key) const {
    return op.settings.stated(key) || drawn_by.stated(key) || read_by.stated(key);
  }
  void set(const std::string& key, const std::string& text);
  /// States each "key=value" of a list joined by spaces where the operator, or a part of it, has such a
  /// setting and nothing was stated.
  void prefer(const std::string& wishes);
  /// The lists as the operator's arrays.
  void add_lists(Context& context, OperatorData& data) const;
  /// Of a mask, for the report: how it is drawn, or its file; null where there is none.
  Json describe_mask() const;

 private:
  Settings* settings_with(const std::string& option);
  bool are_angles(const std::string& option, const std::string& text) const;
  void take_angles(const std::string& option, const std::string& text);
};

}  // namespace tweedie

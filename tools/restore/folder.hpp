// The folder of a run: what it will hold, what of an earlier run goes, and what must not be written over.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/files.hpp"
#include "tools/restore/options.hpp"

namespace tweedie {

class ResultFolder {
 public:
  /// Plans the files of a run; makes nothing yet. The picture that is given as the truth, where it is what
  /// this run would write, and a measurement of another run stay in their places as they are.
  explicit ResultFolder(const Options& options);
  /// Makes the folder; without results it is gone again. Halves of files that a killed run left there go.
  /// Errors: as `require_inputs_survive`.
  void make();
  /// Errors: a file that was read by now has the place of a result.
  void require_inputs_survive() const;

  const std::string& path() const { return path_; }
  /// Where a planned file goes; nothing where the run's own input of that name stays.
  std::optional<std::string> place(const std::string& name);
  /// The pictures, and their arrays, among what was placed or stayed.
  std::vector<std::string> pictures() const;

  /// Removes pictures of an earlier run (by its report.json), which would be taken for this one's, but for
  /// those placed again and those that this run was given, or whose measurement it was given; the names of
  /// the latter are the result. To be called before the new report is written. Errors: one cannot be removed.
  std::vector<std::string> remove_earlier();

 private:
  bool is_needed(const std::string& name) const;
  std::string path_, input_, measurement_;
  std::vector<std::string> planned_, stays_, placed_;
  std::optional<OutputDirectory> directory_;
};

/// The names of sample `index`, from 0: the picture and the array.
std::string sample_name(int index);
std::string sample_array_name(int index);

}  // namespace tweedie

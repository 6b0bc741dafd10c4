// Samples on disk as they are finished, so that a run that was interrupted can go on.
#pragma once

#include <optional>
#include <string>

#include "tools/restore/solution.hpp"

namespace tweedie {

/// Keeps finished samples of one run: sample_K.png for people, and sample_K.part.h5 with the exact numbers
/// until the run is complete. A run is known by a text that says all its samples depend on.
class SampleStore {
 public:
  /// `several`: there is something to keep. Without `resume`, parts of an earlier run are removed. Errors:
  /// `resume`, and a part belongs to another run.
  SampleStore(std::string folder, std::string run, bool several, bool resume);
  /// Sample `index` (from 0) of this run as it was written; nothing where it was not.
  std::optional<Sample> read(int index) const;
  void write(int index, const Sample& sample) const;
  /// How many of the first `samples` samples `read` would find.
  int found(int samples) const;
  /// The run is complete: the parts go.
  void finish() const;

 private:
  std::string part(int index) const;
  void remove_parts() const;
  std::string folder_, run_;
  bool several_, resume_;
};

}  // namespace tweedie

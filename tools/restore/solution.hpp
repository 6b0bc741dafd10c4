// What a run of tweedie-restore comes to.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/image.hpp"
#include "tools/report.hpp"

namespace tweedie {

/// One run of a solver.
struct Run {
  Image restored;                           ///< clipped to [-1, 1], of the picture's size
  double misfit = 0, seconds_per_step = 0;  ///< of a batch a run's share of its seconds
  /// Of blind problems what was found besides, by name: kernels (1, height, width) of sum 1, tilts (2,
  /// height, width) in pixels.
  std::map<std::string, Image> unknowns = {};
  Image unclipped = {};  ///< `restored` as the method left it
};

/// The run with the least misfit, and how all fared.
struct Sample {
  Run best;
  std::vector<Run> runs;
};

struct Solution {
  std::vector<Sample> samples;
  Json settings;  ///< of the method, for the report
  bool uses_prior = true;
};

}  // namespace tweedie

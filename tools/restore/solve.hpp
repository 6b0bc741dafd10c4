// From the problem to its restorations.
#pragma once

#include "tools/restore/problem.hpp"

namespace tweedie {

/// One run of a sampler.
struct Run {
  Image restored;  ///< clipped to [-1, 1], of the picture's size
  double misfit = 0, seconds_per_step = 0;
};

/// The run with the least misfit, and how all fared.
struct Sample {
  Run best;
  std::vector<Run> runs;
};

struct Solution {
  std::vector<Sample> samples;
  Json settings;  ///< of sampler and guidance, or of the classical method, for the report
};

/// Does what the method says; samples are drawn as the options ask for, each run from a random stream of its
/// own. Errors: a method that does not suit the operator, with the reason; a run that diverges.
Solution solve(Context& context, const Options& options, const Problem& problem, const Prior& prior);

}  // namespace tweedie

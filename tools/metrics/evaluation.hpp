// Two folders of images scored by a list of metrics.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/metrics/catalogue.hpp"
#include "tools/metrics/folders.hpp"

namespace tweedie::metrics {

struct EvaluationOptions {
  std::string images, references;  ///< folders or files; for FID the references may be an .npz of statistics
  std::vector<Metric> metrics;
  std::string networks = ".";  ///< folder of weight files
  bool common = false;         ///< leave out images without a partner
  bool quiet = false;          ///< no progress
  std::uint64_t seed = 0;      ///< of KID's subsets
};

/// Numbers of one metric.
struct Score {
  Metric metric;
  std::vector<double> values;            ///< of each pair, or the one number there is
  double mean = 0;                       ///< of the finite values
  std::optional<double> deviation = {};  ///< between images (divided by n - 1); of KID between subsets
  int infinite = 0;                      ///< values left out of the mean: equal images
  std::string note = {};                 ///< "12 and 70000 images", for metrics of sets
};

struct Evaluation {
  std::vector<PairOfFiles> pairs;  ///< none where all metrics are of sets
  std::vector<Score> scores;
};
/// Errors: images that cannot be read, sizes that differ (named), missing networks (before anything is
/// computed).
Evaluation evaluate(Context& context, const EvaluationOptions& options);

}  // namespace tweedie::metrics

// Every metric by its name on the command line.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/metrics/networks.hpp"
#include "tools/metrics/planes.hpp"

namespace tweedie::metrics {

/// What a metric is of.
enum class Of {
  pair,   ///< an image and its reference; a table holds the mean
  pairs,  ///< all of them together (squares that are pooled)
  sets    ///< two sets of images, whatever their order
};

struct Metric {
  std::string name;  ///< "ssim-uniform7"
  std::string tool;  ///< what a table prints: "ssim (skimage uniform7)"
  Of of = Of::pair;
  bool higher_is_better = false;
  int digits = 4;  ///< after the point, in tables
};

/// All of them, in the order in which help lists them.
std::vector<Metric> catalogue();
/// Those of a list such as "psnr,ssim,lpips-vgg". Errors: an unknown name (all are listed), none, one twice.
std::vector<Metric> parse_metrics(const std::string& list);

/// A metric of pairs, ready to be asked: x is the image, y its reference, both in [0, 1].
using PairMetric = std::function<double(const Planes& x, const Planes& y)>;
/// `networks` is the folder of weight files. Errors: its network is missing; a metric that is not of pairs.
PairMetric make_pair_metric(Context& context, const Metric& metric, const std::string& networks);

/// What a metric of sets feeds Inception: the name of an `InceptionInput`; and whether it is a kernel
/// distance.
struct SetMetric {
  std::string input;
  bool kernel = false;
};
/// Errors: not a metric of sets.
SetMetric set_metric(const Metric& metric);

}  // namespace tweedie::metrics

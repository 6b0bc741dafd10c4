// What came of a run: judged once, then written and printed.
#pragma once

#include <optional>
#include <vector>

#include "tools/metrics/kernel_match.hpp"
#include "tools/restore/folder.hpp"
#include "tools/restore/problem.hpp"
#include "tools/restore/solution.hpp"

namespace tweedie {

/// How near an image is to the truth.
struct Quality {
  double psnr = 0;
  std::optional<double> ssim;  ///< of images that are large enough
  std::optional<double>
      half_turned;  ///< PSNR of the image turned by half a turn, where magnitudes were measured
};

struct Results {
  Image restored;              ///< the sample, or the mean of several
  std::vector<Image> samples;  ///< the best of each one's runs
  std::optional<Quality> before, after;
  std::optional<std::array<double, 2>> inside;  ///< share of the truth in the samples' central 50 and 90 %
  /// The least misfit of a sample relative to what noise alone makes of it, where that is known and not 0.
  std::optional<double> relative_misfit;
  /// The same of a picture whose noise is a guess: enough to speak of, not to report.
  std::optional<double> guessed_misfit;
  std::optional<metrics::DataMisfit> misfit;  ///< the relative misfit in numbers: chi^2 and its kin
  static constexpr double most_misfit = 3;
  bool contradicts() const { return relative_misfit.value_or(0) > most_misfit; }
};

Results judge(const Problem& problem, const Solution& solution);

/// Writes pictures, measurement and, at last, the report. The pictures: original (when known), measurement,
/// restored, comparison (original, measurement or what it makes, restored) and, of several samples, each and
/// their standard deviation (0 to its maximum).
void write_results(Context& context, ResultFolder& folder, const Options& options, const Prior& prior,
                   const Problem& problem, const Solution& solution, const Results& results);

/// Runs of restarts, PSNR before and after, calibration; one line on stderr where the result does not explain
/// the measurement.
void print_results(Context& context, const Problem& problem, const Solution& solution,
                   const Results& results);

}  // namespace tweedie

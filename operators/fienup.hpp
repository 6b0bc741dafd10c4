// Classical phase retrieval: alternating projections between measured magnitudes and what is known of images.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "operators/phase_retrieval.hpp"

namespace tweedie {

/// All three go back and forth between an iterate g and g' = P g, which has the measured magnitudes and the
/// phases of g's transform, on the padded plane; they differ in how g' is made to obey what is known of the
/// image: 0 outside its area, and there within [low, high] (`FienupOptions::bounded`). With T g' the nearest
/// plane that does:
///   error reduction (Gerchberg & Saxton 1972, Fienup 1978):  g <- T g' ; the misfit never grows, and stalls.
///   hybrid input-output (Fienup 1982):  g <- g' where T g' = g', elsewhere g - beta (g' - T g') .
///   oversampling smoothness (Rodriguez et al., J. Appl. Cryst. 2013): as that, but outside the image's area
/// g <- G_a (g - beta g'), G_a a Gaussian low-pass filter exp(-f^2 / (2 a^2)), f in cycles a pixel. There are
/// ten stages of equal length, a = 2, 1.8, ..., 0.2, the next one starting from the last one's iterate of the
/// least misfit (widths and restart as in the code its authors published).
enum class FienupMethod { error_reduction, hybrid_input_output, oversampling_smoothness };

/// The method called "er", "hio" or "oss". Errors: another name.
FienupMethod fienup_method(const std::string& name);

/// The defaults are those of the DPS paper's baselines, but for `polish` and the early end: see there.
struct FienupOptions {
  FienupMethod method = FienupMethod::hybrid_input_output;
  int iterations = 10000;
  double beta = 0.9;  ///< not used by error reduction
  /// Iterations of error reduction at the end, from the iterate of the least misfit: customary after the
  /// other two, whose iterates keep moving about a solution. Not counted in `iterations`.
  int polish = 200;
  /// Constrain the image to [-1, 1] from both sides. Else, with `range: unit`, only to what is not below
  /// black (non-negativity, as published); and with `pm1`, where the 0 around the image is mid-grey and the
  /// image has both signs, to nothing but its area.
  bool bounded = false;
  /// Done as soon as |y - A x| <= tolerance |y| for every plane.
  double tolerance = 1e-6;
};

/// Called every ten iterations, and at the end of each stage, with the largest |y - A x| / |y| of a plane's
/// best iterate so far; false ends the run early, and the best so far is returned.
using FienupProgress = std::function<bool(int iteration, double misfit)>;

struct FienupResult {
  /// (N, C, H, W), where -1 is black and 1 is white; not clipped beyond the constraints.
  Tensor x;
  /// |y - A x| of every plane, N C of them, sample after sample.
  std::vector<double> misfit;
  int iterations = 0;
};

/// An image whose magnitudes are near `y`: of each plane (samples and channels are independent of each other)
/// the iterate T g' of the least misfit among every tenth one. Starts from the next random phases of the
/// context's stream, so that calling it again is another start. y: (N, C, H', W') as `op` measures images of
/// shape `image`; it may be noisy: the magnitudes of frequencies k and -k, which are equal for real images,
/// are averaged, and what is below 0 counts as 0.
///
/// A photograph and the same turned by half a turn have the same magnitudes (with `pm1`, its negative too):
/// each channel may come out either way. See `align_channels` and `half_turned`.
///
/// How much is measured decides. A photograph of 64 x 64 pixels comes back from exact magnitudes (to over
/// 100 dB) by hybrid input-output with oversampling 2.5 to 4, in 11 of 16 starts; with 2, where there are 1.1
/// independent magnitudes for each pixel, in none of 4. Error reduction never found it.
///
/// Errors: y of another shape; an image without pixels; options out of range.
FienupResult fienup(Context& context, const PhaseRetrieval& op, const Tensor& y, const Shape& image,
                    const FienupOptions& options, const FienupProgress& progress = {});

/// Replaces every plane of `best` whose misfit is larger than that of the same plane in `other`: the best of
/// several starts, channel by channel. Errors: shapes differ.
void keep_better(Context& context, FienupResult& best, const FienupResult& other);

/// Every plane turned by half a turn (180 degrees).
Tensor half_turned(Context& context, const Tensor& x);

/// Each channel after the first turned by half a turn where it then correlates better with the channels
/// before it: those of a photograph correlate strongly, so no truth is needed. `either_sign` (for `pm1`): it
/// is also negated where that does. The picture as a whole can still be turned, and with `either_sign` a
/// negative.
Tensor align_channels(Context& context, const Tensor& x, bool either_sign);

}  // namespace tweedie

// The most likely blur kernel, given samples of the image: the maximisation step of Fast Diffusion EM.
#pragma once

#include <functional>
#include <optional>

#include "engine/context.hpp"
#include "operators/separable.hpp"

namespace tweedie {

struct KernelMapOptions {
  int rows = 33, columns = 33;  ///< of the kernel
  double sigma = 0.02;          ///< standard deviation of the noise in y, in the units of x and y
  double coupling = 1e5;        ///< b: how strongly the two halves of the problem are tied
  int iterations = 10;
  double lambda = 1;     ///< the proximal map's noise level is sqrt(lambda / b)
  bool recentre = true;  ///< brings the kernel's centre of mass back to its middle
};

/// What the prior on kernels makes of a kernel with noise of this standard deviation: a denoiser. The kernel
/// (1, 1, rows, columns) is on the simplex and is changed in place.
using KernelProximal = std::function<void(Tensor& kernel, double noise)>;

/// argmax_k of log p(k) + mean over samples i and channels of log p(y | x_i, k), y = k correlated with x +
/// noise, the image continued by itself (`Convolution` with circular edges, also for its centring), by
/// half-quadratic splitting (Laroche, Almansa & Coupete, "Fast Diffusion EM", WACV 2024). Each iteration
/// solves
///   z = argmin |y - z * x|^2 / (2 sigma^2) + b / 2 |z - k|^2
/// exactly in the Fourier domain, on whole planes of which the kernel's pixels are then kept, and k = the
/// prior's proximal map of z. Without a denoiser that is the nearest point of the simplex, k >= 0 and sum k =
/// 1, which is also what a denoiser is given and held to. (The published code solves each channel alone and
/// takes the mean; here one kernel fits them all.)
class KernelMap {
 public:
  /// Errors: sides, iterations, sigma, coupling or lambda that are not positive.
  KernelMap(Context& context, const KernelMapOptions& options, KernelProximal proximal = {});
  /// A kernel of 1 at its middle, from which the first step may start.
  Tensor delta() const;
  /// The next estimate from samples x (N, C, H, W), their measurement y (1 or N, C, H, W) and the last
  /// estimate (1, 1, rows, columns). Errors: shapes that do not fit, a kernel larger than the images.
  Tensor solve(const Tensor& x, const Tensor& y, const Tensor& kernel);
  /// One least squares solution z, on the kernel's pixels, held near `kernel`.
  Tensor least_squares(const Tensor& x, const Tensor& y, const Tensor& kernel);

 private:
  using Spectrum = TensorOf<std::complex<float>>;
  /// Sums over samples and channels of x conj(y) and |x|^2, the same in all iterations.
  struct Normal {
    Shape image;
    Spectrum product, power;
    float weight = 0;
  };
  Normal normal_equations(const Tensor& x, const Tensor& y);
  Tensor held_near(const Normal& normal, const Tensor& kernel);
  Tensor centred(const Tensor& kernel);
  void require_kernel(const Tensor& kernel) const;

  Context& context_;
  KernelMapOptions options_;
  KernelProximal proximal_;
  std::optional<SeparableOperator> wrapped_;  // a kernel about pixel 0 of planes of H x W
  int H_ = 0, W_ = 0;
  std::vector<float> values_, moved_;  // of a kernel on the host
};

}  // namespace tweedie

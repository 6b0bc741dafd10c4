#include "tools/metrics.hpp"

#include "kernels/error.hpp"
#include "tools/metrics/similarity.hpp"

namespace tweedie {

double mse(const Image& x, const Image& y) {
  return metrics::mean_squared_error(metrics::planes_of(x), metrics::planes_of(y));
}

double psnr(const Image& x, const Image& y) { return metrics::decibels(mse(x, y)); }

double ssim(const Image& x, const Image& y) {
  return metrics::ssim(metrics::planes_of(x), metrics::planes_of(y), metrics::ssim_variant("ssim"));
}

}  // namespace tweedie

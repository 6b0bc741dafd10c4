#include "tools/metrics/similarity.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/error.hpp"

namespace tweedie::metrics {
namespace {

constexpr PsnrVariant psnr_table[] = {
    {"psnr", "psnr (skimage)"},
    {"psnr-piq", "psnr (piq, +1e-8)", 1e-8},
    {"psnr-piq-gray", "psnr (piq, luma)", 1e-8, true},
    {"psnr-reddiff", "psnr (RED-diff, +1e-10)", 1e-10},
    // 20 log10(2 / sqrt(mse' + 1e-10)), mse' of [-1, 1] images: four times ours.
    {"psnr-diffpir", "psnr (DiffPIR, +2.5e-11)", 2.5e-11},
};

constexpr auto gaussian = SsimVariant::Window::gaussian, uniform = SsimVariant::Window::uniform;
constexpr SsimVariant ssim_table[] = {
    {"ssim", "ssim (Wang; skimage gaussian)", gaussian, 11},
    {"ssim-uniform7", "ssim (skimage uniform7)", uniform, 7, true},
    {"ssim-uniform7-population", "ssim (skimage uniform7, population)", uniform, 7},
    {"ssim-uniform11", "ssim (skimage uniform11)", uniform, 11, true},
    {"ssim-gaussian-sample", "ssim (skimage gaussian, sample)", gaussian, 11, true},
    {"ssim-piq", "ssim (piq)", gaussian, 11, false, false, true},
    {"ssim-piq-full", "ssim (piq, downsample off)", gaussian, 11},
    {"ssim-torchmetrics", "ssim (torchmetrics)", gaussian, 11, false, true},
    {"ssim-torchmetrics-range", "ssim (torchmetrics, range of the images)", gaussian, 11, false, true, false,
     true},
    {"ssim-torchmetrics-uniform11", "ssim (torchmetrics uniform11)", uniform, 11, false, true},
};

std::vector<double> taps_of(const SsimVariant& v) {
  std::vector<double> taps(std::size_t(v.size), 1);
  double sum = 0;
  for (int i = 0; i < v.size; ++i) {
    const double distance = (i - v.size / 2) / 1.5;
    if (v.window == gaussian) taps[std::size_t(i)] = std::exp(-distance * distance / 2);
    sum += taps[std::size_t(i)];
  }
  for (double& tap : taps) tap /= sum;
  return taps;
}

/// The local moments of a window, or of one row of it: E[x], E[y], E[x x], E[y y], E[x y].
using Moments = std::array<double, 5>;

void accumulate(Moments& sum, double weight, const Moments& term) {
  for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += weight * term[k];
}

/// One channel of two images.
struct Pair {
  const double *x, *y;
  int height, width;
};

struct Constants {
  double c1, c2, covariance;  // the last: NP / (NP - 1), or 1
  bool clamp;                 // torchmetrics holds variances at 0 and above
};

double similarity(const Moments& m, const Constants& k) {
  const auto [mean_x, mean_y, xx, yy, xy] = m;
  double variance_x = k.covariance * (xx - mean_x * mean_x),
         variance_y = k.covariance * (yy - mean_y * mean_y);
  if (k.clamp) {
    variance_x = std::max(variance_x, 0.0);
    variance_y = std::max(variance_y, 0.0);
  }
  const double covariance = k.covariance * (xy - mean_x * mean_y);
  return (2 * mean_x * mean_y + k.c1) * (2 * covariance + k.c2) /
         ((mean_x * mean_x + mean_y * mean_y + k.c1) * (variance_x + variance_y + k.c2));
}

/// One row filtered horizontally: out[j] covers the columns first + j ... of the row, mirrored where outside.
void filter_row(std::vector<Moments>& out, const Pair& p, int row, int first,
                const std::vector<double>& taps) {
  const double* const x = p.x + std::size_t(row) * std::size_t(p.width);
  const double* const y = p.y + std::size_t(row) * std::size_t(p.width);
  for (std::size_t j = 0; j < out.size(); ++j) {
    Moments sum{};
    for (std::size_t i = 0; i < taps.size(); ++i) {
      const int at = reflect_index(first + (long long)(i + j), p.width);
      const double a = x[at], b = y[at];
      accumulate(sum, taps[i], {a, b, a * a, b * b, a * b});
    }
    out[j] = sum;
  }
}

double channel_ssim(const Pair& p, const SsimVariant& v, const Constants& constants) {
  const std::vector<double> taps = taps_of(v);
  const int margin = v.mirrored ? v.size / 2 : 0;  // positions outside at which windows begin
  const int rows = p.height - v.size + 1 + 2 * margin, columns = p.width - v.size + 1 + 2 * margin;
  // The filtered rows under the window, as a ring: row r lies at r % size.
  const auto size = std::size_t(v.size);
  std::vector<std::vector<Moments>> ring(size, std::vector<Moments>(std::size_t(columns)));
  double sum = 0;
  for (int r = 0; r < rows + v.size - 1; ++r) {
    filter_row(ring[std::size_t(r) % size], p, reflect_index(r - margin, p.height), -margin, taps);
    const int top = r - v.size + 1;
    if (top < 0) continue;
    for (std::size_t j = 0; j < std::size_t(columns); ++j) {
      Moments window{};
      for (std::size_t i = 0; i < size; ++i)
        accumulate(window, taps[i], ring[(std::size_t(top) + i) % size][j]);
      sum += similarity(window, constants);
    }
  }
  return sum / (double(rows) * double(columns));
}

/// Means of f x f pixels; a rest at the right and bottom is dropped.
Planes reduced(const Planes& x, int f) {
  Planes y{x.channels, x.height / f, x.width / f, {}};
  for (int c = 0; c < x.channels; ++c)
    for (int h = 0; h < y.height; ++h)
      for (int w = 0; w < y.width; ++w) {
        double sum = 0;
        for (int i = 0; i < f * f; ++i)
          sum += x.data[std::size_t(c) * x.plane() + std::size_t(h * f + i / f) * std::size_t(x.width) +
                        std::size_t(w * f + i % f)];
        y.data.push_back(sum / (f * f));
      }
  return y;
}

}  // namespace

double mean_squared_error(const Planes& x, const Planes& y) {
  require_same_size("mse", x, y);
  double sum = 0;
  for (std::size_t i = 0; i < x.data.size(); ++i) sum += (x.data[i] - y.data[i]) * (x.data[i] - y.data[i]);
  return sum / double(x.data.size());
}

double decibels(double mse, double epsilon) {
  return mse + epsilon == 0 ? std::numeric_limits<double>::infinity() : -10 * std::log10(mse + epsilon);
}

std::span<const PsnrVariant> psnr_variants() { return psnr_table; }

double psnr(const Planes& x, const Planes& y, const PsnrVariant& v) {
  return decibels(v.gray ? mean_squared_error(luma(x), luma(y)) : mean_squared_error(x, y), v.epsilon);
}

double psnr_half_turn(const Planes& x, const Planes& y) {
  Planes turned = x;
  for (std::size_t c = 0; c < std::size_t(x.channels); ++c) {
    const auto first = turned.data.begin() + std::ptrdiff_t(c * x.plane());
    std::reverse(first, first + std::ptrdiff_t(x.plane()));
  }
  return decibels(std::min(mean_squared_error(x, y), mean_squared_error(turned, y)));
}

std::span<const SsimVariant> ssim_variants() { return ssim_table; }

const SsimVariant& ssim_variant(const std::string& name) {
  for (const SsimVariant& v : ssim_table)
    if (name == v.name) return v;
  throw Error(message("there is no SSIM named ", name));
}

double data_range(const Planes& x, const Planes& y, const SsimVariant& v) {
  const auto range = [](const Planes& p) {
    const auto [low, high] = std::minmax_element(p.data.begin(), p.data.end());
    return *high - *low;
  };
  return v.range_of_images ? std::max(range(x), range(y)) : 1;
}

std::vector<double> ssim_per_channel(const Planes& x, const Planes& y, const SsimVariant& v) {
  require_same_size("ssim", x, y);
  if (v.reduced) {
    const int f = int(std::nearbyint(std::min(x.height, x.width) / 256.0));  // ties to even, as Python rounds
    SsimVariant rest = v;
    rest.reduced = false;
    if (f > 1) return ssim_per_channel(reduced(x, f), reduced(y, f), rest);
  }
  require(std::min(x.height, x.width) >= v.size, "ssim of a ", x.width, " x ", x.height, ", ", x.channels,
          "-channel image: expected at least ", v.size, " pixels a side, the size of its window");
  const double range = data_range(x, y, v), pixels = v.size * v.size;
  const Constants constants{0.01 * range * 0.01 * range, 0.03 * range * 0.03 * range,
                            v.sample ? pixels / (pixels - 1) : 1, v.mirrored};
  std::vector<double> values;
  for (std::size_t c = 0; c < std::size_t(x.channels); ++c)
    values.push_back(channel_ssim(
        {x.data.data() + c * x.plane(), y.data.data() + c * x.plane(), x.height, x.width}, v, constants));
  return values;
}

double ssim(const Planes& x, const Planes& y, const SsimVariant& variant) {
  double sum = 0;
  for (const double value : ssim_per_channel(x, y, variant)) sum += value;
  return sum / x.channels;
}

double relative_l2(const Planes& x, const Planes& y) {
  double squares = 0;
  for (const double value : y.data) squares += value * value;
  return std::sqrt(mean_squared_error(x, y) * double(x.data.size()) / squares);
}

}  // namespace tweedie::metrics

#include "operators/truncated.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/coefficients.hpp"
#include "kernels/elementwise.hpp"

namespace tweedie {
namespace {

using Size = std::size_t;

Svd truncated(const DenseMatrix& m, double zero) {
  Svd svd = singular_values(m.values, m.rows, m.columns);
  for (double& s : svd.s)
    if (s < zero) s = 0;
  return svd;
}

}  // namespace

TruncatedSeparable::TruncatedSeparable(Context& context, const DenseMatrix& m, double zero,
                                       std::vector<int> order)
    : context_(context), svd_(truncated(m, zero)), order_(std::move(order)) {
  if (order_.empty()) return;
  require(m.rows == m.columns && order_.size() == m.values.size(), "separable: an order of ", order_.size(),
          " singular values for a matrix of ", m.rows, "x", m.columns);
  std::vector<int> sorted = order_;
  std::sort(sorted.begin(), sorted.end());
  for (Size i = 0; i < sorted.size(); ++i)
    require(sorted[i] == int(i), "separable: the order of singular values is no permutation");
}

Shape TruncatedSeparable::output_shape(const Shape& image) const {
  require(image.H == svd_.n && image.W == svd_.n, "separable: images of ", image.H, "x", image.W,
          " pixels for a matrix of ", svd_.n, " columns");
  return {image.N, image.C, svd_.m, svd_.m};
}

Spectral* TruncatedSeparable::spectral(const Shape& image) {
  (void)output_shape(image);
  return spectral_.get(image, [this](const Shape& s) {
    SeparableSpectral::Values values;
    std::vector<int> rank(order_.size());
    for (Size k = 0; k < order_.size(); ++k) rank[Size(order_[k])] = int(k);
    if (!order_.empty())
      values = [&, C = s.C](int c, int i, int j) {
        const Size k = Size(C) * Size(rank[Size(i * svd_.n + j)]) + Size(c);
        const int from = order_[k % order_.size()];
        return svd_.s[Size(from / svd_.n)] * svd_.s[Size(from % svd_.n)];
      };
    return std::make_unique<SeparableSpectral>(context_, s, svd_, svd_, values);
  });
}

Tensor TruncatedSeparable::apply(const Tensor& x) {
  Spectral* const svd = spectral(x.shape());
  Tensor c = svd->Vt(x);
  multiply(context_.queue, c, c, svd->s());
  return svd->U(c);
}

Tensor TruncatedSeparable::adjoint(const Tensor& y, const Shape& image) {
  require(y.shape() == output_shape(image), "separable: measurement ", y.shape(), " for images ", image);
  Spectral* const svd = spectral(image);
  Tensor c = svd->Ut(y);
  multiply(context_.queue, c, c, svd->s());
  return svd->V(c);
}

Tensor TruncatedSeparable::pseudo_inverse(const Tensor& y, const Shape& image) {
  require(y.shape() == output_shape(image), "separable: measurement ", y.shape(), " for images ", image);
  Spectral* const svd = spectral(image);
  Tensor c = svd->Ut(y);
  filter(context_.queue, c, c, svd->s(), {1, 1, 0});
  return svd->V(c);
}

DenseMatrix ddrm_blur(int pixels, const std::vector<double>& taps) {
  DenseMatrix m{pixels, pixels, std::vector<double>(Size(pixels) * Size(pixels), 0.0)};
  const int half = int(taps.size()) / 2;
  for (int i = 0; i < pixels; ++i)
    for (int j = std::max(0, i - half); j < std::min(pixels, i + half); ++j)
      m.values[Size(i) * Size(pixels) + Size(j)] = taps[Size(j - i + half)];
  return m;
}

std::vector<double> ddrm_gaussian(int taps, double sigma) {
  require(taps > 0 && sigma > 0, "separable blur: ", taps, " taps of standard deviation ", sigma,
          "; expected positive numbers");
  std::vector<double> k;
  double sum = 0;
  for (int i = 0; i < taps; ++i) {
    const double x = (i - taps / 2) / sigma;
    k.push_back(std::exp(-0.5 * x * x));
    sum += k.back();
  }
  for (double& value : k) value /= sum;
  return k;
}

DenseMatrix ddrm_bicubic(int pixels, int factor, double a) {
  require(factor >= 1 && pixels % factor == 0, "bicubic reduction: ", pixels,
          " pixels are not a multiple of ", factor);
  std::vector<double> taps;
  double sum = 0;
  for (int i = 0; i < 4 * factor; ++i) {
    const double x = std::abs((i - 2 * factor + 0.5) / factor);
    taps.push_back(x <= 1  ? (a + 2) * x * x * x - (a + 3) * x * x + 1
                   : x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a
                           : 0.0);
    sum += taps.back();
  }
  DenseMatrix m{pixels / factor, pixels, std::vector<double>(Size(pixels / factor) * Size(pixels), 0.0)};
  for (int row = 0; row < m.rows; ++row)
    for (int i = 0; i < 4 * factor; ++i) {
      int at = row * factor + factor / 2 - 2 * factor + i;
      at = ((at % (2 * pixels)) + 2 * pixels) % (2 * pixels);
      if (at >= pixels) at = 2 * pixels - 1 - at;
      m.values[Size(row) * Size(pixels) + Size(at)] += taps[Size(i)] / sum;
    }
  return m;
}

}  // namespace tweedie

#include "layers/conv_transpose.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/elementwise.hpp"

namespace tweedie {

ConvTranspose2d::ConvTranspose2d(Context& context, const WeightScope& scope, const std::vector<int>& in,
                                 int out, int kernel, int stride, int pad, bool bias) {
  int padded_in = 0;
  for (const int part : in) padded_in += padded_channels(part);
  geometry_ = {padded_channels(out), padded_in, kernel, stride, pad};
  const std::vector<float> weight =
      scope.read("weight", {std::accumulate(in.begin(), in.end(), 0), out, kernel, kernel});
  const std::size_t taps = std::size_t(kernel) * std::size_t(kernel), row = std::size_t(out) * taps,
                    padded_row = std::size_t(geometry_.in) * taps;
  std::vector<float> padded(std::size_t(padded_in) * padded_row, 0.f);
  auto from = weight.begin();
  auto to = padded.begin();
  for (const int part : in) {
    for (int c = 0; c < part; ++c)
      std::copy_n(from + std::ptrdiff_t(std::size_t(c) * row), row,
                  to + std::ptrdiff_t(std::size_t(c) * padded_row));
    from += std::ptrdiff_t(std::size_t(part) * row);
    to += std::ptrdiff_t(std::size_t(padded_channels(part)) * padded_row);
  }
  packed_ = context.planar({1, 1, 1, int(convolution_packed_size(context.queue, geometry_))});
  convolution_pack(context.queue, packed_, padded.data(), geometry_);
  if (bias) {
    std::vector<float> values = scope.read("bias", {out});
    values.resize(std::size_t(geometry_.in), 0.f);
    bias_ = context.upload({1, geometry_.in, 1, 1}, values);
  }
}

Tensor ConvTranspose2d::forward(Context& context, const Tensor& x) const {
  const Shape& s = x.shape();
  const auto enlarged = [this](int pixels) {
    return (pixels - 1) * geometry_.stride - 2 * geometry_.pad + geometry_.kernel;
  };
  Tensor y = context.features({s.N, geometry_.in, enlarged(s.H), enlarged(s.W)});
  convolution_backward_data(context.queue, y, x, packed_, geometry_);
  if (bias_) add_bias(context.queue, y, y, bias_.data());
  return y;
}

Tensor ConvTranspose2d::backward(Context& context, const Tensor& dy) const {
  const Shape& s = dy.shape();
  Tensor dx = context.features({s.N, geometry_.out, geometry_.output(s.H), geometry_.output(s.W)});
  convolution(context.queue, dx, dy, packed_, nullptr, geometry_);
  return dx;
}

}  // namespace tweedie

#include "layers/inception.hpp"

#include <cmath>

#include "kernels/activation.hpp"
#include "kernels/concat.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/layout.hpp"
#include "kernels/matmul.hpp"

namespace tweedie {
namespace {

/// gamma (W x - mean) / sqrt(variance + eps) + beta as one convolution.
Conv2d folded(Context& context, const WeightScope& scope, int in, int out, PerAxis kernel, int stride = 1,
              PerAxis pad = 0) {
  const ConvolutionGeometry g{in, out, kernel, stride, pad};
  std::vector<float> weight = scope.sub("conv").read("weight", {out, in, kernel.h, kernel.w});
  const WeightScope norm = scope.sub("bn");
  const std::vector<float> gamma = norm.read("weight", {out}), beta = norm.read("bias", {out});
  const std::vector<float> mean = norm.read("running_mean", {out}),
                           variance = norm.read("running_var", {out});
  std::vector<float> bias(gamma.size());
  const std::size_t row = weight.size() / bias.size();
  for (std::size_t o = 0; o < bias.size(); ++o) {
    const double factor = gamma[o] / std::sqrt(double(variance[o]) + 0.001);
    for (std::size_t i = 0; i < row; ++i) weight[o * row + i] = float(weight[o * row + i] * factor);
    bias[o] = float(beta[o] - mean[o] * factor);
  }
  return Conv2d(context, g, weight, std::move(bias));
}

constexpr PoolGeometry halve{3, 2}, keep{3, 1, 1};

}  // namespace

Inception::Inception(Context& context, const WeightScope& scope) : context_(context) {
  const auto convolution = [&](const char* name, int in, int out, int kernel, int stride = 1, int pad = 0) {
    return folded(context, scope.sub(name), in, out, kernel, stride, pad);
  };
  stem_64_ = {convolution("Conv2d_1a_3x3", 3, 32, 3, 2), convolution("Conv2d_2a_3x3", 32, 32, 3),
              convolution("Conv2d_2b_3x3", 32, 64, 3, 1, 1), Pool{halve, false}};
  stem_192_ = {convolution("Conv2d_3b_1x1", 64, 80, 1), convolution("Conv2d_4a_3x3", 80, 192, 3),
               Pool{halve, false}};
  blocks_ = {block_a(scope.sub("Mixed_5b"), 192, 32),
             block_a(scope.sub("Mixed_5c"), 256, 64),
             block_a(scope.sub("Mixed_5d"), 288, 64),
             block_b(scope.sub("Mixed_6a")),
             block_c(scope.sub("Mixed_6b"), 128),
             block_c(scope.sub("Mixed_6c"), 160),
             block_c(scope.sub("Mixed_6d"), 160),
             block_c(scope.sub("Mixed_6e"), 192),
             block_d(scope.sub("Mixed_7a")),
             block_e(scope.sub("Mixed_7b"), 1280, true),
             block_e(scope.sub("Mixed_7c"), 2048, false)};
  const WeightScope fc = scope.sub("fc");
  classifier_ = context.upload({1, 1, classes, features}, fc.read("weight", {classes, features}));
  classifier_bias_ = context.upload({1, classes, 1, 1}, fc.read("bias", {classes}));
}

Inception::Block Inception::block_a(const WeightScope& scope, int in, int pooled) const {
  const auto convolution = [&](const char* name, int from, int to, int kernel) {
    return folded(context_, scope.sub(name), from, to, kernel, 1, kernel / 2);
  };
  return {{{convolution("branch1x1", in, 64, 1)}},
          {{convolution("branch5x5_1", in, 48, 1), convolution("branch5x5_2", 48, 64, 5)}},
          {{convolution("branch3x3dbl_1", in, 64, 1), convolution("branch3x3dbl_2", 64, 96, 3),
            convolution("branch3x3dbl_3", 96, 96, 3)}},
          {{Pool{keep, true}, convolution("branch_pool", in, pooled, 1)}}};
}

Inception::Block Inception::block_b(const WeightScope& scope) const {
  const auto convolution = [&](const char* name, int from, int to, int kernel, int stride, int pad) {
    return folded(context_, scope.sub(name), from, to, kernel, stride, pad);
  };
  return {{{convolution("branch3x3", 288, 384, 3, 2, 0)}},
          {{convolution("branch3x3dbl_1", 288, 64, 1, 1, 0), convolution("branch3x3dbl_2", 64, 96, 3, 1, 1),
            convolution("branch3x3dbl_3", 96, 96, 3, 2, 0)}},
          {{Pool{halve, false}}}};
}

Inception::Block Inception::block_c(const WeightScope& scope, int inner) const {
  const auto point = [&](const char* name, int to) { return folded(context_, scope.sub(name), 768, to, 1); };
  const auto row = [&](const char* name, int to) {
    return folded(context_, scope.sub(name), inner, to, {1, 7}, 1, {0, 3});
  };
  const auto column = [&](const char* name, int to) {
    return folded(context_, scope.sub(name), inner, to, {7, 1}, 1, {3, 0});
  };
  return {{{point("branch1x1", 192)}},
          {{point("branch7x7_1", inner), row("branch7x7_2", inner), column("branch7x7_3", 192)}},
          {{point("branch7x7dbl_1", inner), column("branch7x7dbl_2", inner), row("branch7x7dbl_3", inner),
            column("branch7x7dbl_4", inner), row("branch7x7dbl_5", 192)}},
          {{Pool{keep, true}, point("branch_pool", 192)}}};
}

Inception::Block Inception::block_d(const WeightScope& scope) const {
  const auto convolution = [&](const char* name, int in, int out, PerAxis kernel, int stride = 1,
                               PerAxis pad = 0) {
    return folded(context_, scope.sub(name), in, out, kernel, stride, pad);
  };
  return {
      {{convolution("branch3x3_1", 768, 192, 1), convolution("branch3x3_2", 192, 320, 3, 2)}},
      {{convolution("branch7x7x3_1", 768, 192, 1), convolution("branch7x7x3_2", 192, 192, {1, 7}, 1, {0, 3}),
        convolution("branch7x7x3_3", 192, 192, {7, 1}, 1, {3, 0}),
        convolution("branch7x7x3_4", 192, 192, 3, 2)}},
      {{Pool{halve, false}}}};
}

Inception::Block Inception::block_e(const WeightScope& scope, int in, bool average) const {
  const auto convolution = [&](const char* name, int from, int to, PerAxis kernel, PerAxis pad) {
    return folded(context_, scope.sub(name), from, to, kernel, 1, pad);
  };
  return {{{convolution("branch1x1", in, 320, 1, 0)}},
          {{convolution("branch3x3_1", in, 384, 1, 0)},
           {convolution("branch3x3_2a", 384, 384, {1, 3}, {0, 1}),
            convolution("branch3x3_2b", 384, 384, {3, 1}, {1, 0})}},
          {{convolution("branch3x3dbl_1", in, 448, 1, 0), convolution("branch3x3dbl_2", 448, 384, 3, 1)},
           {convolution("branch3x3dbl_3a", 384, 384, {1, 3}, {0, 1}),
            convolution("branch3x3dbl_3b", 384, 384, {3, 1}, {1, 0})}},
          {{Pool{keep, average}, convolution("branch_pool", in, 192, 1, 0)}}};
}

Tensor Inception::run(const Layer& layer, const Tensor& x) const {
  if (const auto* convolution = std::get_if<Conv2d>(&layer)) {
    Tensor y = convolution->forward(context_, x);
    leaky_relu(context_.queue, y, y, 0);
    return y;
  }
  const Pool& pool = std::get<Pool>(layer);
  const Shape& s = x.shape();
  Tensor y = context_.features({s.N, s.C, pool.geometry.output(s.H), pool.geometry.output(s.W)});
  (pool.average ? average_pool : max_pool)(context_.queue, y, x, pool.geometry);
  return y;
}

Tensor Inception::run(const std::vector<Layer>& chain, Tensor x) const {
  for (const Layer& layer : chain) x = run(layer, x);
  return x;
}

Tensor Inception::concatenate(const std::vector<Tensor>& parts) const {
  Tensor joined = parts.front();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const Shape& s = joined.shape();
    Tensor y = context_.features({s.N, s.C + parts[i].shape().C, s.H, s.W});
    concat_channels(context_.queue, y, joined, parts[i]);
    joined = std::move(y);
  }
  return joined;
}

Tensor Inception::run(const Block& block, const Tensor& x) const {
  std::vector<Tensor> parts;
  for (const Branch& branch : block) {
    Tensor y = run(branch.chain, x);
    for (const Layer& layer : branch.fork) parts.push_back(run(layer, y));
    if (branch.fork.empty()) parts.push_back(std::move(y));
  }
  return concatenate(parts);
}

Tensor Inception::forward(const Tensor& x, Taps* taps) const {
  const Shape& s = x.shape();
  require(s.C == 3 && s.H == side && s.W == side, "Inception takes images of 3 channels and ", side, "x",
          side, " pixels, not ", s);
  Tensor y = context_.features({s.N, padded_channels(3), s.H, s.W});
  convert_layout(context_.queue, y, x);
  y = run(stem_64_, std::move(y));  // (N, 64, 73, 73)
  if (taps) taps->after_64 = y;
  y = run(stem_192_, std::move(y));  // (N, 192, 35, 35)
  if (taps) taps->after_192 = y;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    y = run(blocks_[i], y);  // (N, 288, 35, 35), then (N, 768, 17, 17), then (N, 2048, 8, 8)
    if (taps && i == 7) taps->after_768 = y;
  }
  y = run(Pool{{y.shape().H, y.shape().H}, true}, y);
  Tensor pooled = context_.planar({s.N, features, 1, 1});
  convert_layout(context_.queue, pooled, y);
  return pooled;
}

Tensor Inception::logits(const Tensor& pooled, bool bias) const {
  const int N = pooled.shape().N;
  require(pooled.shape() == Shape{N, features, 1, 1}, "Inception: class scores of features ", pooled.shape());
  Tensor y = context_.planar({N, classes, 1, 1});
  matmul(context_.queue, {y.data(), N, classes, classes, 0, false},
         {pooled.data(), N, features, features, 0, false},
         {classifier_.data(), classes, features, features, 0, true});
  if (bias) tweedie::add_bias(context_.queue, y, y, classifier_bias_.data());
  return y;
}

}  // namespace tweedie

// The network of the Frechet Inception Distance: Inception v3 of TensorFlow's graph of 2015-12-05, as
// pytorch-fid holds it. Forward only: no method differentiates a FID.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "kernels/pooling.hpp"
#include "layers/basic.hpp"

namespace tweedie {

class Inception {
 public:
  static constexpr int side = 299, features = 2048, classes = 1008;
  /// Reads pytorch-fid's names (`Mixed_5b.branch1x1.conv.weight`, ...). Each BatchNorm (running statistics,
  /// eps 0.001) is folded into its convolution. Errors: a tensor is missing or has another shape (named).
  Inception(Context& context, const WeightScope& scope);

  /// Feature maps on the way, in features layout: after the two poolings of the stem and after Mixed_6e.
  struct Taps {
    Tensor after_64, after_192, after_768;
  };
  /// The pooled features (N, 2048, 1, 1), planar, of images x (N, 3, 299, 299), planar in [-1, 1].
  Tensor forward(const Tensor& x, Taps* taps = nullptr) const;
  /// Class scores (N, 1008, 1, 1) of pooled features; torch-fidelity's `logits_unbiased` are without bias.
  Tensor logits(const Tensor& pooled, bool bias) const;

 private:
  struct Pool {
    PoolGeometry geometry;
    bool average;
  };
  using Layer = std::variant<Conv2d, Pool>;  // a Conv2d is followed by ReLU
  /// A chain of layers, then (in the last blocks) two layers side by side.
  struct Branch {
    std::vector<Layer> chain, fork = {};
  };
  using Block = std::vector<Branch>;  // outputs are concatenated in this order

  Block block_a(const WeightScope& scope, int in, int pooled) const;
  Block block_b(const WeightScope& scope) const;
  Block block_c(const WeightScope& scope, int inner) const;
  Block block_d(const WeightScope& scope) const;
  Block block_e(const WeightScope& scope, int in, bool average) const;
  Tensor run(const Layer& layer, const Tensor& x) const;
  Tensor run(const std::vector<Layer>& chain, Tensor x) const;
  Tensor run(const Block& block, const Tensor& x) const;
  Tensor concatenate(const std::vector<Tensor>& parts) const;

  Context& context_;
  std::vector<Layer> stem_64_, stem_192_;
  std::vector<Block> blocks_;
  Tensor classifier_, classifier_bias_;
};

}  // namespace tweedie

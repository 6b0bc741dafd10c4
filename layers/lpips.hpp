// LPIPS v0.1, the perceptual distance (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a
// Perceptual Metric", CVPR 2018), with its gradient.
#pragma once

#include <span>
#include <vector>

#include "kernels/feature_distance.hpp"
#include "layers/feature_network.hpp"

namespace tweedie {

/// The tool whose number is computed: they differ in what `FeatureLength` adds and in how vgg pools.
struct LpipsVariant {
  Trunk trunk = Trunk::vgg;
  TrunkPooling pooling = TrunkPooling::maximum;
  FeatureLength length = {};
};

class Lpips {
 public:
  /// `trunk` holds `features.*`, `linear` holds `lin{k}.model.1.weight` (1, C, 1, 1). Errors: a tensor is
  /// missing or has another shape (named).
  Lpips(Context& context, const WeightScope& trunk, const WeightScope& linear, const LpipsVariant& variant);

  struct Saved {
    FeatureNetwork::Saved trunk;
    std::vector<Tensor> a, b;  ///< the taps
  };
  /// Distances of images a and b (N, 3, H, W), planar in [-1, 1]: result[k][n] is layer k's part of sample n.
  /// Errors: shapes that differ, and as `FeatureNetwork::forward`.
  std::vector<std::vector<double>> layers(const Tensor& a, const Tensor& b, Saved* saved = nullptr) const;
  /// Their sums over layers: the distance of each sample.
  std::vector<double> forward(const Tensor& a, const Tensor& b, Saved* saved = nullptr) const;
  /// The gradient with respect to a of sum_n d[n] distance[n].
  Tensor backward(std::span<const double> d, const Saved& saved) const;
  const FeatureNetwork& trunk() const { return trunk_; }

 private:
  Context& context_;
  FeatureNetwork trunk_;
  FeatureLength length_;
  std::vector<Tensor> linear_;
};

}  // namespace tweedie

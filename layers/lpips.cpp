#include "layers/lpips.hpp"

#include <algorithm>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {

Lpips::Lpips(Context& context, const WeightScope& trunk, const WeightScope& linear,
             const LpipsVariant& variant)
    : context_(context), trunk_(context, trunk, variant.trunk, variant.pooling), length_(variant.length) {
  const std::vector<int>& channels = trunk_.tap_channels();
  for (std::size_t k = 0; k < channels.size(); ++k) {
    const WeightScope scope = linear.sub("lin" + std::to_string(k)).sub("model.1");
    linear_.push_back(context.upload({1, channels[k], 1, 1}, scope.read("weight", {1, channels[k], 1, 1})));
  }
}

std::vector<std::vector<double>> Lpips::layers(const Tensor& a, const Tensor& b, Saved* saved) const {
  require(a.shape() == b.shape(), "LPIPS of images ", a.shape(), " and ", b.shape(),
          ": expected the same shape");
  const std::vector<Tensor> of_a = trunk_.forward(a, saved ? &saved->trunk : nullptr),
                            of_b = trunk_.forward(b);
  std::vector<std::vector<double>> result;
  for (std::size_t k = 0; k < of_a.size(); ++k) {
    const Shape& s = of_a[k].shape();
    Tensor distance = context_.planar({s.N, 1, s.H, s.W}), ones = context_.planar({s.N, 1, s.H, s.W});
    feature_distance(context_.queue, distance, of_a[k], of_b[k], linear_[k].data(), length_);
    fill(context_.queue, ones, 1);
    TensorOf<double> sums = context_.per_sample(s.N);
    dot(context_.queue, sums, distance, ones);
    result.push_back(context_.download(sums));
    for (double& sum : result.back()) sum /= double(s.plane());
  }
  if (saved) {
    saved->a = of_a;
    saved->b = of_b;
  }
  return result;
}

std::vector<double> Lpips::forward(const Tensor& a, const Tensor& b, Saved* saved) const {
  std::vector<double> total(std::size_t(a.shape().N));
  for (const std::vector<double>& layer : layers(a, b, saved))
    for (std::size_t n = 0; n < total.size(); ++n) total[n] += layer[n];
  return total;
}

Tensor Lpips::backward(std::span<const double> d, const Saved& saved) const {
  require(saved.a.size() == linear_.size() && d.size() == std::size_t(saved.trunk.image.N),
          "LPIPS: gradients of ", d.size(), " distances, ", saved.trunk.image.N, " were computed");
  std::vector<Tensor> dtaps;
  for (std::size_t k = 0; k < linear_.size(); ++k) {
    const Shape& s = saved.a[k].shape();
    std::vector<float> shares(std::size_t(s.N * s.plane()));  // of each pixel in the mean
    for (std::size_t i = 0; i < shares.size(); ++i)
      shares[i] = float(d[i / std::size_t(s.plane())] / double(s.plane()));
    dtaps.push_back(context_.features(s));
    feature_distance_backward(context_.queue, dtaps.back(), context_.upload({s.N, 1, s.H, s.W}, shares),
                              saved.a[k], saved.b[k], linear_[k].data(), length_);
  }
  return trunk_.backward(std::move(dtaps), saved.trunk);
}

}  // namespace tweedie

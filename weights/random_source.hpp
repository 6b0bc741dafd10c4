// Random weights of any shape, so that a network can be built, tested and timed without a file.
#pragma once

#include <cstdint>

#include "weights/tensor_source.hpp"

namespace tweedie {

/// Makes up every tensor it is asked for: biases 0, one-dimensional weights (normalisation) 1, all others
/// uniform in +-1/sqrt(fan_in), fan_in being the product of the extents after the first (PyTorch's default
/// scale). The same seed, key and shape give the same values, in whatever order they are asked for.
class RandomSource final : public TensorSource {
 public:
  explicit RandomSource(std::uint64_t seed = 0) : seed_(seed) {}
  bool has(const std::string&) const override { return true; }
  std::vector<float> read(const std::string& key, const Extents& expected) override;
  void require_all_used() const override {}

 private:
  std::uint64_t seed_;
};

/// Weights of which every program can make the same ones, for networks whose trained weights are not at hand:
/// value i of the tensor `key` is made of u = (output i of SplitMix64 seeded by FNV-1a of the key) / 2^64 in
/// [0, 1), with 53 bits, by its name and shape:
///   running_var 0.5 + u; running_mean 0.2 (2u - 1); one-dimensional bn.weight 0.8 + 0.4 u; LPIPS's linear
///   layers u / C; biases and all else of one dimension 0.1 (2u - 1); the rest (2u - 1) sqrt(6 / fan_in).
/// Computed in double, rounded once.
class FilledSource final : public TensorSource {
 public:
  bool has(const std::string&) const override { return true; }
  std::vector<float> read(const std::string& key, const Extents& expected) override;
  void require_all_used() const override {}
};

/// The first `count` numbers u of `FilledSource` for a key, uniform in [0, 1).
std::vector<double> fill_uniforms(const std::string& key, std::size_t count);

}  // namespace tweedie

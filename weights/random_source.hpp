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

}  // namespace tweedie

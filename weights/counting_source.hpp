// How many parameters a network reads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weights/tensor_source.hpp"

namespace tweedie {

/// Counts the elements that pass through, so that the network knows its size whatever the source of its
/// weights.
class CountingSource : public TensorSource {
 public:
  CountingSource(const WeightScope& scope, std::int64_t& count) : scope_(scope), count_(count) {}
  bool has(const std::string& key) const override { return scope_.has(key); }
  std::vector<float> read(const std::string& key, const Extents& expected) override {
    std::vector<float> values = scope_.read(key, expected);
    count_ += std::int64_t(values.size());
    return values;
  }
  void require_all_used() const override {}

 private:
  const WeightScope& scope_;
  std::int64_t& count_;
};

}  // namespace tweedie

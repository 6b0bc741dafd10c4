// Small U-Nets that between them take every branch of the architecture, and weights for them.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "layers/unet.hpp"
#include "tests/support/support.hpp"
#include "weights/random_source.hpp"
#include "weights/unet_inference.hpp"

namespace tweedie::test {

/// A configuration and the branches it is there for.
struct NamedConfig {
  std::string name;
  UNetConfig config;
};

/// Every branch of UNetModel: all are for images whose sides are multiples of 4.
std::vector<NamedConfig> small_unets();

/// `RandomSource` with random biases and normalisation weights too, so that none of them can be forgotten
/// unnoticed. Remembers what it was asked for; single tensors can be replaced.
class TestSource final : public TensorSource {
 public:
  explicit TestSource(std::uint64_t seed = 1) : random_(seed) {}
  bool has(const std::string&) const override { return true; }
  std::vector<float> read(const std::string& key, const Extents& expected) override;
  void require_all_used() const override {}

  void replace(const std::string& key, std::vector<float> values) { replaced_[key] = std::move(values); }
  /// Keys and shapes asked for so far; asking twice for the same fails the test.
  const TensorShapes& asked() const { return asked_; }

 private:
  RandomSource random_;
  TensorShapes asked_;
  std::map<std::string, std::vector<float>> replaced_;
};

/// A network on a context with guards; its destructor checks that no guard was damaged.
struct SmallUNet {
  Context context;
  std::optional<UNet> net;

  SmallUNet(Device device, const UNetConfig& config, TestSource& source);
  SmallUNet(Device device, const UNetConfig& config);
  ~SmallUNet();

  const UNetConfig& config() const { return net->config(); }
  /// Class labels 0, 1, 2, ... from `first`, if it takes any.
  void label(int samples, int first = 0);
  /// Output for planar values.
  std::vector<float> forward(const std::vector<float>& x, Shape shape, const std::vector<float>& t);
  /// Output of the pass that keeps what the gradient needs, and the gradient of `cotangent`.
  std::vector<float> saving_forward(const std::vector<float>& x, Shape shape, const std::vector<float>& t);
  std::vector<float> pull_back(const std::vector<float>& x, Shape shape, const std::vector<float>& t,
                               const std::vector<float>& cotangent);
};

}  // namespace tweedie::test

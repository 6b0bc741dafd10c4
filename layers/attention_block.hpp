// The self-attention block of guided-diffusion's U-Net.
#pragma once

#include "layers/basic.hpp"

namespace tweedie {

/// y = x + proj(softmax(q^T k / sqrt(c)) v), q, k, v = qkv(GN(x)), per head of c = C / heads channels over
/// all H*W pixels. The channels of qkv are [q, k, v] of each head in turn, or, in the new order, all q, all
/// k, all v.
class AttentionBlock {
 public:
  struct Config {
    int channels, heads;
    bool new_order = false;
  };
  struct Saved {
    Feature x, qkv;  ///< qkv is channels-last
    Tensor stats;
  };
  AttentionBlock(Context& context, const WeightScope& scope, const Config& config);
  /// x's last sum is perhaps left to us, as y's is to its reader.
  Sum forward(Context& context, Sum x, Saved* saved = nullptr) const;
  /// Gradient with respect to x; the attention weights are formed again. Releases `saved`. With `gradients`,
  /// adds those of all parameters.
  Tensor backward(Context& context, const Tensor& dy, Saved& saved, Gradients* gradients = nullptr) const;
  void list_parameters(std::vector<Parameter>& to);

 private:
  Config config_;
  Norm norm_;
  Conv2d qkv_, proj_;
};

}  // namespace tweedie

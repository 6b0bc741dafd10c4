// The convolutional trunks that LPIPS looks through: torchvision's alexnet, vgg16 and squeezenet1_1 up to
// their classifiers. Forward, and gradient with respect to the image.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "kernels/pooling.hpp"
#include "layers/basic.hpp"

namespace tweedie {

enum class Trunk { alex, vgg, squeeze };
/// "alex", "vgg", "squeeze".
const char* name(Trunk trunk);
/// The trunk of that name. Errors: there is none.
Trunk parse_trunk(const std::string& name);

/// How the trunk reduces: as it was trained, or (piq's `replace_pooling`, vgg only) by means of 2x2.
enum class TrunkPooling { maximum, average };

class FeatureNetwork {
 public:
  /// Reads torchvision's `features.N.weight` and so on. Errors: a tensor is missing or has another shape
  /// (named), average pooling of another trunk than vgg.
  FeatureNetwork(Context& context, const WeightScope& scope, Trunk trunk,
                 TrunkPooling pooling = TrunkPooling::maximum);
  /// Channels of each tap: where LPIPS takes features, each right after a ReLU.
  const std::vector<int>& tap_channels() const { return tap_channels_; }
  /// Images whose sides are shorter than this leave no pixel at the last tap.
  int least_side() const { return least_side_; }

  /// What each step made, by which gradients are masked and maxima found again.
  struct Saved {
    Shape image;
    std::vector<Tensor> values;    ///< values[0]: the image; values[i + 1]: what step i made
    std::vector<Tensor> squeezed;  ///< inside step i, where it is a fire module
  };
  /// The taps of images x (N, 3, H, W), planar in [-1, 1], in features layout. They are brought to the
  /// statistics of the training images first, (x - shift) / scale (LPIPS v0.1). Errors: not three channels,
  /// too few pixels.
  std::vector<Tensor> forward(const Tensor& x, Saved* saved = nullptr) const;
  /// The gradient with respect to x of sum_k <dtaps[k], tap k>. Overwrites the gradients it is given.
  Tensor backward(std::vector<Tensor> dtaps, const Saved& saved) const;

 private:
  struct Pool {
    PoolGeometry geometry;
    bool average;
  };
  struct Fire {  // Iandola et al., "SqueezeNet", 2016, Fig. 1
    Conv2d squeeze, expand1, expand3;
  };
  struct Step {
    std::variant<Conv2d, Pool, Fire> layer;  // a Conv2d is followed by ReLU, as all those of a Fire are
    bool tap = false;
  };
  void add_convolution(int index, int in, int out, int kernel, int stride, int pad, bool tap);
  void add_fire(int index, int in, int squeeze, int expand, bool tap);
  void build_alex();
  void build_vgg(TrunkPooling pooling);
  void build_squeeze();
  WeightScope layer_scope(int index) const;
  Tensor enter(const Tensor& x) const;
  Tensor step_forward(const Step& step, const Tensor& x, Tensor* squeezed) const;
  Tensor step_backward(const Step& step, Tensor dy, const Tensor& x, const Tensor& y,
                       const Tensor& squeezed) const;

  Context& context_;
  WeightScope scope_;
  std::vector<Step> steps_;
  std::vector<int> tap_channels_;
  int least_side_ = 0;
  Tensor minus_shift_;
};

}  // namespace tweedie

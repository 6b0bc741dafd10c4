// KernelWizard: a network that blurs a sharp image by an encoded kernel (Tran et al., "Explore Image
// Deblurring via Encoded Blur Kernel Space", CVPR 2021). Forward and the gradients of image and code.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "layers/conv_transpose.hpp"

namespace tweedie {

struct KernelWizardConfig {
  int input_nc = 3, nf = 64, front_RBs = 10, back_RBs = 20, kernel_dim = 512;
  bool operator==(const KernelWizardConfig&) const = default;
};

/// Reads the five keys, as `tweedie-convert` writes them. Errors: one is missing or not a positive number.
KernelWizardConfig parse_kernel_wizard_config(const nlohmann::json& json, const std::string& where);

class KernelWizard {
 public:
  /// The sides of images are multiples of this: seven halvings.
  static constexpr int stride = 128;
  static constexpr int levels = 5;
  /// Errors: a tensor is missing or has another shape (named).
  KernelWizard(Context& context, const WeightScope& scope, const KernelWizardConfig& config);
  const KernelWizardConfig& config() const { return config_; }
  /// Shape of the code of a kernel for a batch of images. Errors: sides that are no multiples of `stride`,
  /// another number of channels than the network's.
  Shape code_shape(const Shape& image) const;
  /// Outputs of activations, by which gradients are masked.
  struct Saved {
    Tensor features[3];               // of the feature extractor
    std::vector<Tensor> front, back;  // inside residual blocks
    Tensor down[levels];              // down[i]: what level i > 0 convolves
    Tensor up[levels];                // what level i convolves transposed
    Tensor adapted;                   // after tanh
    Tensor recon[3];                  // in the reconstruction trunk
  };
  /// The blurred image: x (N, input_nc, H, W) planar in [0, 1], code planar (N, kernel_dim, H/128, W/128).
  Tensor forward(const Tensor& x, const Tensor& code, Saved* saved = nullptr) const;
  /// Gradient with respect to x and, unless `dcode` is null, to the code. Gives the memory of `saved` back.
  /// Errors: a state that no forward has filled since.
  Tensor backward(const Tensor& dy, Saved& saved, Tensor* dcode = nullptr) const;

 private:
  struct Residual {  // x + conv2(ReLU(conv1(x)))
    Conv2d conv1, conv2;
  };
  Tensor extract(Tensor x, Saved* saved) const;
  Tensor adapt(const Tensor& features, const Tensor& code, Saved* saved) const;
  Tensor reconstruct(Tensor x, Saved* saved) const;
  Tensor adapt_backward(Tensor dy, const Saved& saved, Tensor* dcode) const;
  Tensor residual(const Residual& block, const Tensor& x, Tensor* saved) const;
  Tensor residual_backward(const Residual& block, Tensor dy, const Tensor& saved) const;

  Context& context_;
  KernelWizardConfig config_;
  std::vector<Conv2d> extract_, down_, recon_;
  std::vector<ConvTranspose2d> up_;
  std::vector<Residual> front_, back_;
};

}  // namespace tweedie

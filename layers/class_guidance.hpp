// Classifier-free guidance: further towards a class than the network goes by itself.
#pragma once

#include "layers/unet.hpp"

namespace tweedie {

/// A class-conditional network as a denoiser that exaggerates what the class changes (Ho & Salimans,
/// "Classifier-free diffusion guidance", 2022, with s = 1 + their w):
///   eps(x) = eps(x, any class) + s (eps(x, class) - eps(x, any class)),
/// two evaluations; v is the class's. s = 1 is the network itself, 0 asks it of no class.
class ClassGuidance final : public Denoiser {
 public:
  /// `network` outlives this; its labels are those set when `forward` is called.
  ClassGuidance(Context& context, UNet& network, double scale);
  std::unique_ptr<Saved> make_saved() const override;
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved* saved = nullptr) override;
  Tensor backward(const Tensor& deps, Saved& saved) override;
  bool learns_variance() const override { return network_.learns_variance(); }

 private:
  struct Both;
  Context& context_;
  UNet& network_;
  float scale_;
};

}  // namespace tweedie

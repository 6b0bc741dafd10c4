// Blur by a network that a kernel's code steers: what no convolution describes.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/forward_operator.hpp"
#include "layers/kernel_wizard.hpp"
#include "operators/kinds.hpp"

namespace tweedie {

/// y = clamp(2 B((x + 1) / 2, code) - 1, -1, 1), B a KernelWizard; the gradient is 0 where y was clamped. The
/// code is 1.2 N(0, I), as the DPS code has it, unless one is given. It is drawn once for a size of image,
/// from the seed alone and the same for every sample of a batch, so that the measurement and its guidance see
/// the same blur; `per_call` draws a new one from the context's stream at every call and for every sample, as
/// the published code does (there the two disagree).
class NonlinearBlur : public ImageOperator {
 public:
  enum class Draw { once, per_call };
  /// code: (1, kernel_dim, H/128, W/128), or empty.
  NonlinearBlur(Context& context, std::unique_ptr<KernelWizard> network, const Tensor& code, Draw draw,
                std::uint64_t seed = 0);
  /// Errors: sides that are no multiples of 128, or that a given code does not belong to.
  Shape output_shape(const Shape& image) const override;
  std::unique_ptr<Saved> make_saved() const override;
  Tensor forward(const Tensor& x, Saved* saved = nullptr) override;
  Tensor backward(const Tensor& dy, Saved& saved) override;

 private:
  struct Evaluated;
  const Tensor& code_for(const Shape& image);
  Tensor to_unit(const Tensor& x);

  Context& context_;
  std::unique_ptr<KernelWizard> network_;
  Tensor code_;   // of one sample; empty: none yet
  Tensor codes_;  // the same for every sample of the last batch
  bool given_;
  Draw draw_;
  std::uint64_t seed_;
};

/// The network of a weight file that holds a KernelWizard. Errors: it holds something else.
std::unique_ptr<KernelWizard> load_kernel_wizard(Context& context, const std::string& path);

extern const OperatorKind nonlinear_blur_kind;

}  // namespace tweedie

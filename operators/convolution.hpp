// Blur by a kernel that is itself unknown.
#pragma once

#include <memory>
#include <optional>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/continuation.hpp"

namespace tweedie {

/// A(x, k), the unknowns of blind deblurring: every channel of x (N, C, H, W) cross-correlated with k, (N, 1,
/// kh, kw) or (1, 1, kh, kw) for all samples, of any size:
///   y[h, w] = sum_ij k[i, j] x[h + i - (kh - 1)/2, w + j - (kw - 1)/2] , x continued by the rule.
/// Of an even kernel's pixels one more lies after the middle than before it, as in the BlindDPS repository,
/// whose rule is `zero`. y has x's shape; under `valid` it is smaller by the kernel's sides less one, and its
/// first pixel is the one for which the kernel begins at x's first. Linear in both unknowns, with exact
/// adjoints; dk is summed over channels, and over the samples that share k.
class Convolution : public ForwardOperator {
 public:
  /// direct: tap by tap; fft: of enlarged planes, so that nothing wraps around.
  enum class Path { direct, fft };
  /// `path`: by default the cheaper one, direct up to `direct_taps` pixels of a kernel.
  Convolution(Context& context, Padding padding, std::optional<Path> path = {})
      : context_(context), padding_(padding), path_(path) {}
  int unknowns() const override { return 2; }
  bool linear_in(int) const override { return true; }
  /// Errors: not two unknowns, a kernel of several channels or another number of samples, or one larger than
  /// the image under `valid`.
  Shape output_shape(std::span<const Shape> u) const override;
  std::unique_ptr<Saved> make_saved() const override;
  Tensor forward(Unknowns u, Saved* saved = nullptr) override;
  void backward(std::span<Tensor* const> du, const Tensor& dy, Saved& saved) override;
  using ForwardOperator::backward;
  using ForwardOperator::forward;

 private:
  using Spectrum = TensorOf<std::complex<float>>;
  struct State;
  /// The planes of one pair of sizes.
  struct Frame {
    Shape kernel, image;
    std::optional<SeparableOperator> continued;  ///< the image, by the rule
    /// The first pixels of the plane. One for each size: they keep what they computed for the last one.
    std::optional<SeparableOperator> measured, kernels;
  };
  Path path(const Shape& kernel) const;
  Frame& frame(const Shape& image, const Shape& kernel);
  Spectrum transformed(const Tensor& planes);
  Tensor planes_of(const Spectrum& z, int W);
  void direct_backward(Frame& f, std::span<Tensor* const> du, const Tensor& dy, State& state);
  void fft_backward(Frame& f, std::span<Tensor* const> du, const Tensor& dy, State& state);

  Context& context_;
  Padding padding_;
  std::optional<Path> path_;
  Frame frame_;
};

}  // namespace tweedie

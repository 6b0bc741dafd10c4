// Phase retrieval: of an image's Fourier transform only the magnitude is measured.
#pragma once

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/kinds.hpp"

namespace tweedie {

/// The magnitude of each channel's oversampled Fourier transform, frequency 0 in the middle:
///   y = |F p(x)| , F the orthonormal 2-D transform of the image p(x) padded with 0 on all sides by
/// int(oversample / 8 * side) pixels of each axis. (Oversampling 2 thus makes 384x384 of 256x256, an
/// area 2.25 times as large and not 4: so the published DPS code has it, and the name of the setting is
/// kept.) `pm1` transforms the [-1, 1] image as it is, as that code does: the 0 around it is mid-grey. `unit`
/// transforms (x + 1) / 2: an image in [0, 1] on black, as classical phase retrieval supposes.
/// The magnitude has no derivative where the transform is 0; the gradient takes 0 there.
class PhaseRetrieval : public ImageOperator {
 public:
  enum class Range { pm1, unit };
  /// Errors: an oversampling that is not finite or below 0.
  PhaseRetrieval(Context& context, double oversample, Range range);
  Range range() const { return offset_ == 0 ? Range::pm1 : Range::unit; }
  Shape output_shape(const Shape& image) const override;
  std::unique_ptr<Saved> make_saved() const override;
  Tensor forward(const Tensor& x, Saved* saved = nullptr) override;
  Tensor backward(const Tensor& dy, Saved& saved) override;

 private:
  struct Transformed;
  TensorOf<std::complex<float>> transform(const Tensor& x);

  Context& context_;
  double oversample_;
  float scale_, offset_;  // what is transformed is scale x + offset
};

extern const OperatorKind phase_retrieval_kind;

}  // namespace tweedie

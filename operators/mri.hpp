// Magnetic resonance imaging: undersampled Cartesian k-space of one coil or several.
#pragma once

#include <complex>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/kinds.hpp"

namespace tweedie {

/// y_k = m F(s_k x) for coils k: F the orthonormal 2-D transform in the centred order (frequency 0 and the
/// image's origin at (H/2, W/2), as fastMRI stores k-space), m a mask of zeros and ones, s_k the coils'
/// complex sensitivities, or a single coil with s = 1.
///
/// Images (N, C, H, W) are real, every channel measured on its own, or complex: channels 2c and 2c + 1 are a
/// real and an imaginary part. With M complex image channels, M = C or C/2, the measurement is (N, 2 M coils,
/// H, W): part p (0 real, 1 imaginary) of coil k and channel c is channel 2 (M k + c) + p. Entries that were
/// not measured are 0.
///
/// The adjoint is that of the inner product of reals. The pseudo-inverse is known without sensitivities. Of
/// a complex image m F keeps some coefficients of a unitary transform: it is the adjoint. Of a real image
/// A^T A = Re F^H m F multiplies the spectrum by (m(k) + m(-k)) / 2, since that of a real image is
/// Hermitian; so A^+ = Re F^H 2 / (m(k) + m(-k)) on measured entries: one whose mirror image was not measured
/// counts twice.
class CartesianMri : public LinearOperator {
 public:
  enum class Image { real, complex };
  /// mask(H, W) makes that of an image, H W values in the centred order. sensitivity: planar (coils, 2, H,
  /// W), real and imaginary parts; or empty. Errors: a sensitivity of another shape; when an image comes, a
  /// mask that is not of its size or holds anything but 0 and 1.
  CartesianMri(Context& context, std::function<std::vector<float>(int H, int W)> mask, Image image,
               const Tensor& sensitivity);
  /// Errors: a complex image of an odd number of channels; sides other than the sensitivities'.
  Shape output_shape(const Shape& image) const override;
  Tensor apply(const Tensor& x) override;
  Tensor adjoint(const Tensor& y, const Shape& image) override;
  bool has_pseudo_inverse() const override { return sensitivity_.empty(); }
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override;
  void discard_unmeasured(Tensor& y) override;
  /// Null with sensitivities. Of complex images V is F^H, coefficients stand in the centred order and s = m.
  /// Of real ones V is Hartley's transform, frequency 0 first, and s^2(k) = (m(k) + m(-k)) / 2.
  Spectral* spectral(const Shape& image) override;

 private:
  using Complex = std::complex<float>;
  using Spectrum = TensorOf<Complex>;
  void prepare(int H, int W);
  void upload(Spectrum& to, const std::vector<std::complex<double>>& values, const Shape& shape);
  Shape complex_shape(const Shape& image) const;
  Spectrum to_complex(const Tensor& x);
  /// F^H of y times the conjugate of `sampling`, summed over coils with their conjugate sensitivities.
  Tensor back(const Tensor& y, const Shape& image, const Spectrum& sampling);
  /// body(image, coil, k) for the parts of both that belong together; all samples at once if there is one
  /// coil.
  template <class Body>
  void for_each_coil(View<Complex> image, View<Complex> coils, Body body);
  View<const Complex> coil(int k) const;

  Context& context_;
  std::function<std::vector<float>(int, int)> make_mask_;
  bool real_;
  std::vector<float> sensitivity_;
  int coils_ = 1;
  int sensitivity_H_ = 0, sensitivity_W_ = 0;
  int H_ = 0, W_ = 0;  // of the images that what follows is for
  Tensor mask_;
  // The centred, orthonormal transform of n pixels is D fft2 D' / n^(1/2), D and D' diagonal matrices of
  // phases. What is multiplied before: s_k D' / n^(1/2), (coils, 1, H, W); and after: m D, and for the
  // pseudo-inverse m D 2 / (m(k) + m(-k)).
  Spectrum before_, after_, after_inverse_;
  class ComplexSpectral;
  class RealSpectral;
  SpectralCache spectral_;
};

extern const OperatorKind mri_kind;

/// Whether the settings say how the mask is drawn.
bool states_sampling(const Settings& settings);

}  // namespace tweedie

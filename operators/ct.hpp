// Computed tomography with parallel beams: sparse views, limited angles.
#pragma once

#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "kernels/radon.hpp"
#include "operators/kinds.hpp"

namespace tweedie {

/// Which rays are measured. Angles are in degrees, anticlockwise; at angle 0 the rays are columns.
struct RadonSettings {
  int angles = 60;
  double first = 0;   ///< angle k is first + k span / angles
  double span = 180;  ///< below 180: limited angle; 360: a full turn, every ray twice; negative: clockwise
  /// As wide as pixels, about the image's centre. 0: as many as the diagonal has pixels, rounded up, and one
  /// more if that is what makes the rays of angle 0 (W odd or even) pass through pixels' centres.
  int detectors = 0;
  double axis = 0;  ///< where the image's centre, the rotation's axis, is seen: detectors beyond their middle
  std::vector<double> directions = {};  ///< all angles, in degrees, in place of `first` and `span`
};

/// What each view counts in a sum that stands for the integral over half a turn, in radians. Views apart by
/// half turns measure the same rays; each direction counts half of the gaps to its neighbours, shared among
/// its views. A gap of more than three times the median was not measured (limited angle): the directions
/// beside it count their other gap instead. Degrees, at least one.
std::vector<double> view_weights(const std::vector<double>& degrees);

/// Line integrals of each channel along parallel rays, (N, C, angles, detectors). The longer side of the
/// image has length 1, so that those of [-1, 1] images stay within the square root of 2. Interpolation along
/// the rays' driving axis, with its exact adjoint (kernels/radon.hpp). Outside, the image is 0: mid-grey.
class Radon : public LinearOperator {
 public:
  /// Errors: no angle or more than 100000, more than 16384 detectors, a span of 0 or of more than a turn, a
  /// first angle or an axis that is not finite, another number of directions than of angles.
  Radon(Context& context, const RadonSettings& settings);
  Shape output_shape(const Shape& image) const override;
  Tensor apply(const Tensor& x) override;
  Tensor adjoint(const Tensor& y, const Shape& image) override;

  /// The classical reconstruction: each view filtered by the band-limited ramp (Kak & Slaney 1988, chapter 3,
  /// Eq. 61, by FFTs of rows with enough zeros around them) and smeared back with linear interpolation,
  ///   x = sum_a w_a (y_a * h)(x cos t_a + y sin t_a) , w being `view_weights`.
  /// It recovers the image where there are about as many views as detectors, over 180 degrees; it is no
  /// pseudo-inverse. The result is not limited to [-1, 1].
  Tensor filtered_backprojection(const Tensor& y, const Shape& image);

 private:
  void prepare(const Shape& image);
  std::vector<double> degrees() const;
  void require_measurement(const Tensor& y, const Shape& image) const;
  RadonView rays() const {
    return {H_, W_, output_shape({1, 1, H_, W_}).W, settings_.angles, angles_.data()};
  }

  Context& context_;
  RadonSettings settings_;
  int H_ = 0, W_ = 0;  // of the images that what follows is for
  TensorOf<RadonAngle> angles_;
  Tensor weights_;                      ///< (1, 1, angles, detectors) of the views
  TensorOf<std::complex<float>> ramp_;  // its spectrum, (1, 1, 1, padded detectors); empty until asked for
};

extern const OperatorKind ct_kind;

}  // namespace tweedie

#include "operators/ct.hpp"

#include <bit>
#include <cmath>
#include <numbers>

#include "kernels/complex.hpp"
#include "kernels/fft.hpp"

namespace tweedie {
namespace {

double radians(double degrees) { return degrees / 180 * std::numbers::pi; }

/// The ramp |f| cut off at the detectors' Nyquist frequency, as an impulse response at unit spacing: exact
/// samples, so that its sum is not forced to 0 and constants keep their level.
double ramp_response(int k) {
  if (k == 0) return 0.25;
  return k % 2 == 0 ? 0 : -1 / (std::numbers::pi * std::numbers::pi * k * k);
}

}  // namespace

Radon::Radon(Context& context, const RadonSettings& settings) : context_(context), settings_(settings) {
  require(settings.angles > 0 && settings.angles <= 100000, "CT: ", settings.angles,
          " angles; expected 1 to 100000");
  require(settings.span > 0 && settings.span <= 180, "CT: a span of ", settings.span,
          " degrees; expected more than 0, and 180 at most: beyond, rays are measured twice");
  require(std::isfinite(settings.first), "CT: the first angle is ", settings.first);
  require(settings.detectors >= 0 && settings.detectors <= 16384, "CT: ", settings.detectors,
          " detectors; expected up to 16384, or 0 for the diagonal's");
}

Shape Radon::output_shape(const Shape& image) const {
  int detectors = settings_.detectors;
  if (detectors == 0) {
    detectors = int(std::ceil(std::hypot(image.H, image.W)));
    detectors += (detectors + image.W) % 2;
  }
  return {image.N, image.C, settings_.angles, detectors};
}

void Radon::prepare(const Shape& image) {
  if (angles_ && image.H == H_ && image.W == W_) return;
  std::vector<double> angles;
  for (int k = 0; k < settings_.angles; ++k)
    angles.push_back(radians(settings_.first + settings_.span * k / settings_.angles));
  const std::vector<RadonAngle> host =
      radon_angles(image.H, image.W, output_shape(image).W, 1.0 / std::max(image.H, image.W), angles);
  angles_ = TensorOf<RadonAngle>(context_.pool, {1, 1, 1, settings_.angles});
  copy_from_host(context_.queue, angles_.data(), host.data(), host.size() * sizeof(RadonAngle));
  ramp_ = {};
  H_ = image.H;
  W_ = image.W;
}

void Radon::require_measurement(const Tensor& y, const Shape& image) const {
  require(y.shape() == output_shape(image), "CT: measurement ", y.shape(), " for images ", image,
          "; expected ", output_shape(image));
}

Tensor Radon::apply(const Tensor& x) {
  prepare(x.shape());
  Tensor y = context_.planar(output_shape(x.shape()));
  radon(context_.queue, y, x, rays());
  return y;
}

Tensor Radon::adjoint(const Tensor& y, const Shape& image) {
  require_measurement(y, image);
  prepare(image);
  Tensor x = context_.planar(image);
  radon_adjoint(context_.queue, x, y, rays());
  return x;
}

Tensor Radon::filtered_backprojection(const Tensor& y, const Shape& image) {
  require_measurement(y, image);
  prepare(image);
  Queue& q = context_.queue;
  const Shape s = y.shape(), rows{s.N, s.C * s.H, 1, s.W};
  // Twice as long as a view: what a filter of that length wraps around stays beyond the view's ends.
  const int padded = int(std::bit_ceil(unsigned(2 * s.W)));
  if (!ramp_) {
    // At spacing p the response is 1/p^2 times that at spacing 1, and the sum over detectors p times theirs.
    const double factor = radians(settings_.span) / settings_.angles * std::max(image.H, image.W);
    std::vector<std::complex<float>> response(std::size_t(padded), 0.f);
    for (int k = 0; k < padded; ++k)
      response[std::size_t(k)] = float(factor * ramp_response(std::min(k, padded - k)));
    ramp_ = context_.spectrum({1, 1, 1, padded});
    copy_from_host(q, ramp_.data(), response.data(), response.size() * sizeof(response[0]));
    fft2(q, ramp_, ramp_);
  }
  TensorOf<std::complex<float>> z = context_.spectrum({rows.N, rows.C, 1, padded});
  pad_to_complex(q, z, y.reshaped(rows), 1.f, 0.f);
  fft2(q, z, z);
  multiply_spectrum(q, z, z, ramp_, false);
  ifft2(q, z, z);
  Tensor filtered = context_.planar(rows);
  crop_real(q, filtered, z, 1.f);
  Tensor x = context_.planar(image);
  backproject(q, x, filtered.reshaped(s), rays());
  return x;
}

namespace {

std::unique_ptr<ForwardOperator> make_ct(Context& context, const Settings& s, const OperatorData&) {
  return std::make_unique<Radon>(context, RadonSettings{s.integer("angles"), s.number("first"),
                                                        s.number("span"), s.integer("detectors")});
}

Tensor backprojected(ForwardOperator& op, const Tensor& y, const Shape& image) {
  return dynamic_cast<Radon&>(op).filtered_backprojection(y, image);
}

constexpr RadonSettings standard;
constexpr Setting settings[] = {
    Setting::whole("angles", standard.angles, 1, 100000, "number of directions"),
    Setting::number("first", standard.first, -Setting::unbounded, Setting::unbounded,
                    "the first of them, degrees; at 0 rays are columns")
        .spelled("--first-angle"),
    Setting{"span", "degrees they are spread over; below 180: limited angle", Setting::Kind::number,
            standard.span, 0, 180, true},
    Setting::whole("detectors", standard.detectors, 0, 16384,
                   "pixels wide each; 0: as many as the diagonal has pixels"),
};

}  // namespace

const OperatorKind ct_kind{.name = "ct",
                           .what = "line integrals along --angles directions",
                           .make = make_ct,
                           .settings = settings,
                           .shows = Shows::sinogram,
                           .steps = {1.0, 1.0, 0.3, 0.09},
                           .first_look = backprojected};

}  // namespace tweedie

#include "operators/ct.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "kernels/complex.hpp"
#include "kernels/elementwise.hpp"
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

std::vector<double> view_weights(const std::vector<double>& degrees) {
  // A view's place on the half turn, and which view it is.
  std::vector<std::pair<double, std::size_t>> views;
  for (std::size_t k = 0; k < degrees.size(); ++k)
    views.emplace_back(degrees[k] - 180 * std::floor(degrees[k] / 180), k);
  std::sort(views.begin(), views.end());
  constexpr double same = 1e-4;  // degrees; angles in float32 are this exact
  std::vector<std::vector<std::size_t>> directions;
  std::vector<double> at;
  for (const auto& [degree, view] : views) {
    if (at.empty() || degree - at.back() > same) at.push_back(degree), directions.emplace_back();
    directions.back().push_back(view);
  }
  if (at.size() > 1 && at.front() + 180 - at.back() <= same) {  // 180 degrees, a rounding below
    directions.front().insert(directions.front().end(), directions.back().begin(), directions.back().end());
    directions.pop_back(), at.pop_back();
  }
  const std::size_t count = at.size();
  std::vector<double> gaps;  // before each direction
  for (std::size_t i = 0; i < count; ++i) gaps.push_back(i ? at[i] - at[i - 1] : at[0] + 180 - at.back());
  std::vector<double> sorted = gaps;
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[(count - 1) / 2], widest = 3 * median;
  const auto width = [&](double gap, double other) {
    return gap <= widest ? gap : other <= widest ? other : median;
  };
  std::vector<double> weights(degrees.size());
  for (std::size_t i = 0; i < count; ++i) {
    const double before = gaps[i], after = gaps[(i + 1) % count];
    const double mean = (width(before, after) + width(after, before)) / 2;
    for (const std::size_t view : directions[i]) weights[view] = radians(mean) / double(directions[i].size());
  }
  return weights;
}

Radon::Radon(Context& context, const RadonSettings& settings) : context_(context), settings_(settings) {
  require(settings.angles > 0 && settings.angles <= 100000, "CT: ", settings.angles,
          " angles; expected 1 to 100000");
  require(settings.span != 0 && std::abs(settings.span) <= 360, "CT: a span of ", settings.span,
          " degrees; expected up to 360 either way, and not 0");
  require(std::isfinite(settings.first), "CT: the first angle is ", settings.first);
  require(settings.detectors >= 0 && settings.detectors <= 16384, "CT: ", settings.detectors,
          " detectors; expected up to 16384, or 0 for the diagonal's");
  const std::size_t stated = settings.directions.size();
  require(stated == 0 || stated == std::size_t(settings.angles), "CT: ", stated, " directions for ",
          settings.angles, " angles");
}

std::vector<double> Radon::degrees() const {
  if (!settings_.directions.empty()) return settings_.directions;
  std::vector<double> all;
  for (int k = 0; k < settings_.angles; ++k)
    all.push_back(settings_.first + settings_.span * k / settings_.angles);
  return all;
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
  for (const double degree : degrees()) angles.push_back(radians(degree));
  const std::vector<RadonAngle> host = radon_angles(image.H, image.W, output_shape(image).W,
                                                    1.0 / std::max(image.H, image.W), angles, settings_.axis);
  angles_ = TensorOf<RadonAngle>(context_.pool, {1, 1, 1, settings_.angles});
  copy_from_host(context_.queue, angles_.data(), host.data(), host.size() * sizeof(RadonAngle));
  ramp_ = {};
  weights_ = {};
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
    const double factor = std::max(image.H, image.W);
    std::vector<std::complex<float>> response(std::size_t(padded), 0.f);
    for (int k = 0; k < padded; ++k)
      response[std::size_t(k)] = float(factor * ramp_response(std::min(k, padded - k)));
    ramp_ = context_.spectrum({1, 1, 1, padded});
    copy_from_host(q, ramp_.data(), response.data(), response.size() * sizeof(response[0]));
    fft2(q, ramp_, ramp_);
    std::vector<float> weights;
    for (const double w : view_weights(degrees())) weights.insert(weights.end(), std::size_t(s.W), float(w));
    weights_ = context_.upload({1, 1, s.H, s.W}, weights);
  }
  TensorOf<std::complex<float>> z = context_.spectrum({rows.N, rows.C, 1, padded});
  pad_to_complex(q, z, y.reshaped(rows), 1.f, 0.f);
  fft2(q, z, z);
  multiply_spectrum(q, z, z, ramp_, false);
  ifft2(q, z, z);
  Tensor filtered = context_.planar(rows);
  crop_real(q, filtered, z, 1.f);
  Tensor weighted = context_.planar(s);
  multiply(q, weighted, filtered.reshaped(s), weights_);
  Tensor x = context_.planar(image);
  backproject(q, x, weighted, rays());
  return x;
}

namespace {

std::unique_ptr<ForwardOperator> make_ct(Context& context, const Settings& s, const OperatorData& data) {
  RadonSettings all{s.integer("angles"), s.number("first"), s.number("span"), s.integer("detectors"),
                    s.number("axis")};
  if (const Tensor directions = data.at("directions")) {
    const std::vector<float> degrees = context.download(directions);
    all.directions.assign(degrees.begin(), degrees.end());
  }
  return std::make_unique<Radon>(context, all);
}

Tensor backprojected(ForwardOperator& op, const Tensor& y, const Shape& image) {
  return dynamic_cast<Radon&>(op).filtered_backprojection(y, image);
}

constexpr RadonSettings standard;
constexpr Setting settings[] = {
    Setting::whole("angles", standard.angles, 1, 100000,
                   "number of directions; or START:STOP:N, N of them in degrees, STOP left out; or a file of "
                   "all of them in degrees (text, .npy)"),
    Setting::number("first", standard.first, -Setting::unbounded, Setting::unbounded,
                    "the first of them, degrees; at 0 rays are columns")
        .spelled("--first-angle"),
    Setting::number("span", standard.span, -360, 360,
                    "degrees they are spread over; below 180: limited angle; negative: clockwise"),
    Setting::whole("detectors", standard.detectors, 0, 16384,
                   "pixels wide each; 0: as many as the diagonal has pixels"),
    Setting::number("axis", standard.axis, -16384, 16384,
                    "where the rotation's axis is seen: how many detectors beyond their middle"),
};

constexpr ArrayRow arrays[] = {{.name = "directions"}};
constexpr AnglesRow angles{"directions", "angles", "first", "span"};

constexpr Setting reading[] = {
    Setting::positive("intensity", Setting::none,
                      "of a sinogram file of intensities: what a detector sees with nothing in the way; the "
                      "logarithm is taken here"),
    Setting::flag("transposed", "the sinogram file is (detectors, angles), as scikit-image has it"),
};

}  // namespace

const OperatorKind ct_kind{.name = "ct",
                           .what = "line integrals along --angles directions",
                           .make = make_ct,
                           .settings = settings,
                           .reading = reading,
                           .arrays = arrays,
                           .angles = &angles,
                           .shows = Shows::sinogram,
                           .steps = {1.0, 1.0, 0.3, 0.09},
                           .first_look = backprojected};

}  // namespace tweedie

#include "operators/phase_retrieval.hpp"

#include <cmath>

#include "kernels/complex.hpp"
#include "kernels/fft.hpp"

namespace tweedie {
namespace {

/// What makes `fft2` orthonormal on planes of that shape.
float orthonormal(const Shape& s) { return float(1 / std::sqrt(double(s.plane()))); }

int padded(int side, double oversample) { return side + 2 * int(oversample / 8 * side); }

}  // namespace

PhaseRetrieval::PhaseRetrieval(Context& context, double oversample, Range range)
    : context_(context),
      oversample_(oversample),
      scale_(range == Range::unit ? 0.5f : 1.f),
      offset_(range == Range::unit ? 0.5f : 0.f) {
  require(oversample >= 0 && oversample <= 1024, "phase retrieval: oversample ", oversample,
          "; expected 0 (no padding) to 1024");
}

Shape PhaseRetrieval::output_shape(const Shape& image) const {
  return {image.N, image.C, padded(image.H, oversample_), padded(image.W, oversample_)};
}

TensorOf<std::complex<float>> PhaseRetrieval::transform(const Tensor& x) {
  TensorOf<std::complex<float>> z = context_.spectrum(output_shape(x.shape()));
  pad_to_complex(context_.queue, z, x, scale_, offset_);
  fft2(context_.queue, z, z);
  return z;
}

struct PhaseRetrieval::Transformed : Saved {
  TensorOf<std::complex<float>> z;
  Shape image;
};

std::unique_ptr<Saved> PhaseRetrieval::make_saved() const { return std::make_unique<Transformed>(); }

Tensor PhaseRetrieval::forward(const Tensor& x, Saved* saved) {
  TensorOf<std::complex<float>> z = transform(x);
  Tensor y = context_.planar(z.shape());
  centred_magnitude(context_.queue, y, z, orthonormal(z.shape()));
  if (saved) {
    Transformed& kept = saved_as<Transformed>(*saved, "phase retrieval");
    kept.z = std::move(z);
    kept.image = x.shape();
  }
  return y;
}

Tensor PhaseRetrieval::backward(const Tensor& dy, Saved& saved) {
  Transformed& kept = saved_as<Transformed>(saved, "phase retrieval");
  TensorOf<std::complex<float>> z = std::move(kept.z);
  require(bool(z), "phase retrieval: a backward without a forward before it");
  // Orthonormal, F is unitary: its adjoint is its inverse, which is n^(1/2) ifft2 for planes of n pixels.
  centred_magnitude_backward(context_.queue, z, dy, z, 1.f);
  ifft2(context_.queue, z, z);
  Tensor dx = context_.planar(kept.image);
  const double root = std::sqrt(double(z.shape().plane()));
  crop_real(context_.queue, dx, z, float(scale_ * root));
  return dx;
}

namespace {

std::unique_ptr<ForwardOperator> make_phase_retrieval(Context& context, const Settings& s,
                                                      const OperatorData&) {
  const auto range = s.text("range") == "unit" ? PhaseRetrieval::Range::unit : PhaseRetrieval::Range::pm1;
  return std::make_unique<PhaseRetrieval>(context, s.number("oversample"), range);
}

/// The image whose transform has that shape; a side of 0 where none has.
Shape image_of_magnitudes(const Settings& s, const Shape& measured) {
  const auto side = [&](int measured_side) {
    int image = int(measured_side / (1 + s.number("oversample") / 4));  // rounding makes it larger, if at all
    while (padded(image, s.number("oversample")) < measured_side) ++image;
    return padded(image, s.number("oversample")) == measured_side ? image : 0;
  };
  return {measured.N, measured.C, side(measured.H), side(measured.W)};
}

constexpr Setting settings[] = {
    Setting::number("oversample", 2, 0, 1024, "oversample / 8 of a side are added all around"),
    Setting::text("range", "pm1", "pm1, unit", "transform the image in [-1, 1] (pm1) or in [0, 1] (unit)"),
};

}  // namespace

const OperatorKind phase_retrieval_kind{.name = "phase_retrieval",
                                        .what = "magnitudes of the Fourier transform",
                                        .make = make_phase_retrieval,
                                        .settings = settings,
                                        .shows = Shows::magnitudes,
                                        .steps = {0.4, 0.4, 0.3, 0.045},
                                        .restarts = 4,
                                        .image_shape = image_of_magnitudes};

}  // namespace tweedie

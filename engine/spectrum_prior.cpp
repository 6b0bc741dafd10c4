#include "engine/spectrum_prior.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/fft.hpp"
#include "kernels/matmul.hpp"

namespace tweedie {

SpectrumPrior::SpectrumPrior(Context& context, SpectrumParameters parameters)
    : context_(context), parameters_(parameters) {
  const double l = 1 / std::sqrt(3.0), y = 1 / std::sqrt(6.0), r = 1 / std::sqrt(2.0);
  // Rows: lightness, blue-yellow, red-green.
  const std::vector<float> rows{float(l),      float(l), float(l),  float(y), float(y),
                                float(-2 * y), float(r), float(-r), 0};
  rotation_ = context.upload({1, 1, 3, 3}, rows);
}

std::vector<double> SpectrumPrior::spectrum(const Shape& shape) const {
  require(shape.C == 1 || shape.C == 3, "spectrum prior: images have 1 or 3 channels, not ", shape.C);
  const int half = shape.W / 2 + 1;
  std::vector<double> power(std::size_t(shape.C) * shape.H * half);
  std::size_t i = 0;
  for (int c = 0; c < shape.C; ++c)
    for (int h = 0; h < shape.H; ++h)
      for (int w = 0; w < half; ++w) {
        const double fh = double(std::min(h, shape.H - h)) / shape.H, fw = double(w) / shape.W;
        // A gray image is a colour image's lightness / sqrt(3).
        const double share = shape.C == 1 ? parameters_.power[0] / 3 : parameters_.power[c];
        const double squared = fh * fh + fw * fw + parameters_.corner * parameters_.corner;
        power[i++] = share * std::pow(squared, -parameters_.slope / 2);
      }
  return power;
}

namespace {
/// Where gains of images of shape s lie on the device: each twice, for the real and the imaginary part.
Shape twice_half(const Shape& s) { return {1, s.C, s.H, 2 * (s.W / 2 + 1)}; }
}  // namespace

void SpectrumPrior::prepare(const Shape& shape) {
  const Shape one{1, shape.C, shape.H, shape.W};
  if (one == shape_) return;
  spectrum_ = spectrum(one);
  gain_.resize(spectrum_.size());
  level_gain_ = context_.planar(twice_half(shape));
  level_ = -1;
  shape_ = one;
}

// Each pixel's colour vector times the opponent rotation, or its transpose.
Tensor SpectrumPrior::colours(const Tensor& x, bool back) {
  if (x.shape().C == 1) return x;
  Tensor y = context_.planar(x.shape());
  const int pixels = int(x.shape().plane());
  const Matrices<const float> rotation{rotation_.data(), 3, 3, 3, 0, back};
  for (int n = 0; n < x.shape().N; ++n)
    matmul(context_.queue, {y.view().sample(n).data, 3, pixels, pixels, 0, false}, rotation,
           {x.view().sample(n).data, 3, pixels, pixels, 0, false});
  return y;
}

namespace {
void upload_twice(Context& context, Tensor& to, const std::vector<float>& gain, std::vector<float>& twice) {
  twice.resize(2 * gain.size());
  for (std::size_t i = 0; i < gain.size(); ++i) twice[2 * i] = twice[2 * i + 1] = gain[i];
  copy_from_host(context.queue, to.data(), twice.data(), twice.size() * sizeof(float));
}
}  // namespace

Tensor SpectrumPrior::upload_gain(const Shape& image, const std::vector<float>& gain) {
  Tensor uploaded = context_.planar(twice_half(image));
  require(2 * std::int64_t(gain.size()) == uploaded.shape().size(), "spectrum filter: ", gain.size(),
          " gains, expected ", uploaded.shape().size() / 2);
  std::vector<float> twice;
  upload_twice(context_, uploaded, gain, twice);
  return uploaded;
}

Tensor SpectrumPrior::filter(const Tensor& x, const Tensor& gain) {
  const Shape shape = x.shape();
  require(gain.shape() == twice_half(shape), "spectrum filter: gains ", gain.shape(), " for images ", shape,
          "; expected ", twice_half(shape));
  const Tensor opponent = colours(x, false);
  TensorOf<std::complex<float>> modes = context_.spectrum({shape.N, shape.C, shape.H, shape.W / 2 + 1});
  fft2_real(context_.queue, modes, opponent);
  const View<float> parts(reinterpret_cast<float*>(modes.data()),
                          {shape.N, shape.C, shape.H, 2 * (shape.W / 2 + 1)});
  multiply(context_.queue, parts, parts, gain.view());
  Tensor filtered = context_.planar(shape);
  ifft2_real(context_.queue, filtered, modes);
  return colours(filtered, true);
}

void SpectrumPrior::use_level(const Shape& shape, double abar) {
  prepare(shape);
  if (level_ == abar) return;
  for (std::size_t i = 0; i < gain_.size(); ++i)
    gain_[i] = float(std::sqrt(1 - abar) / (abar * spectrum_[i] + 1 - abar));
  upload_twice(context_, level_gain_, gain_, twice_);
  level_ = abar;
}

struct SpectrumPrior::Level : Saved {
  double abar = -1;
};

std::unique_ptr<Saved> SpectrumPrior::make_saved() const { return std::make_unique<Level>(); }

Prediction SpectrumPrior::forward(const Tensor& x, const NoiseLevel& level, Saved* saved) {
  if (saved) saved_as<Level>(*saved, "spectrum prior").abar = level.alphas_cumprod;
  use_level(x.shape(), level.alphas_cumprod);
  return {filter(x, level_gain_), {}};
}

Tensor SpectrumPrior::backward(const Tensor& deps, Saved& saved) {
  const double abar = saved_as<Level>(saved, "spectrum prior").abar;
  require(abar >= 0, "spectrum prior: a backward without a forward before it");
  use_level(deps.shape(), abar);
  return filter(deps, level_gain_);
}

std::vector<double> SpectrumPrior::cross_power(const Tensor& x, const Tensor& y) {
  const Shape s = x.shape(), half{s.N, s.C, s.H, s.W / 2 + 1};
  require(y.shape() == s, "cross power of images ", s, " and ", y.shape());
  const auto transform = [&](const Tensor& image) {
    TensorOf<std::complex<float>> modes = context_.spectrum(half);
    fft2_real(context_.queue, modes, colours(image, false));
    std::vector<std::complex<float>> host(std::size_t(half.size()));
    copy_to_host(context_.queue, host.data(), modes.data(), host.size() * sizeof(host[0]));
    return host;
  };
  const std::vector<std::complex<float>> X = transform(x), Y = transform(y);
  std::vector<double> power(std::size_t(half.sample()), 0.0);
  for (std::size_t i = 0; i < X.size(); ++i)
    power[i % power.size()] += (std::conj(std::complex<double>(X[i])) * std::complex<double>(Y[i])).real();
  return power;
}

Tensor SpectrumPrior::draw(const Shape& shape) {
  std::vector<float> root;
  for (const double power : spectrum({1, shape.C, shape.H, shape.W})) root.push_back(float(std::sqrt(power)));
  return filter(context_.normal(shape), upload_gain(shape, root));
}

}  // namespace tweedie

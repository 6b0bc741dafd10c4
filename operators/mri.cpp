#include "operators/mri.hpp"

#include <cmath>
#include <numbers>

#include "kernels/coefficients.hpp"
#include "kernels/complex.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/fft.hpp"
#include "kernels/layout.hpp"
#include "operators/circular.hpp"
#include "operators/fastmri_measurement.hpp"
#include "operators/sampling_mask.hpp"

namespace tweedie {
namespace {

using Wide = std::complex<double>;

/// exp(2 pi i k / n); k reduced first, so that halves and quarters of a turn are as exact as they can be.
Wide turn(std::int64_t k, int n) { return std::polar(1.0, 2 * std::numbers::pi * double(k % n) / n); }

/// A complex array as the floats it consists of, which are channels in blocks of 2.
View<float> parts(View<std::complex<float>> z) {
  return {reinterpret_cast<float*>(z.data), {z.N(), 2 * z.C(), z.H(), z.W()}, 2};
}

}  // namespace

CartesianMri::CartesianMri(Context& context, std::function<std::vector<float>(int, int)> mask, Image image,
                           const Tensor& sensitivity)
    : context_(context), make_mask_(std::move(mask)), real_(image == Image::real) {
  if (!sensitivity) return;
  const Shape& s = sensitivity.shape();
  require(s.N > 0 && s.C == 2, "MRI: sensitivities of shape ", s, "; expected (coils, 2, H, W)");
  sensitivity_ = context.download(sensitivity);
  coils_ = s.N;
  sensitivity_H_ = s.H;
  sensitivity_W_ = s.W;
}

Shape CartesianMri::complex_shape(const Shape& image) const {
  require(real_ || image.C % 2 == 0, "MRI: a complex image of ", image.C,
          " channels; expected pairs of real and imaginary parts");
  require(sensitivity_.empty() || (image.H == sensitivity_H_ && image.W == sensitivity_W_),
          "MRI: sensitivities of ", sensitivity_H_, "x", sensitivity_W_, " pixels for images of ", image.H,
          "x", image.W);
  return {image.N, real_ ? image.C : image.C / 2, image.H, image.W};
}

Shape CartesianMri::output_shape(const Shape& image) const {
  const Shape z = complex_shape(image);
  return {z.N, 2 * z.C * coils_, z.H, z.W};
}

void CartesianMri::upload(Spectrum& to, const std::vector<Wide>& values, const Shape& shape) {
  const std::vector<Complex> narrow(values.begin(), values.end());
  to = context_.spectrum(shape);
  copy_from_host(context_.queue, to.data(), narrow.data(), narrow.size() * sizeof(Complex));
}

void CartesianMri::prepare(int H, int W) {
  if (mask_ && H == H_ && W == W_) return;
  const std::vector<float> mask = make_mask_(H, W);
  require(mask.size() == std::size_t(H) * std::size_t(W), "MRI: a mask of ", mask.size(),
          " entries for images of ", H, "x", W);
  const int middle_h = H / 2, middle_w = W / 2;
  const double root = std::sqrt(double(H) * W);
  std::vector<Wide> before, after, after_inverse;
  for (int k = 0; k < coils_; ++k)
    for (int h = 0; h < H; ++h)
      for (int w = 0; w < W; ++w) {
        // What moves frequency 0 to the middle; below, what moves the image's origin there.
        const Wide phase = turn(std::int64_t(middle_h) * h, H) * turn(std::int64_t(middle_w) * w, W) / root;
        const std::size_t re =
            (std::size_t(2 * k) * std::size_t(H) + std::size_t(h)) * std::size_t(W) + std::size_t(w);
        before.push_back(
            sensitivity_.empty() ? phase : phase * Wide(sensitivity_[re], sensitivity_[re + mask.size()]));
      }
  for (int h = 0; h < H; ++h)
    for (int w = 0; w < W; ++w) {
      const int mirrored_h = (2 * middle_h - h + H) % H, mirrored_w = (2 * middle_w - w + W) % W;
      const float m = mask[std::size_t(h) * std::size_t(W) + std::size_t(w)];
      const float mirrored = mask[std::size_t(mirrored_h) * std::size_t(W) + std::size_t(mirrored_w)];
      require(m == 0 || m == 1, "MRI: the mask holds ", m, "; expected zeros and ones");
      const Wide phase = turn(std::int64_t(h - middle_h + H) * middle_h, H) *
                         turn(std::int64_t(w - middle_w + W) * middle_w, W);
      after.push_back(double(m) * phase);
      after_inverse.push_back(m == 0 ? 0 : phase * (real_ ? 2.0 / double(m + mirrored) : 1.0));
    }
  upload(before_, before, {coils_, 1, H, W});
  upload(after_, after, {1, 1, H, W});
  upload(after_inverse_, after_inverse, {1, 1, H, W});
  mask_ = context_.upload({1, 1, H, W}, mask);
  H_ = H;
  W_ = W;
}

View<const std::complex<float>> CartesianMri::coil(int k) const { return before_.view().sample(k); }

template <class Body>
void CartesianMri::for_each_coil(View<Complex> image, View<Complex> coils, Body body) {
  if (coils_ == 1) return body(image, coils, 0);
  for (int n = 0; n < image.N(); ++n)
    for (int k = 0; k < coils_; ++k) {
      const View<Complex> sample = image.sample(n);
      body(sample, {coils.data + (std::int64_t(n) * coils_ + k) * sample.size(), sample.shape}, k);
    }
}

CartesianMri::Spectrum CartesianMri::to_complex(const Tensor& x) {
  Spectrum z = context_.spectrum(complex_shape(x.shape()));
  if (real_)
    pad_to_complex(context_.queue, z, x, 1.f, 0.f);
  else
    convert_layout(context_.queue, parts(z), x);
  return z;
}

Tensor CartesianMri::apply(const Tensor& x) {
  Queue& q = context_.queue;
  const Shape s = x.shape(), measured = output_shape(s);
  prepare(s.H, s.W);
  Spectrum image = to_complex(x), z = context_.spectrum({s.N, measured.C / 2, s.H, s.W});
  for_each_coil(image, z, [&](View<Complex> from, View<Complex> to, int k) {
    multiply_spectrum(q, to, from, coil(k), false);
  });
  fft2(q, z, z);
  multiply_spectrum(q, z, z, after_, false);
  Tensor y = context_.planar(measured);
  convert_layout(q, y, parts(z));
  return y;
}

Tensor CartesianMri::back(const Tensor& y, const Shape& s, const Spectrum& sampling) {
  Queue& q = context_.queue;
  Spectrum image = context_.spectrum(complex_shape(s)),
           z = context_.spectrum({s.N, y.shape().C / 2, s.H, s.W});
  convert_layout(q, parts(z), y);
  multiply_spectrum(q, z, z, sampling, true);
  ifft2(q, z, z);
  for_each_coil(image, z, [&](View<Complex> to, View<Complex> from, int k) {
    multiply_spectrum(q, k == 0 ? to : from, from, coil(k), true);
    if (k > 0) add(q, parts(to), parts(to), parts(from));
  });
  // The transform's adjoint is its inverse times the number of pixels.
  const float pixels = float(s.plane());
  Tensor x = context_.planar(s);
  if (real_) {
    crop_real(q, x, image, pixels);
  } else {
    convert_layout(q, x, parts(image));
    axpby(q, x, pixels, x, 0.f, x);
  }
  return x;
}

Tensor CartesianMri::adjoint(const Tensor& y, const Shape& image) {
  require(y.shape() == output_shape(image), "MRI: measurement ", y.shape(), " for images ", image,
          "; expected ", output_shape(image));
  prepare(image.H, image.W);
  return back(y, image, after_);
}

Tensor CartesianMri::pseudo_inverse(const Tensor& y, const Shape& image) {
  require(has_pseudo_inverse(), "MRI: with coils' sensitivities there is no pseudo-inverse here");
  require(y.shape() == output_shape(image), "MRI: measurement ", y.shape(), " for images ", image,
          "; expected ", output_shape(image));
  prepare(image.H, image.W);
  return back(y, image, after_inverse_);
}

void CartesianMri::discard_unmeasured(Tensor& y) {
  prepare(y.shape().H, y.shape().W);
  multiply(context_.queue, y, y, mask_);
}

namespace {

std::vector<float> repeated(const std::vector<float>& plane, int channels) {
  std::vector<float> all;
  for (int c = 0; c < channels; ++c) all.insert(all.end(), plane.begin(), plane.end());
  return all;
}

}  // namespace

// A = m F, F unitary: with every entry measured, `whole` is F.
class CartesianMri::ComplexSpectral : public Spectral {
 public:
  ComplexSpectral(Context& context, const Shape& image, const std::vector<float>& mask)
      : Spectral(context, image, repeated(mask, image.C), {}),
        context_(context),
        whole_(context, [](int H, int W) { return std::vector<float>(std::size_t(H) * std::size_t(W), 1.f); },
               Image::complex, {}) {}
  Tensor Vt(const Tensor& x) override { return whole_.apply(x); }
  Tensor V(const Tensor& c) override { return whole_.adjoint(c, c.shape()); }
  Tensor Ut(const Tensor& y) override { return masked(y); }
  Tensor U(const Tensor& c) override { return masked(c); }

 private:
  Tensor masked(const Tensor& x) {
    Tensor y = context_.planar(x.shape());
    multiply(context_.queue, y, x, s());
    return y;
  }
  Context& context_;
  CartesianMri whole_;
};

// A A^T is not diagonal in the entries, but A V has orthogonal columns of lengths s: U = A V S^+.
class CartesianMri::RealSpectral : public Spectral {
 public:
  RealSpectral(Context& context, CartesianMri& op, const Shape& image, const std::vector<float>& mask)
      : Spectral(context, image, values(image, mask), listed_of(values(image, mask))),
        context_(context),
        op_(op) {}
  Tensor Vt(const Tensor& x) override { return hartley_transform(context_, x); }
  Tensor V(const Tensor& c) override { return hartley_transform(context_, c); }
  Tensor Ut(const Tensor& y) override {
    return divided(Vt(op_.adjoint(y, {y.shape().N, y.shape().C / 2, y.shape().H, y.shape().W})));
  }
  Tensor U(const Tensor& c) override {
    Tensor copied = context_.planar(c.shape());
    copy(context_.queue, copied, c);
    return op_.apply(V(divided(std::move(copied))));
  }
  bool onto() const override { return false; }

 private:
  static std::vector<float> values(const Shape& image, const std::vector<float>& mask) {
    const int H = image.H, W = image.W;
    std::vector<float> s;
    for (int k = 0; k < H; ++k)
      for (int l = 0; l < W; ++l) {
        const int h = (k + H / 2) % H, w = (l + W / 2) % W;
        const int mirrored_h = (H - k + H / 2) % H, mirrored_w = (W - l + W / 2) % W;
        s.push_back(std::sqrt(
            0.5f * (mask[std::size_t(h * W + w)] + mask[std::size_t(mirrored_h * W + mirrored_w)])));
      }
    return repeated(s, image.C);
  }
  static std::vector<float> listed_of(std::vector<float> s) {
    for (float& value : s) value = value > 0 ? 1.f : 0.f;
    return s;
  }
  Tensor divided(Tensor c) {
    filter(context_.queue, c, c, s(), {1, 1, 0});
    return c;
  }
  Context& context_;
  CartesianMri& op_;
};

Spectral* CartesianMri::spectral(const Shape& image) {
  if (!sensitivity_.empty()) return nullptr;
  (void)output_shape(image);
  return spectral_.get(image, [this](const Shape& s) -> std::unique_ptr<Spectral> {
    const std::vector<float> mask = make_mask_(s.H, s.W);
    if (real_) return std::make_unique<RealSpectral>(context_, *this, s, mask);
    return std::make_unique<ComplexSpectral>(context_, s, mask);
  });
}

namespace {

/// The rows of a mask of this shape for images of H x W: one for all rows, or one for each.
std::vector<float> mask_rows(const Shape& m, const std::vector<float>& given, int H, int W) {
  require((m.H == H || m.H == 1) && m.W == W, "MRI: a mask of ", m.H, "x", m.W, " entries for images of ", H,
          "x", W);
  std::vector<float> all = given;
  while (all.size() < std::size_t(H) * std::size_t(W)) all.insert(all.end(), given.begin(), given.end());
  return all;
}

// The mask is data where nothing about its drawing is stated.
std::unique_ptr<ForwardOperator> make_mri(Context& context, const Settings& s, const OperatorData& data) {
  const auto image = s.flag("complex") ? CartesianMri::Image::complex : CartesianMri::Image::real;
  const Tensor given = data.at("mask");
  std::function<std::vector<float>(int, int)> mask;
  if (given && !states_sampling(s)) {
    const Shape m = given.shape();
    require(m.N == 1 && m.C == 1, "MRI: a mask of shape ", m, "; expected (1, 1, H, W), or (1, 1, 1, W)");
    mask = [m, rows = context.download(given)](int H, int W) { return mask_rows(m, rows, H, W); };
  } else {
    const Sampling sampling{s.text("mask"), s.number("acceleration"), s.number("centre"), s.seed("seed")};
    mask = [sampling](int H, int W) { return sampling_mask(H, W, sampling); };
  }
  return std::make_unique<CartesianMri>(context, std::move(mask), image, data.at("sensitivity"));
}

constexpr Setting settings[] = {
    Setting::text("mask", "uniform1d", "uniform1d, gaussian1d, equispaced1d, uniform2d, gaussian2d",
                  "columns (1d) or entries (2d) are drawn")
        .spelled("--pattern"),
    Setting::number("acceleration", 4, 1, 1e6, "how many times less is measured"),
    Setting::number("centre", 0.08, 0, 1,
                    "fraction of the columns always measured, about frequency 0, which is in the middle"),
    Setting::seed("seed", "of the mask").spelled(""),
    Setting::flag("complex", "images of two channels, real and imaginary parts").spelled(""),
};
constexpr ArrayRow arrays[] = {{"mask", ArrayRow::Form::mask}, {"sensitivity"}};
constexpr ForeignRow fastmri{is_fastmri, "--slice", "of a fastMRI file given as --measurement",
                             fastmri_measurement};

}  // namespace

bool states_sampling(const Settings& s) {
  return s.stated("mask") || s.stated("acceleration") || s.stated("centre") || s.stated("seed");
}

const OperatorKind mri_kind{.name = "mri",
                            .what = "a part of k-space, by --pattern; or a fastMRI file",
                            .make = make_mri,
                            .settings = settings,
                            .arrays = arrays,
                            .shows = Shows::frequencies,
                            .files = &fastmri};

}  // namespace tweedie

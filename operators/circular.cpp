#include "operators/circular.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/coefficients.hpp"
#include "kernels/complex.hpp"
#include "kernels/fft.hpp"
#include "kernels/hartley.hpp"
#include "operators/continuation.hpp"

namespace tweedie {
namespace {

using Complex = std::complex<float>;
using Wide = std::complex<double>;
using Spectrum = TensorOf<Complex>;
using Size = std::size_t;

Shape half_of(const Shape& s) { return {s.N, s.C, s.H, s.W / 2 + 1}; }

Spectrum transformed(Context& context, const Tensor& x) {
  Spectrum z = context.spectrum(half_of(x.shape()));
  fft2_real(context.queue, z, x);
  return z;
}

Spectrum uploaded(Context& context, const std::vector<Wide>& half, int H, int W) {
  const std::vector<Complex> narrow(half.begin(), half.end());
  Spectrum z = context.spectrum({1, 1, H, W / 2 + 1});
  copy_from_host(context.queue, z.data(), narrow.data(), narrow.size() * sizeof(Complex));
  return z;
}

float root_of_pixels(const Shape& s) { return float(std::sqrt(double(s.plane()))); }

Tensor hartley_of(Context& context, const Spectrum& z, const Shape& image) {
  Tensor c = context.planar(image);
  hartley_from_half(context.queue, c, z, 1 / root_of_pixels(image));
  return c;
}

// U = P V, where P turns the phases of the spectrum by those of the response and keeps magnitudes.
class CircularSpectral : public Spectral {
 public:
  CircularSpectral(Context& context, const Shape& image, const std::vector<Wide>& response)
      : Spectral(context, image, magnitudes(image, response), std::vector<float>(Size(image.sample()), 1.f)),
        context_(context) {
    std::vector<Wide> phases;
    for (const Wide& k : response) phases.push_back(k == 0.0 ? 1.0 : k / std::abs(k));
    phases_ = uploaded(context, phases, image.H, image.W);
  }
  Tensor Vt(const Tensor& x) override { return hartley_transform(context_, x); }
  Tensor V(const Tensor& c) override { return hartley_transform(context_, c); }
  Tensor Ut(const Tensor& y) override {
    Spectrum z = transformed(context_, y);
    multiply_spectrum(context_.queue, z, z, phases_, true);
    return hartley_of(context_, z, y.shape());
  }
  Tensor U(const Tensor& c) override {
    Spectrum z = context_.spectrum(half_of(c.shape()));
    half_from_hartley(context_.queue, z, c, root_of_pixels(c.shape()));
    multiply_spectrum(context_.queue, z, z, phases_, false);
    Tensor y = context_.planar(c.shape());
    ifft2_real(context_.queue, y, z);
    return y;
  }

 private:
  static std::vector<float> magnitudes(const Shape& image, const std::vector<Wide>& response) {
    std::vector<float> s;
    const int half = image.W / 2 + 1;
    for (int c = 0; c < image.C; ++c)
      for (int k = 0; k < image.H; ++k)
        for (int l = 0; l < image.W; ++l) {
          const int row = l < half ? k : (image.H - k) % image.H, column = l < half ? l : image.W - l;
          s.push_back(float(std::abs(response[Size(row) * Size(half) + Size(column)])));
        }
    return s;
  }
  Context& context_;
  Spectrum phases_;
};

/// exp(-2 pi i k offset / n) for k in [0, n).
std::vector<Wide> waves(int offset, int n) {
  std::vector<Wide> z;
  const std::int64_t folded = ((offset % n) + n) % n;
  for (int k = 0; k < n; ++k)
    z.push_back(std::polar(1.0, -2 * std::numbers::pi * double(folded * k % n) / n));
  return z;
}

}  // namespace

Tensor hartley_transform(Context& context, const Tensor& x) {
  return hartley_of(context, transformed(context, x), x.shape());
}

CircularBlur::CircularBlur(Context& context, const Tensor& kernel, Direction direction)
    : context_(context), shape_(kernel.shape()), kernel_(context.download(kernel)), direction_(direction) {
  require(shape_.N == 1 && shape_.C == 1 && shape_.plane() > 0, "circular blur: a kernel of shape ", shape_,
          "; expected (1, 1, kh, kw)");
}

std::vector<Wide> CircularBlur::response(int H, int W) const {
  const int half = W / 2 + 1;
  std::vector<Wide> all(Size(H) * Size(half)), column(Size(H), 0.0);
  for (int j = 0; j < shape_.W; ++j) {
    std::fill(column.begin(), column.end(), 0.0);
    for (int i = 0; i < shape_.H; ++i) {
      const std::vector<Wide> wave = waves(i - shape_.H / 2, H);
      for (Size k = 0; k < column.size(); ++k) column[k] += double(kernel_[Size(i * shape_.W + j)]) * wave[k];
    }
    const std::vector<Wide> wave = waves(j - shape_.W / 2, W);
    for (Size k = 0; k < column.size(); ++k)
      for (int l = 0; l < half; ++l) all[k * Size(half) + Size(l)] += column[k] * wave[Size(l)];
  }
  double largest = 0;
  for (const Wide& k : all) largest = std::max(largest, std::abs(k));
  for (int k = 0; k < H; ++k)
    for (int l = 0; l < half; ++l) {
      Wide& value = all[Size(k) * Size(half) + Size(l)];
      // Exactly Hermitian, also where rounding is all there is.
      const bool own_mirror = l == 0 || 2 * l == W;
      const int mirrored = (H - k) % H;
      if (own_mirror && mirrored < k) value = std::conj(all[Size(mirrored) * Size(half) + Size(l)]);
      if (own_mirror && mirrored == k) value = value.real();
      if (std::abs(value) <= 1e-12 * largest) value = 0;
      if (direction_ == Direction::correlate && !(own_mirror && mirrored < k)) value = std::conj(value);
    }
  return all;
}

Tensor CircularBlur::filtered(const Tensor& x, bool transposed) {
  const Shape s = x.shape();
  if (!response_ || s.H != H_ || s.W != W_) {
    response_ = uploaded(context_, response(s.H, s.W), s.H, s.W);
    H_ = s.H;
    W_ = s.W;
  }
  Spectrum z = transformed(context_, x);
  multiply_spectrum(context_.queue, z, z, response_, transposed);
  Tensor y = context_.planar(s);
  ifft2_real(context_.queue, y, z);
  return y;
}

Tensor CircularBlur::adjoint(const Tensor& y, const Shape& image) {
  require(y.shape() == image, "circular blur: measurement ", y.shape(), " for images ", image);
  return filtered(y, true);
}

Spectral* CircularBlur::spectral(const Shape& image) {
  return spectral_.get(image, [this](const Shape& s) {
    return std::make_unique<CircularSpectral>(context_, s, response(s.H, s.W));
  });
}

CircularReduction::CircularReduction(Context& context, const Tensor& kernel, int factor)
    : context_(context),
      factor_(factor),
      blur_(context, kernel, Direction::convolve),
      kept_(context, [factor](int pixels) {
        const int kept = pixels / factor;
        return picked_rows(kept, pixels, kept, [factor](int row) { return row * factor; });
      }) {
  require(factor >= 1, "circular reduction: a factor of ", factor, "; expected 1 or more");
}

Shape CircularReduction::output_shape(const Shape& image) const {
  require(image.H % factor_ == 0 && image.W % factor_ == 0, "circular reduction: images of ", image.H, "x",
          image.W, " pixels; expected multiples of ", factor_);
  return {image.N, image.C, image.H / factor_, image.W / factor_};
}

Tensor CircularReduction::apply(const Tensor& x) {
  (void)output_shape(x.shape());
  return kept_.apply(blur_.apply(x));
}

Tensor CircularReduction::adjoint(const Tensor& y, const Shape& image) {
  require(y.shape() == output_shape(image), "circular reduction: measurement ", y.shape(), " for images ",
          image);
  return blur_.adjoint(kept_.adjoint(y, image), image);
}

void CircularReduction::prepare(const Shape& image) {
  if (roots_ && image.H == H_ && image.W == W_) return;
  const Shape small = output_shape({1, 1, image.H, image.W});
  const std::vector<Wide> response = blur_.response(image.H, image.W);
  std::vector<double> values(Size(small.plane()), 0.0);
  const int half = image.W / 2 + 1;
  for (int k = 0; k < image.H; ++k)
    for (int l = 0; l < image.W; ++l) {
      const int row = l < half ? k : (image.H - k) % image.H, column = l < half ? l : image.W - l;
      values[Size((k % small.H) * small.W + l % small.W)] +=
          std::norm(response[Size(row) * Size(half) + Size(column)]) / (factor_ * factor_);
    }
  largest_ = std::sqrt(*std::max_element(values.begin(), values.end()));
  std::vector<float> roots;
  for (const double value : values) roots.push_back(float(std::sqrt(value)));
  roots_ = context_.upload(small, roots);
  H_ = image.H;
  W_ = image.W;
}

Tensor CircularReduction::own_dual_solve(const Tensor& v, const Shape& image, double r2, double s2) {
  prepare(image);
  Tensor c = hartley_transform(context_, v);
  filter(context_.queue, c, c, roots_, {0, float(r2), float(s2)});
  return hartley_transform(context_, c);
}

Tensor CircularReduction::pseudo_inverse(const Tensor& y, const Shape& image) {
  prepare(image);
  Tensor c = hartley_transform(context_, y);
  filter(context_.queue, c, c, roots_, {0, 1, 0, float(1e-3 * largest_)});
  return adjoint(hartley_transform(context_, c), image);
}

namespace {

std::unique_ptr<ForwardOperator> make_super_resolution_circular(Context& context, const Settings& s,
                                                                const OperatorData& data) {
  const Tensor kernel = data.at("kernel");
  require(bool(kernel), s.what(), ": no kernel given");
  return std::make_unique<CircularReduction>(context, kernel, s.integer("scale_factor"));
}

constexpr Setting settings[] = {scale_factor_setting};
constexpr ArrayRow arrays[] = {
    {"kernel", ArrayRow::Form::kernel, "--kernel", "gray picture, or HDF5 with a dataset `kernel`"}};

}  // namespace

const OperatorKind super_resolution_circular_kind{
    .name = "super_resolution_circular",
    .what = "every --factor-th pixel of a blur by the kernel in a file, edges joined",
    .make = make_super_resolution_circular,
    .settings = settings,
    .arrays = arrays,
    .steps = {1.0, 1.0, 0.3, 0.09},
    .task = "circular_reduction",
    .image_shape = enlarged_by_scale_factor};

}  // namespace tweedie

#include "operators/kernel_blur.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/complex.hpp"
#include "kernels/fft.hpp"
#include "operators/circular.hpp"
#include "operators/continuation.hpp"

namespace tweedie {
namespace {

/// Enlarged planes hold the image with a kernel's radius on each side.
int enlarged(int pixels, int taps) { return fast_length(pixels + taps - 1); }

std::function<SparseRows(int)> continue_image(int taps, Boundary boundary) {
  return [taps, boundary](int pixels) {
    return picked_rows(enlarged(pixels, taps), pixels, pixels + taps - 1,
                       [=](int row) { return fold(row - taps / 2, pixels, boundary); });
  };
}

std::function<SparseRows(int)> embed_image(int taps) {
  return [taps](int pixels) {
    return picked_rows(enlarged(pixels, taps), pixels, pixels, [](int row) { return row; });
  };
}

}  // namespace

KernelBlur::KernelBlur(Context& context, const Tensor& kernel, Boundary boundary, Path path)
    : context_(context),
      shape_(kernel.shape()),
      kernel_(context.download(kernel)),
      path_(path),
      continued_(context, continue_image(shape_.H, boundary), continue_image(shape_.W, boundary)),
      embedded_(context, embed_image(shape_.H), embed_image(shape_.W)) {
  require(shape_.N == 1 && shape_.C == 1 && shape_.H % 2 == 1 && shape_.W % 2 == 1,
          "blur: a kernel of shape ", shape_, "; expected (1, 1, odd, odd)");
  if (path != Path::direct) return;
  std::vector<int> dh, dw;
  std::vector<float> weights;
  for (int h = 0; h < shape_.H; ++h)
    for (int w = 0; w < shape_.W; ++w) {
      const float weight = kernel_[std::size_t(h * shape_.W + w)];
      if (weight == 0) continue;
      dh.push_back(h), dw.push_back(w), weights.push_back(weight);
    }
  const auto integers = [&](const std::vector<int>& values) {
    TensorOf<int> x(context.pool, {1, 1, 1, int(values.size())}, 1);
    copy_from_host(context.queue, x.data(), values.data(), values.size() * sizeof(int));
    return x;
  };
  dh_ = integers(dh), dw_ = integers(dw);
  weights_ = context.upload({1, 1, 1, int(weights.size())}, weights);
}

void KernelBlur::prepare(int H, int W) {
  if (path_ == Path::direct || (spectrum_ && H == H_ && W == W_)) return;
  const Shape plane{1, 1, enlarged(H, shape_.H), enlarged(W, shape_.W)};
  std::vector<float> values(std::size_t(plane.size()), 0.f);
  for (int h = 0; h < shape_.H; ++h)
    std::copy_n(kernel_.begin() + std::ptrdiff_t(h) * shape_.W, shape_.W,
                values.begin() + std::ptrdiff_t(h) * plane.W);
  spectrum_ = context_.spectrum({1, 1, plane.H, plane.W / 2 + 1});
  fft2_real(context_.queue, spectrum_, context_.upload(plane, values));
  H_ = H;
  W_ = W;
}

Tensor KernelBlur::filter(const Tensor& x, Direction direction) {
  const Shape s = x.shape();
  Tensor y = context_.planar(s);
  if (path_ == Path::direct) {
    correlate(context_.queue, y, x, {weights_.shape().W, dh_.data(), dw_.data(), weights_.data()}, direction);
    return y;
  }
  Spectrum z = context_.spectrum({s.N, s.C, s.H, s.W / 2 + 1});
  fft2_real(context_.queue, z, x);
  multiply_spectrum(context_.queue, z, z, spectrum_, direction == Direction::correlate);
  ifft2_real(context_.queue, y, z);
  return y;
}

Tensor KernelBlur::apply(const Tensor& x) {
  prepare(x.shape().H, x.shape().W);
  return embedded_.adjoint(filter(continued_.forward(x), Direction::correlate), x.shape());
}

Tensor KernelBlur::adjoint(const Tensor& y, const Shape& image) {
  require(y.shape() == image, "blur: measurement ", y.shape(), " for images ", image);
  prepare(image.H, image.W);
  return continued_.adjoint(filter(embedded_.forward(y), Direction::convolve), image);
}

namespace {

/// Column and row whose outer product a kernel is: those through its largest entry. Empty: it is none.
std::pair<std::vector<double>, std::vector<double>> factors(const std::vector<float>& kernel, int H, int W) {
  const auto largest = std::max_element(kernel.begin(), kernel.end(),
                                        [](float a, float b) { return std::abs(a) < std::abs(b); });
  const int at = int(largest - kernel.begin()), row = at / W, column = at % W;
  if (*largest == 0) return {};
  std::vector<double> along_h, along_w;
  for (int h = 0; h < H; ++h) along_h.push_back(double(kernel[std::size_t(h * W + column)]) / *largest);
  for (int w = 0; w < W; ++w) along_w.push_back(kernel[std::size_t(row * W + w)]);
  for (int h = 0; h < H; ++h)
    for (int w = 0; w < W; ++w) {
      const double product = along_h[std::size_t(h)] * along_w[std::size_t(w)];
      if (std::abs(product - kernel[std::size_t(h * W + w)]) > 1e-6 * std::abs(*largest)) return {};
    }
  return {along_h, along_w};
}

}  // namespace

std::unique_ptr<LinearOperator> make_blur(Context& context, const Tensor& kernel, Boundary boundary) {
  const Shape s = kernel.shape();
  const std::vector<float> values = context.download(kernel);
  if (s.N == 1 && s.C == 1 && s.H % 2 == 1 && s.W % 2 == 1) {  // else KernelBlur complains
    const auto [along_h, along_w] = factors(values, s.H, s.W);
    const auto rows = [boundary](const std::vector<double>& taps) {
      return [taps, boundary](int pixels) { return correlation_rows(pixels, taps, boundary); };
    };
    if (!along_h.empty()) return std::make_unique<SeparableOperator>(context, rows(along_h), rows(along_w));
    if (boundary == Boundary::circular)
      return std::make_unique<CircularBlur>(context, kernel, Direction::correlate);
  }
  const auto taps = std::count_if(values.begin(), values.end(), [](float v) { return v != 0; });
  return std::make_unique<KernelBlur>(context, kernel, boundary,
                                      taps <= direct_taps ? KernelBlur::Path::direct : KernelBlur::Path::fft);
}

namespace {

// Any kernel, of any odd sides.
std::unique_ptr<ForwardOperator> make_kernel_blur(Context& context, const Settings& s,
                                                  const OperatorData& data) {
  const Tensor kernel = data.at("kernel");
  require(bool(kernel), s.what(), ": no kernel given");
  return make_blur(context, kernel, boundary_of(s));
}

constexpr Setting settings[] = {boundary_setting};
constexpr ArrayRow arrays[] = {
    {"kernel", ArrayRow::Form::kernel, "--kernel", "gray picture, or HDF5 with a dataset `kernel`"}};

}  // namespace

const OperatorKind kernel_blur_kind{.name = "kernel_blur",
                                    .what = "blur by the kernel in a file",
                                    .make = make_kernel_blur,
                                    .settings = settings,
                                    .arrays = arrays,
                                    .steps = {1.0, 0.6, 0.3, 0.045, 0.14}};

}  // namespace tweedie

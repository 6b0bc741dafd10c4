#include "operators/kernel_blur.hpp"

#include "kernels/complex.hpp"
#include "kernels/fft.hpp"

namespace tweedie {
namespace {

/// The next even number from n on that has no prime factor above 7: what FFTs are fast for.
int fast_length(int n) {
  for (n += n % 2;; n += 2) {
    int rest = n;
    for (const int prime : {2, 3, 5, 7})
      while (rest % prime == 0) rest /= prime;
    if (rest == 1) return n;
  }
}

/// Enlarged planes hold the image with a kernel's radius on each side.
int enlarged(int pixels, int taps) { return fast_length(pixels + taps - 1); }

SparseRows single_entries(int rows, int pixels, int used, const std::function<int(int)>& column) {
  SparseRows m{rows, pixels, {0}, {}, {}};
  for (int row = 0; row < rows; ++row) {
    if (row < used) {
      m.index.push_back(column(row));
      m.weight.push_back(1.f);
    }
    m.start.push_back(int(m.index.size()));
  }
  return m;
}

std::function<SparseRows(int)> continue_image(int taps, Boundary boundary) {
  return [taps, boundary](int pixels) {
    return single_entries(enlarged(pixels, taps), pixels, pixels + taps - 1,
                          [=](int row) { return fold(row - taps / 2, pixels, boundary); });
  };
}

std::function<SparseRows(int)> embed_image(int taps) {
  return [taps](int pixels) {
    return single_entries(enlarged(pixels, taps), pixels, pixels, [](int row) { return row; });
  };
}

}  // namespace

KernelBlur::KernelBlur(Context& context, const Tensor& kernel, Boundary boundary)
    : context_(context),
      taps_(kernel.shape()),
      kernel_(context.download(kernel)),
      continued_(context, continue_image(taps_.H, boundary), continue_image(taps_.W, boundary)),
      embedded_(context, embed_image(taps_.H), embed_image(taps_.W)) {
  require(taps_.N == 1 && taps_.C == 1 && taps_.H % 2 == 1 && taps_.W % 2 == 1, "blur: a kernel of shape ",
          taps_, "; expected (1, 1, odd, odd)");
}

void KernelBlur::prepare(int H, int W) {
  if (spectrum_ && H == H_ && W == W_) return;
  const Shape plane{1, 1, enlarged(H, taps_.H), enlarged(W, taps_.W)};
  std::vector<float> values(std::size_t(plane.size()), 0.f);
  for (int h = 0; h < taps_.H; ++h)
    std::copy_n(kernel_.begin() + std::ptrdiff_t(h) * taps_.W, taps_.W,
                values.begin() + std::ptrdiff_t(h) * plane.W);
  spectrum_ = context_.spectrum({1, 1, plane.H, plane.W / 2 + 1});
  fft2_real(context_.queue, spectrum_, context_.upload(plane, values));
  H_ = H;
  W_ = W;
}

Tensor KernelBlur::filter(const Tensor& x, bool correlate) {
  const Shape s = x.shape();
  Spectrum z = context_.spectrum({s.N, s.C, s.H, s.W / 2 + 1});
  fft2_real(context_.queue, z, x);
  multiply_spectrum(context_.queue, z, z, spectrum_, correlate);
  Tensor y = context_.planar(s);
  ifft2_real(context_.queue, y, z);
  return y;
}

Tensor KernelBlur::forward(const Tensor& x) {
  prepare(x.shape().H, x.shape().W);
  return embedded_.adjoint(filter(continued_.forward(x), true), x.shape());
}

Tensor KernelBlur::adjoint(const Tensor& y, const Shape& image) {
  require(y.shape() == image, "blur: measurement ", y.shape(), " for images ", image);
  prepare(image.H, image.W);
  return continued_.adjoint(filter(embedded_.forward(y), false), image);
}

}  // namespace tweedie

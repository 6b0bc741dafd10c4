#include "operators/moving_blur.hpp"

#include <vector>

#include "kernels/complex.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/fft.hpp"
#include "operators/continuation.hpp"

namespace tweedie {

MovingBlur::MovingBlur(Context& context, const Shape& image)
    : context_(context), H_(image.H), W_(image.W), wrapped_(context, wrapped_in(H_), wrapped_in(W_)) {
  const Shape half{1, 1, H_, W_ / 2 + 1};
  for (Spectrum* each : {&response_, &power_, &none_, &ones_}) *each = context.spectrum(half);
  std::vector<std::complex<float>> values(std::size_t(half.size()));
  copy_from_host(context.queue, none_.data(), values.data(), values.size() * sizeof(values[0]));
  for (Spectrum* each : {&response_, &power_})
    copy_from_host(context.queue, each->data(), values.data(), values.size() * sizeof(values[0]));
  values.assign(values.size(), 1.f);
  copy_from_host(context.queue, ones_.data(), values.data(), values.size() * sizeof(values[0]));
}

void MovingBlur::set(const Tensor& kernel) {
  require(kernel.shape().N == 1 && kernel.shape().C == 1, "moving blur: a kernel of shape ", kernel.shape(),
          "; expected (1, 1, kh, kw)");
  fft2_real(context_.queue, response_, wrapped_.apply(kernel));
  correlate_spectra(context_.queue, power_, response_, response_);
}

Shape MovingBlur::output_shape(const Shape& image) const {
  require(image.H == H_ && image.W == W_, "moving blur: images of ", image.H, "x", image.W, ", expected ", H_,
          "x", W_);
  return image;
}

Tensor MovingBlur::adjoint(const Tensor& y, const Shape& image) {
  require(y.shape() == image, "moving blur: measurement ", y.shape(), " for images ", image);
  return filtered(y, false);
}

// A correlation multiplies by the kernel's conjugate.
Tensor MovingBlur::filtered(const Tensor& x, bool conjugate) {
  (void)output_shape(x.shape());
  return multiplied(x, response_, conjugate);
}

Tensor MovingBlur::multiplied(const Tensor& x, const Spectrum& by, bool conjugate) {
  const Shape s = x.shape();
  Spectrum z = context_.spectrum({s.N, s.C, H_, W_ / 2 + 1});
  fft2_real(context_.queue, z, x);
  multiply_spectrum(context_.queue, z, z, by, conjugate);
  Tensor y = context_.planar(s);
  ifft2_real(context_.queue, y, z);
  return y;
}

// 1 / (r2 |K|^2 + s2) = 1/s2 (s2/r2) / (|K|^2 + s2/r2)
Tensor MovingBlur::own_dual_solve(const Tensor& v, const Shape& image, double r2, double s2) {
  require(v.shape() == output_shape(image), "moving blur: measurement ", v.shape(), " for images ", image);
  Tensor w;
  if (r2 > 0) {
    Spectrum quotient = context_.spectrum(power_.shape());
    held_quotient(context_.queue, quotient, none_, power_, ones_, float(s2 / r2));
    w = multiplied(v, quotient, false);
  } else {
    w = context_.planar(v.shape());
    copy(context_.queue, w, v.view());
  }
  axpby(context_.queue, w, float(1 / s2), w, 0.f, w);
  return w;
}

}  // namespace tweedie

#include "operators/convolution.hpp"

#include <array>

#include "kernels/complex.hpp"
#include "kernels/correlate_dense.hpp"
#include "kernels/fft.hpp"
#include "operators/kernel_blur.hpp"

namespace tweedie {

struct Convolution::State : Saved {
  Shape image, kernel, measured;
  Tensor continued, taps;               // of the direct path
  Spectrum image_spectrum, k_spectrum;  // of the other
};

std::unique_ptr<Saved> Convolution::make_saved() const { return std::make_unique<State>(); }

Shape Convolution::output_shape(std::span<const Shape> u) const {
  require(u.size() == 2, "convolution: ", u.size(), " unknowns; expected an image and a kernel");
  const Shape &x = u[0], &k = u[1];
  require((k.N == 1 || k.N == x.N) && k.C == 1 && k.H >= 1 && k.W >= 1, "convolution: a kernel of shape ", k,
          " for images ", x, "; expected (1 or ", x.N, ", 1, rows, columns)");
  if (padding_ != Padding::valid) return x;
  require(k.H <= x.H && k.W <= x.W, "convolution: a kernel ", k, " is larger than the image ", x,
          ", of which only the valid part was asked for");
  return {x.N, x.C, x.H - k.H + 1, x.W - k.W + 1};
}

Convolution::Path Convolution::path(const Shape& kernel) const {
  if (path_) return *path_;
  return kernel.plane() <= direct_taps ? Path::direct : Path::fft;
}

Convolution::Frame& Convolution::frame(const Shape& image, const Shape& kernel) {
  Frame& f = frame_;
  if (f.continued && f.image.H == image.H && f.image.W == image.W && f.kernel.H == kernel.H &&
      f.kernel.W == kernel.W)
    return f;
  f.image = image;
  f.kernel = kernel;
  const bool whole = path(kernel) == Path::direct;
  const auto used = [padding = padding_](int pixels, int taps) {
    return padding == Padding::valid ? pixels : pixels + taps - 1;
  };
  const auto side = [=](int pixels, int taps) {
    return whole ? used(pixels, taps) : fast_length(used(pixels, taps));
  };
  const auto continue_axis = [=, padding = padding_](int taps) {
    return [=](int pixels) {
      const int before = padding == Padding::valid ? 0 : (taps - 1) / 2;
      return picked_rows(side(pixels, taps), pixels, used(pixels, taps),
                         [=](int row) { return continued_index(row - before, pixels, padding); });
    };
  };
  const auto embed_in = [](int rows) {
    return [rows](int pixels) { return picked_rows(rows, pixels, pixels, [](int row) { return row; }); };
  };
  f.continued.emplace(context_, continue_axis(kernel.H), continue_axis(kernel.W));
  for (auto* each : {&f.measured, &f.kernels})
    each->emplace(context_, embed_in(side(image.H, kernel.H)), embed_in(side(image.W, kernel.W)));
  return f;
}

Convolution::Spectrum Convolution::transformed(const Tensor& planes) {
  const Shape& s = planes.shape();
  Spectrum z = context_.spectrum({s.N, s.C, s.H, s.W / 2 + 1});
  fft2_real(context_.queue, z, planes);
  return z;
}

Tensor Convolution::planes_of(const Spectrum& z, int W) {
  const Shape& s = z.shape();
  Tensor planes = context_.planar({s.N, s.C, s.H, W});
  ifft2_real(context_.queue, planes, z);
  return planes;
}

Tensor Convolution::forward(Unknowns u, Saved* saved) {
  require(u.size() == 2, "convolution: ", u.size(), " unknowns; expected an image and a kernel");
  const Tensor &x = u[0], &k = u[1];
  const Shape measured = output_shape(std::array{x.shape(), k.shape()});
  State passing;
  State& state = saved ? saved_as<State>(*saved, "convolution") : passing;
  state = {};  // what it held is free before as much is asked for again
  state.image = x.shape(), state.kernel = k.shape(), state.measured = measured;
  Frame& f = frame(x.shape(), k.shape());
  if (path(k.shape()) == Path::direct) {
    state.continued = f.continued->apply(x);
    state.taps = k;
    Tensor y = context_.planar(measured);
    correlate_dense(context_.queue, y, state.continued, k);
    return y;
  }
  const Tensor continued = f.continued->apply(x);
  state.image_spectrum = transformed(continued);
  state.k_spectrum = transformed(f.kernels->apply(k));
  Spectrum z = context_.spectrum(state.image_spectrum.shape());
  multiply_spectrum(context_.queue, z, state.image_spectrum, state.k_spectrum, true);
  return f.measured->adjoint(planes_of(z, continued.shape().W), measured);
}

void Convolution::direct_backward(Frame& f, std::span<Tensor* const> du, const Tensor& dy, State& state) {
  Queue& q = context_.queue;
  if (du[0]) {
    Tensor on_continued = context_.planar(state.continued.shape());
    correlate_dense_backward_image(q, on_continued, dy, state.taps);
    *du[0] = f.continued->adjoint(on_continued, state.image);
  }
  if (du[1]) {
    *du[1] = context_.planar(state.kernel);
    correlate_dense_backward_kernel(q, *du[1], dy, state.continued);
  }
}

void Convolution::fft_backward(Frame& f, std::span<Tensor* const> du, const Tensor& dy, State& state) {
  Queue& q = context_.queue;
  const Tensor embedded = f.measured->apply(dy);
  const int W = embedded.shape().W;
  Spectrum on_y = transformed(embedded);
  if (du[1]) {  // sum_i dy[i] x[i + j]
    Spectrum sum = context_.spectrum(state.k_spectrum.shape());
    correlate_spectra(q, sum, state.image_spectrum, on_y);
    *du[1] = f.kernels->adjoint(planes_of(sum, W), state.kernel);
  }
  if (du[0]) {
    multiply_spectrum(q, on_y, on_y, state.k_spectrum, false);
    *du[0] = f.continued->adjoint(planes_of(on_y, W), state.image);
  }
}

void Convolution::backward(std::span<Tensor* const> du, const Tensor& dy, Saved& saved) {
  require(du.size() == 2, "convolution: gradients of ", du.size(), " unknowns; expected two");
  State& state = saved_as<State>(saved, "convolution");
  require(dy.shape() == state.measured, "convolution: a gradient ", dy.shape(), " of a measurement ",
          state.measured);
  if (!du[0] && !du[1]) return;
  Frame& f = frame(state.image, state.kernel);
  if (path(state.kernel) == Path::direct)
    direct_backward(f, du, dy, state);
  else
    fft_backward(f, du, dy, state);
}

}  // namespace tweedie

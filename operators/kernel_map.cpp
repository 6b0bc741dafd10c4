#include "operators/kernel_map.hpp"

#include <cmath>

#include "kernels/complex.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/fft.hpp"
#include "kernels/simplex.hpp"
#include "operators/continuation.hpp"

namespace tweedie {

KernelMap::KernelMap(Context& context, const KernelMapOptions& options, KernelProximal proximal)
    : context_(context), options_(options), proximal_(std::move(proximal)) {
  const KernelMapOptions& o = options_;
  require(o.rows > 0 && o.columns > 0 && o.iterations > 0, "kernel estimate: ", o.rows, " x ", o.columns,
          " pixels in ", o.iterations, " iterations; expected positive numbers");
  require(o.sigma > 0 && o.coupling > 0 && o.lambda > 0, "kernel estimate: sigma ", o.sigma, ", coupling ",
          o.coupling, ", lambda ", o.lambda, "; expected positive numbers");
}

Tensor KernelMap::delta() const {
  const KernelMapOptions& o = options_;
  std::vector<float> values(std::size_t(o.rows) * std::size_t(o.columns), 0.f);
  values[std::size_t((o.rows - 1) / 2 * o.columns + (o.columns - 1) / 2)] = 1;
  return context_.upload({1, 1, o.rows, o.columns}, values);
}

void KernelMap::require_kernel(const Tensor& kernel) const {
  const Shape expected{1, 1, options_.rows, options_.columns};
  require(kernel.shape() == expected, "kernel estimate: a kernel ", kernel.shape(), ", expected ", expected);
}

KernelMap::Normal KernelMap::normal_equations(const Tensor& x, const Tensor& y) {
  const Shape s = x.shape(), of_y = y.shape();
  require(s.N > 0 && (of_y.N == 1 || of_y.N == s.N) && of_y == Shape{of_y.N, s.C, s.H, s.W},
          "kernel estimate: a measurement ", of_y, " of images ", s);
  if (!wrapped_ || H_ != s.H || W_ != s.W) {
    wrapped_.emplace(context_, wrapped_in(s.H), wrapped_in(s.W));
    H_ = s.H, W_ = s.W;
  }
  Queue& q = context_.queue;
  const Shape half{s.N, s.C, s.H, s.W / 2 + 1}, one{1, 1, half.H, half.W};
  Spectrum image = context_.spectrum(half), measured = context_.spectrum(half);
  fft2_real(q, image, x);
  if (of_y.N == s.N) {
    fft2_real(q, measured, y);
  } else {
    Tensor repeated = context_.planar(s);
    for (int n = 0; n < s.N; ++n) copy(q, repeated.view().sample(n), y.view());
    fft2_real(q, measured, repeated);
  }
  Normal normal{s, context_.spectrum(one), context_.spectrum(one),
                float(double(s.N) * s.C * options_.coupling * options_.sigma * options_.sigma)};
  // A correlation's spectrum is x conj(k): the normal equations' right side is the sum of x conj(y).
  correlate_spectra(q, normal.product, image, measured);
  correlate_spectra(q, normal.power, image, image);
  return normal;
}

Tensor KernelMap::held_near(const Normal& normal, const Tensor& kernel) {
  Queue& q = context_.queue;
  const Tensor plane = wrapped_->apply(kernel);
  Spectrum z = context_.spectrum(normal.product.shape());
  fft2_real(q, z, plane);
  held_quotient(q, z, normal.product, normal.power, z, normal.weight);
  Tensor solved = context_.planar(plane.shape());
  ifft2_real(q, solved, z);
  return wrapped_->adjoint(solved, kernel.shape());
}

Tensor KernelMap::least_squares(const Tensor& x, const Tensor& y, const Tensor& kernel) {
  require_kernel(kernel);
  return held_near(normal_equations(x, y), kernel);
}

// On the host: a kernel is small, and this is done once a step.
Tensor KernelMap::centred(const Tensor& kernel) {
  const int rows = options_.rows, columns = options_.columns;
  context_.download(values_, kernel);
  moved_.reserve(values_.size());  // whichever step is the first to move it
  double total = 0, row = 0, column = 0;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      const double k = values_[std::size_t(i * columns + j)];
      total += k, row += k * i, column += k * j;
    }
  if (!(total > 0)) return kernel;
  const int down = (rows - 1) / 2 - int(std::lround(row / total));
  const int right = (columns - 1) / 2 - int(std::lround(column / total));
  if (down == 0 && right == 0) return kernel;
  moved_.assign(values_.size(), 0.f);
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j)
      if (i + down >= 0 && i + down < rows && j + right >= 0 && j + right < columns)
        moved_[std::size_t((i + down) * columns + j + right)] = values_[std::size_t(i * columns + j)];
  return context_.upload(kernel.shape(), moved_);
}

Tensor KernelMap::solve(const Tensor& x, const Tensor& y, const Tensor& kernel) {
  require_kernel(kernel);
  Queue& q = context_.queue;
  const Normal normal = normal_equations(x, y);
  const double noise = std::sqrt(options_.lambda / options_.coupling);
  Tensor k = kernel;
  for (int i = 0; i < options_.iterations; ++i) {
    k = held_near(normal, k);
    project_to_simplex(q, k, k.view());
    if (!proximal_) continue;
    proximal_(k, noise);
    project_to_simplex(q, k, k.view());
  }
  if (!options_.recentre) return k;
  k = centred(k);
  project_to_simplex(q, k, k.view());  // what was moved over the edge is missing
  return k;
}

}  // namespace tweedie

#include "operators/separable_spectral.hpp"

#include "kernels/matmul.hpp"

namespace tweedie {
namespace {

/// A matrix (rows x columns) of a wider one (rows x width), 0 in what it lacks.
Tensor upload(Context& context, const std::vector<double>& values, int rows, int columns, int width) {
  std::vector<float> narrow(std::size_t(rows) * std::size_t(width), 0.f);
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j)
      narrow[std::size_t(i) * std::size_t(width) + std::size_t(j)] =
          float(values[std::size_t(i) * std::size_t(columns) + std::size_t(j)]);
  return context.upload({1, 1, rows, width}, narrow);
}

/// body(i, j, inside) over an image's places, `inside` where both axes have a singular value.
std::vector<float> table(const Shape& image, const Svd& h, const Svd& w,
                         const SeparableSpectral::Values& values) {
  std::vector<float> result;
  for (int c = 0; c < image.C; ++c)
    for (int i = 0; i < image.H; ++i)
      for (int j = 0; j < image.W; ++j)
        result.push_back(i < int(h.s.size()) && j < int(w.s.size()) ? float(values(c, i, j)) : 0.f);
  return result;
}

SeparableSpectral::Values or_products(const SeparableSpectral::Values& values, const Svd& h, const Svd& w) {
  if (values) return values;
  return [&](int, int i, int j) { return h.s[std::size_t(i)] * w.s[std::size_t(j)]; };
}

}  // namespace

SeparableSpectral::SeparableSpectral(Context& context, const Shape& image, const Svd& along_h,
                                     const Svd& along_w, const Values& values)
    : Spectral(context, image, table(image, along_h, along_w, or_products(values, along_h, along_w)),
               table(image, along_h, along_w, [](int, int, int) { return 1.0; })),
      context_(context),
      onto_(along_h.m <= along_h.n && along_w.m <= along_w.n),
      V_h_(upload(context, along_h.V, along_h.n, along_h.n, along_h.n)),
      V_w_(upload(context, along_w.V, along_w.n, along_w.n, along_w.n)),
      U_h_(upload(context, along_h.U, along_h.m, int(along_h.s.size()), along_h.n)),
      U_w_(upload(context, along_w.U, along_w.m, int(along_w.s.size()), along_w.n)) {
  require(along_h.n == image.H && along_w.n == image.W, "separable: matrices of ", along_h.n, " and ",
          along_w.n, " columns for images ", image);
}

Tensor SeparableSpectral::product(const Tensor& h, const Tensor& w, const Tensor& x, bool transposed) {
  const Shape s = x.shape();
  const int rows_h = h.shape().H, columns_h = h.shape().W, rows_w = w.shape().H, columns_w = w.shape().W;
  require(s.H == (transposed ? rows_h : columns_h) && s.W == (transposed ? rows_w : columns_w),
          "separable: planes of ", s.H, "x", s.W, " for matrices of ", rows_h, "x", columns_h, " and ",
          rows_w, "x", columns_w);
  const int H = transposed ? columns_h : rows_h, W = transposed ? columns_w : rows_w, planes = s.N * s.C;
  Tensor half = context_.planar({s.N, s.C, s.H, W});
  matmul(context_.queue, {half.data(), planes * s.H, W, W, 0, false},
         {x.data(), planes * s.H, s.W, s.W, 0, false},
         {w.data(), rows_w, columns_w, columns_w, 0, !transposed});
  Tensor y = context_.planar({s.N, s.C, H, W});
  matmul(context_.queue, {y.data(), H, W, W, y.shape().plane(), false},
         {h.data(), rows_h, columns_h, columns_h, 0, transposed},
         {half.data(), s.H, W, W, half.shape().plane(), false}, planes);
  return y;
}

}  // namespace tweedie

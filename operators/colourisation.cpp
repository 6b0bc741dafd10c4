#include "operators/colourisation.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/matmul.hpp"

namespace tweedie {
namespace {

/// y[n] = m x[n], or its transpose, channels being mixed alike in every pixel: m (1, 1, rows, columns).
Tensor mixed(Context& context, const Tensor& m, const Tensor& x, bool transposed) {
  const int rows = m.shape().H, columns = m.shape().W, pixels = int(x.shape().plane());
  const Shape s{x.shape().N, transposed ? columns : rows, x.shape().H, x.shape().W};
  require(x.shape().C == (transposed ? rows : columns), "colourisation: ", x.shape().C,
          " channels for a matrix of ", rows, "x", columns);
  Tensor y = context.planar(s);
  matmul(context.queue, {y.data(), s.C, pixels, pixels, s.sample(), false},
         {m.data(), rows, columns, columns, 0, transposed},
         {x.data(), x.shape().C, pixels, pixels, x.shape().sample(), false}, s.N);
  return y;
}

// V = 1 - 2 u u^T / |u|^2, u = w / |w| - e_0: the reflection that swaps w / |w| and the first axis.
class ColourSpectral : public Spectral {
 public:
  ColourSpectral(Context& context, const Shape& image, const std::vector<float>& w)
      : Spectral(context, image, values(image, w, norm(w)), values(image, w, 1)), context_(context) {
    const std::size_t n = w.size();
    std::vector<double> u;
    for (const float value : w) u.push_back(double(value) / norm(w));
    u[0] -= 1;
    double squared = 0;
    for (const double value : u) squared += value * value;
    std::vector<float> v(n * n, 0.f), first(n, 0.f);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        v[i * n + j] = float((i == j) - (squared > 0 ? 2 * u[i] * u[j] / squared : 0));
    first[0] = 1;
    V_ = context.upload({1, 1, int(n), int(n)}, v);
    first_ = context.upload({1, 1, 1, int(n)}, first);
  }
  Tensor Vt(const Tensor& x) override { return mixed(context_, V_, x, true); }
  Tensor V(const Tensor& c) override { return mixed(context_, V_, c, false); }
  Tensor Ut(const Tensor& y) override { return mixed(context_, first_, y, true); }
  Tensor U(const Tensor& c) override { return mixed(context_, first_, c, false); }

 private:
  static double norm(const std::vector<float>& w) {
    double squared = 0;
    for (const float value : w) squared += double(value) * value;
    return std::sqrt(squared);
  }
  static std::vector<float> values(const Shape& image, const std::vector<float>& w, double of_first) {
    require(norm(w) > 0, "colourisation: the weights are 0");
    std::vector<float> s(std::size_t(image.sample()), 0.f);
    std::fill_n(s.begin(), image.plane(), float(of_first));
    return s;
  }
  Context& context_;
  Tensor V_, first_;
};

}  // namespace

Spectral* Colourisation::spectral(const Shape& image) {
  (void)output_shape(image);
  return spectral_.get(image, [this](const Shape& s) {
    return std::make_unique<ColourSpectral>(context_, s, context_.download(weights_));
  });
}

Colourisation::Colourisation(Context& context, std::vector<float> weights)
    : context_(context), channels_(int(weights.size())) {
  require(channels_ > 0, "colourisation: no weights");
  for (const float w : weights) squared_ += double(w) * w;
  weights_ = context.upload({1, 1, 1, channels_}, weights);
}

Shape Colourisation::output_shape(const Shape& image) const {
  require(image.C == channels_, "colourisation: images ", image, "; expected ", channels_, " channels");
  return {image.N, 1, image.H, image.W};
}

// For each sample a (1 x C) times (C x pixels) product, and its transpose.
Tensor Colourisation::apply(const Tensor& x) {
  Tensor y = context_.planar(output_shape(x.shape()));
  const int pixels = int(x.shape().plane());
  matmul(context_.queue, {y.data(), 1, pixels, pixels, pixels, false},
         {weights_.data(), 1, channels_, channels_, 0, false},
         {x.data(), channels_, pixels, pixels, x.shape().sample(), false}, x.shape().N);
  return y;
}

Tensor Colourisation::spread(const Tensor& y, const Shape& image, float scale) {
  require(y.shape() == output_shape(image), "colourisation: measurement ", y.shape(), " for images ", image);
  Tensor x = context_.planar(image);
  const int pixels = int(image.plane());
  matmul(context_.queue, {x.data(), channels_, pixels, pixels, image.sample(), false},
         {weights_.data(), channels_, 1, 1, 0, false}, {y.data(), 1, pixels, pixels, pixels, false}, image.N,
         scale);
  return x;
}

namespace {

std::unique_ptr<ForwardOperator> make_colourisation(Context& context, const Settings&, const OperatorData&) {
  return std::make_unique<Colourisation>(context);
}

}  // namespace

const OperatorKind colourisation_kind{.name = "colourisation",
                                      .what = "the gray version",
                                      .make = make_colourisation,
                                      .measured_channels = 1,
                                      .image_channels = 3};

}  // namespace tweedie

#include "operators/colourisation.hpp"

#include "kernels/matmul.hpp"

namespace tweedie {

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

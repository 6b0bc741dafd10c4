#include "tools/restore/views.hpp"

#include <algorithm>
#include <cmath>

namespace tweedie {
namespace {

/// Values to [-1, 1], the least black and the largest white.
Image stretched(Image image) {
  const auto [low, high] = std::minmax_element(image.data.begin(), image.data.end());
  const float from = *low, scale = *high > *low ? 2 / (*high - *low) : 0;
  for (float& v : image.data) v = (v - from) * scale - 1;
  return image;
}

/// What is averaged over the channels: line integrals as they are, magnitudes and frequencies on a
/// logarithmic scale (of these the power, whose mean's logarithm is taken).
float seen_as(Shows shows, float v) {
  if (shows == Shows::magnitudes) return std::log1p(std::max(v, 0.f));
  return shows == Shows::frequencies ? v * v : v;
}

/// The image that the measurement gives without further ado, where there is one.
std::optional<Image> first_look(Context& context, ForwardOperator& op, const Measurement& m) {
  Tensor x;
  const auto leaves = m.op->leaves();
  if (leaves.size() == 1 && leaves[0]->kind->first_look)
    x = leaves[0]->kind->first_look(op, m.y, m.image);
  else if (LinearOperator* linear = as_linear(op))
    x = linear->has_pseudo_inverse() ? linear->pseudo_inverse(m.y, m.image) : linear->adjoint(m.y, m.image);
  else
    return {};
  return clipped({m.image.C, m.image.H, m.image.W, context.download(x)});
}

}  // namespace

Image as_channels(const Image& image, int channels) {
  if (channels == 0 || image.channels == channels) return image;
  return channels == 3 ? to_rgb(image) : to_gray(image);
}

Image as_channels(const Image& image, int channels, const std::string& path,
                  std::vector<std::string>& notes) {
  const std::size_t plane = image.plane();
  bool coloured = false;
  for (std::size_t i = 0; i < plane && image.channels == 3; ++i)
    coloured =
        coloured || image.data[i] != image.data[i + plane] || image.data[i] != image.data[i + 2 * plane];
  if (coloured && channels == 1) notes.push_back(path + ": is in colour; its gray is taken");
  return as_channels(image, channels);
}

Image resized(const Image& x, int height, int width) {
  if (x.height == height && x.width == width) return x;
  Image y = uniform_image(x.channels, height, width, 0);
  for (int c = 0; c < y.channels; ++c)
    for (int h = 0; h < height; ++h)
      for (int w = 0; w < width; ++w)
        y.data[y.index(c, h, w)] = x.data[x.index(c, h * x.height / height, w * x.width / width)];
  return y;
}

Views view_measurement(Context& context, ForwardOperator& op, const Measurement& m) {
  const Shape s = m.y.shape();
  const Shows shows = m.op->shows();
  const std::vector<float> values = context.download(m.y);
  if (shows == Shows::picture && (s.C == 1 || s.C == 3)) {
    const Image picture = clipped({s.C, s.H, s.W, values});
    return {picture, resized(as_channels(picture, m.image.C), m.image.H, m.image.W)};
  }
  Image seen = uniform_image(1, s.H, s.W, 0);
  for (std::size_t i = 0; i < values.size(); ++i)
    seen.data[i % seen.plane()] += seen_as(shows, values[i]) / float(s.C);
  if (shows == Shows::frequencies)
    for (float& v : seen.data) v = std::log(v + 1e-6f);
  return {stretched(std::move(seen)), first_look(context, op, m)};
}

}  // namespace tweedie

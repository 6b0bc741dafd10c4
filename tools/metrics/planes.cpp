#include "tools/metrics/planes.hpp"

#include <algorithm>

#include "kernels/error.hpp"

namespace tweedie::metrics {

Planes planes_of(const Image& image) {
  require_valid(image);
  Planes p{image.channels, image.height, image.width, std::vector<double>(image.data.size())};
  for (std::size_t i = 0; i < p.data.size(); ++i) p.data[i] = (double(image.data[i]) + 1) / 2;
  return p;
}

Planes clipped(Planes image) {
  for (double& value : image.data) value = std::clamp(value, 0.0, 1.0);
  return image;
}

Planes luma(const Planes& image) {
  if (image.channels == 1) return image;
  require(image.channels == 3, "luma of ", image.channels, " channels: expected 1 or 3");
  Planes y{1, image.height, image.width, std::vector<double>(image.plane())};
  const double* const red = image.data.data();
  for (std::size_t i = 0; i < y.data.size(); ++i)
    y.data[i] = 0.299 * red[i] + 0.587 * red[i + y.data.size()] + 0.114 * red[i + 2 * y.data.size()];
  return y;
}

void require_same_size(const char* metric, const Planes& x, const Planes& y) {
  const auto text = [](const Planes& p) {
    return message(p.width, " x ", p.height, ", ", p.channels, "-channel");
  };
  require(x.channels == y.channels && x.height == y.height && x.width == y.width, metric, " of a ", text(x),
          " and a ", text(y), " image: expected the same size");
  for (const Planes* p : {&x, &y})
    require(p->channels > 0 && p->height > 0 && p->width > 0 &&
                p->data.size() == std::size_t(p->channels) * p->plane(),
            metric, ": ", p->data.size(), " values for a ", text(*p), " image");
}

}  // namespace tweedie::metrics

#include "tools/posterior.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/error.hpp"

namespace tweedie {

Image mean_of(const std::vector<Image>& samples) {
  require(!samples.empty(), "mean of no images");
  Image mean = samples[0];
  for (const Image& sample : samples)
    require(sample.data.size() == mean.data.size(), "mean of images ", describe(mean), " and ",
            describe(sample));
  for (std::size_t i = 0; i < mean.data.size(); ++i) {
    double sum = 0;
    for (const Image& sample : samples) sum += sample.data[i];
    mean.data[i] = float(sum / double(samples.size()));
  }
  return mean;
}

std::vector<float> deviation_of(const std::vector<Image>& samples, const Image& mean) {
  require(samples.size() > 1, "standard deviation of one sample");
  std::vector<float> map(mean.plane());
  for (std::size_t p = 0; p < map.size(); ++p) {
    double sum = 0;
    for (int c = 0; c < mean.channels; ++c)
      for (const Image& sample : samples) {
        const std::size_t i = std::size_t(c) * mean.plane() + p;
        sum += std::pow(double(sample.data[i]) - mean.data[i], 2);
      }
    map[p] = float(std::sqrt(sum / (double(samples.size() - 1) * mean.channels)));
  }
  return map;
}

double coverage(const std::vector<Image>& samples, const Image& truth, double level) {
  const double cells = double(samples.size()) + 1, low = cells * (1 - level) / 2, high = cells - low;
  double sum = 0;
  for (std::size_t i = 0; i < truth.data.size(); ++i) {
    double rank = 0;
    for (const Image& sample : samples)
      rank += sample.data[i] < truth.data[i] ? 1.0 : sample.data[i] == truth.data[i] ? 0.5 : 0.0;
    sum += std::max(0.0, std::min(rank + 1, high) - std::max(rank, low));
  }
  return sum / double(truth.data.size());
}

}  // namespace tweedie

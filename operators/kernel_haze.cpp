#include "operators/kernel_haze.hpp"

#include <algorithm>

namespace tweedie {

void HazeRemoval::operator()(std::vector<float>& kernel, int rows, int columns) {
  // Calls f with the pixels of the 3 x 3 around `at` that there are.
  const auto around = [&](int at, auto&& f) {
    const int row = at / columns, column = at % columns;
    for (int i = std::max(0, row - 1); i <= std::min(rows - 1, row + 1); ++i)
      for (int j = std::max(0, column - 1); j <= std::min(columns - 1, column + 1); ++j) f(i * columns + j);
  };
  // A pixel that stands alone counts as no more than three times its neighbourhood's mean.
  double largest = 0;
  for (int at = 0; at < rows * columns; ++at) {
    double sum = 0;
    around(at, [&](int next) { sum += kernel[std::size_t(next)]; });
    largest = std::max(largest, std::min(double(kernel[std::size_t(at)]), sum / 3));
  }
  if (!(largest > 0)) return;
  const float least = float(threshold_ * largest);
  part_.assign(kernel.size(), 0);  // the number of the part that a pixel belongs to
  reached_.reserve(kernel.size());
  double most = 0;
  int heaviest = 0, parts = 0;
  for (int first = 0; first < rows * columns; ++first) {
    if (part_[std::size_t(first)] || !(kernel[std::size_t(first)] > 0) || kernel[std::size_t(first)] < least)
      continue;
    part_[std::size_t(first)] = ++parts;
    double sum = 0;
    for (reached_.assign(1, first); !reached_.empty();) {
      const int at = reached_.back();
      reached_.pop_back();
      sum += kernel[std::size_t(at)];
      around(at, [&](int next) {
        if (part_[std::size_t(next)] || kernel[std::size_t(next)] < least) return;
        part_[std::size_t(next)] = parts;
        reached_.push_back(next);
      });
    }
    if (sum > most) most = sum, heaviest = parts;
  }
  for (std::size_t i = 0; i < kernel.size(); ++i)
    kernel[i] = part_[i] == heaviest ? float(kernel[i] / most) : 0;
}

void HazeRemoval::operator()(Context& context, Tensor& kernel) {
  context.download(values_, kernel);
  (*this)(values_, kernel.shape().H, kernel.shape().W);
  kernel = context.upload(kernel.shape(), values_);
}

}  // namespace tweedie

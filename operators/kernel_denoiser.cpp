#include "operators/kernel_denoiser.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tweedie {

KernelDenoiser::KernelDenoiser(Context& context, Denoiser& prior, Schedule schedule, int side)
    : context_(context), prior_(prior), schedule_(std::move(schedule)), side_(side) {
  require(side > 0, "kernel denoiser: squares of ", side, " pixels");
}

void KernelDenoiser::operator()(Tensor& kernel, double noise) {
  const Shape s = kernel.shape();
  require(s.H % 2 == 1 && s.W % 2 == 1 && s.H <= side_ && s.W <= side_, "kernel denoiser: a kernel ", s,
          ", expected odd sides of at most ", side_);
  require(noise > 0, "kernel denoiser: noise of ", noise);
  const int top = side_ / 2 - s.H / 2, left = side_ / 2 - s.W / 2;
  context_.download(values_, kernel);
  const float largest = *std::max_element(values_.begin(), values_.end());
  if (!(largest > 0)) return;

  // The first step at which x_t / sqrt(abar_t) has as much noise; the prior's range is 2.
  const std::vector<double>& sizes = schedule_.sqrt_recipm1_alphas_cumprod;
  const auto found = std::lower_bound(sizes.begin(), sizes.end() - 1, 2 * noise);
  const int step = int(found - sizes.begin());
  const NoiseLevel level = schedule_.level(step);
  const float scale = float(std::sqrt(level.alphas_cumprod)), size = float(*found);

  square_.assign(std::size_t(side_) * std::size_t(side_), -scale);
  const auto at = [&](int row, int column) -> float& {
    return square_[std::size_t((top + row) * side_ + left + column)];
  };
  for (int i = 0; i < s.H; ++i)
    for (int j = 0; j < s.W; ++j) at(i, j) = scale * (2 * values_[std::size_t(i * s.W + j)] / largest - 1);
  const Tensor x = context_.upload({1, 1, side_, side_}, square_);
  context_.download(eps_, prior_.forward(x, level).eps);
  double sum = 0;
  for (int i = 0; i < s.H; ++i)
    for (int j = 0; j < s.W; ++j) {
      const std::size_t of_square = std::size_t((top + i) * side_ + left + j);
      const float x0 = square_[of_square] / scale - size * eps_[of_square];
      sum += values_[std::size_t(i * s.W + j)] = std::clamp((x0 + 1) / 2, 0.f, 1.f);
    }
  if (!(sum > 0)) return;  // the prior sees none in it
  for (float& value : values_) value = float(value / sum);
  kernel = context_.upload(s, values_);
}

}  // namespace tweedie

#include "tests/engine/scalars.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"

namespace tweedie::test {
namespace {

std::vector<Mode> modes_of(const SpectrumPrior& prior) {
  const std::vector<double> power = prior.spectrum(image);
  std::vector<Mode> modes;
  for (int h = 0; h < image.H; ++h)
    for (int w = 0; w < image.W; ++w) {
      const int along_h = std::min(h, image.H - h), along_w = std::min(w, image.W - w);
      const int far = std::max(along_h, along_w);
      const double S = power[std::size_t(h * (image.W / 2 + 1) + along_w)];
      const double s = far < 2 ? 1 : far < 3 ? 0.5 : far < 4 ? 0.25 : 0;
      modes.push_back({S, s, 1 / (1 / S + s * s / (sigma * sigma))});
    }
  return modes;
}

}  // namespace

Problem::Problem(Context& c) : context(c), prior(c, spectrum), modes(modes_of(prior)) {
  std::vector<float> s;
  for (const Mode& m : modes) s.push_back(float(m.s));
  op = std::make_unique<HartleyOperator>(c, image, s);
  const Shape some{truths, 1, image.H, image.W};
  const Tensor x = prior.draw(some);
  Tensor once = op->apply(x);
  axpby(c.queue, once, 1.f, once, float(sigma), c.normal(some));
  truth = c.download(op->spectral(image)->Vt(x));
  // Of y, all modes: what noise does to those that are not measured, no method may look at.
  measured = c.download(op->spectral(image)->Vt(once));
  const std::vector<float> pixels = c.download(once);
  std::vector<float> repeated;
  for (std::size_t k = 0; k < truths; ++k)
    for (int i = 0; i < samples; ++i)
      repeated.insert(repeated.end(), pixels.begin() + std::ptrdiff_t(k * modes.size()),
                      pixels.begin() + std::ptrdiff_t((k + 1) * modes.size()));
  y = c.upload(batch, repeated);
}

Row Problem::judge(const Tensor& x, const std::vector<Line>& lines, Agreement& agreement) const {
  const std::vector<float> c = context.download(op->spectral(image)->Vt(x));
  const std::size_t count = modes.size();
  const double share = 1 / double(truths * count);
  Row row;
  int varying = 0;
  for (std::size_t k = 0; k < truths; ++k)
    for (std::size_t j = 0; j < count; ++j) {
      double sum = 0, squares = 0, y_mode = measured[k * count + j];
      int below = 0;
      for (std::size_t i = 0; i < samples; ++i) {
        const double value = c[(k * samples + i) * count + j];
        sum += value, squares += value * value;
        below += value < truth[k * count + j];
      }
      const double mean = sum / samples, variance = std::max((squares - sum * mean) / (samples - 1), 0.0);
      // Without the variance of a mean of so few.
      row.mean_error += share * (std::pow(mean - modes[j].mean(y_mode), 2) - variance / samples) / modes[j].P;
      row.variance_ratio += share * variance / modes[j].P;
      row.inside_90 += below >= 1 && below <= 18 ? share : 0;
      if (lines.empty()) continue;
      const double off = mean - lines[j].on_y * y_mode;
      if (lines[j].variance == 0) {
        agreement.off = std::max(agreement.off, std::abs(off) + std::sqrt(variance));
        continue;
      }
      ++varying;
      agreement.mean += off * off * samples / lines[j].variance;
      agreement.variance += variance / lines[j].variance;
    }
  if (varying > 0) agreement.mean /= varying, agreement.variance /= varying;
  row.mean_error = std::sqrt(std::max(row.mean_error, 0.0));
  return row;
}

}  // namespace tweedie::test

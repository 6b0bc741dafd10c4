// Guidance step by step: an operator, a prior and noise whose steps a test can work out in double.
#pragma once

#include <cmath>
#include <vector>

#include "engine/guidance.hpp"
#include "engine/spectrum_prior.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {

using Wide = std::vector<double>;

inline Wide wide(const std::vector<float>& x) { return {x.begin(), x.end()}; }
inline std::vector<float> narrow(const Wide& x) { return {x.begin(), x.end()}; }
inline Wide minus(Wide a, const Wide& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return a;
}
inline Wide plus(Wide a, const Wide& b, double factor = 1) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += factor * b[i];
  return a;
}
/// |x|^2 of each of `samples` samples.
inline Wide squares(const Wide& x, int samples) {
  Wide sums(std::size_t(samples), 0.0);
  for (std::size_t i = 0; i < x.size(); ++i) sums[i / (x.size() / sums.size())] += x[i] * x[i];
  return sums;
}

/// y = the even pixels along both axes, doubled: A^+ = A^T / 4.
class EvenPixels : public LinearOperator {
 public:
  explicit EvenPixels(Context& context) : context_(context) {}
  static Wide kept(const Wide& x, const Shape& s) {
    Wide y;
    for (int plane = 0; plane < s.N * s.C; ++plane)
      for (int h = 0; h < s.H; h += 2)
        for (int w = 0; w < s.W; w += 2) y.push_back(2 * x[std::size_t((plane * s.H + h) * s.W + w)]);
    return y;
  }
  /// factor y at the even pixels of images of shape s, 0 elsewhere.
  static Wide spread(const Wide& y, const Shape& s, double factor) {
    Wide x(std::size_t(s.size()), 0.0);
    std::size_t from = 0;
    for (int plane = 0; plane < s.N * s.C; ++plane)
      for (int h = 0; h < s.H; h += 2)
        for (int w = 0; w < s.W; w += 2) x[std::size_t((plane * s.H + h) * s.W + w)] = factor * y[from++];
    return x;
  }
  Shape output_shape(const Shape& s) const override { return {s.N, s.C, s.H / 2, s.W / 2}; }
  Tensor apply(const Tensor& x) override {
    return context_.upload(output_shape(x.shape()), narrow(kept(wide(context_.download(x)), x.shape())));
  }
  Tensor adjoint(const Tensor& y, const Shape& s) override { return lifted(y, s, 2); }
  bool has_pseudo_inverse() const override { return true; }
  Tensor pseudo_inverse(const Tensor& y, const Shape& s) override { return lifted(y, s, 0.5); }

 private:
  Tensor lifted(const Tensor& y, const Shape& s, double factor) {
    return context_.upload(s, narrow(spread(wide(context_.download(y)), s, factor)));
  }
  Context& context_;
};

/// Noise that can be asked for again.
class Recorded : public NoiseSource {
 public:
  explicit Recorded(Context& context) : context_(context) {}
  static std::vector<float> normals(std::int64_t count, int executed) {
    return random_values(count, unsigned(50 + executed), -2, 2);
  }
  static std::vector<float> uniforms(std::int64_t count, int executed, int draw) {
    return random_values(count, unsigned(100 + 10 * executed + draw), 0, 1);
  }
  void ancestral(View<float>, int) override { FAIL("guidance has no part in the sampler's noise"); }
  void measurement(View<float> out, int executed) override { give(out, normals(out.shape.size(), executed)); }
  void uniform(View<float> out, int executed, int draw) override {
    give(out, uniforms(out.shape.size(), executed, draw));
  }

 private:
  void give(View<float> out, const std::vector<float>& values) {
    copy_from_host(context_.queue, out.data, values.data(), values.size() * sizeof(float));
  }
  Context& context_;
};

/// A step of sampling from the prior, steps_left before the last one.
struct GuidanceCase {
  explicit GuidanceCase(Device device, int steps_left = 3)
      : context(device, 9), prior(context), op(context), noise(context), index(steps_left) {
    y = context.upload(measured, random_values(measured.size(), 1));
    likelihood = std::make_unique<Likelihood>(context, op, y);
  }
  Step at(const Tensor& x) {
    Step step(context, schedule, options, noise, index, 9 - index, x);
    step.denoise(prior, true);
    return step;
  }
  /// The recorded measurement at the noise level `bar`, for an operator that is a function of images.
  template <class A>
  Wide renoised(const Wide& from, double bar, A a) const {
    const Wide n = a(wide(Recorded::normals(image.size(), 9 - index)));
    Wide level;
    for (std::size_t i = 0; i < from.size(); ++i)
      level.push_back(std::sqrt(bar) * from[i] + std::sqrt(1 - bar) * n[i]);
    return level;
  }
  /// abar of the state that a step makes.
  double next_bar() const { return schedule.alphas_cumprod[std::size_t(index - 1)]; }
  Context context;
  SpectrumPrior prior;
  EvenPixels op;
  Recorded noise;
  int index;
  const Schedule schedule = make_schedule("linear", 1000, "10");
  const SamplerOptions options{Method::ddpm, Variance::fixed_small, 0, true};
  const Shape image{2, 3, 6, 8}, measured{2, 3, 3, 4};
  Tensor y;
  std::unique_ptr<Likelihood> likelihood;
};

}  // namespace tweedie::test

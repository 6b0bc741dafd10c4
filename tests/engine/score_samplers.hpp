// The samplers from the score, to loop over.
#pragma once

#include "engine/sampler.hpp"

namespace tweedie::test {

struct Sampler {
  Method method;
  Parameterisation parameterisation;
  const char* name;
};

inline constexpr Sampler score_samplers[] = {
    {Method::sde, Parameterisation::vp, "sde vp"},       {Method::sde, Parameterisation::ve, "sde ve"},
    {Method::ode, Parameterisation::vp, "ode vp"},       {Method::ode, Parameterisation::ve, "ode ve"},
    {Method::pc, Parameterisation::vp, "pc vp"},         {Method::pc, Parameterisation::ve, "pc ve"},
    {Method::langevin, Parameterisation::vp, "langevin"}};

inline SamplerOptions options(const Sampler& s, bool clip, int corrections = 1, double snr = 0.16) {
  return {s.method, Variance::fixed_small, 0, clip, s.parameterisation, corrections, snr};
}

/// The same draws again and again.
class FixedNoise : public NoiseSource {
 public:
  FixedNoise(Context& context, std::vector<float> values) : context_(context), values_(std::move(values)) {}
  void ancestral(View<float> out, int) override {
    copy_from_host(context_.queue, out.data, values_.data(), values_.size() * sizeof(float));
  }
  void measurement(View<float>, int) override { throw Error("fixed noise: none for measurements"); }
  void uniform(View<float>, int, int) override { throw Error("fixed noise: none uniform"); }

 private:
  Context& context_;
  std::vector<float> values_;
};

}  // namespace tweedie::test

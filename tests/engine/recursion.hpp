// What a sampler makes of Gaussian modes whose score is exact: its own recursion of mean and variance, in
// double, written in terms of the score; and a noise source that measures the same of the running sampler.
#pragma once

#include "engine/sampler.hpp"
#include "tests/engine/gaussian.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {

/// Mean and variance of each mode after all steps of a sampler (not ddim; ddpm with fixed small variance) on
/// data N(target), from N(0, 1). pc's step size depends on the norms of score and noise in the whole image:
/// here on their expectations, in which mode k counts `multiplicity[k]` times.
ModeStatistics recursion(const Schedule& schedule, const SamplerOptions& options,
                         const ModeStatistics& target, const std::vector<int>& multiplicity);

/// Standard deviations of nothing but one draw a sample: sample n > 0 of a batch gets a unit pulse (1 in
/// every mode, as normalised by `modes`) at draw n - 1 and zeros at all others, sample 0 zeros only. Of a
/// linear sampler, the sum over n of |X_n - X_0|^2 is the variance of each mode, without statistical error.
class PulseNoise : public NoiseSource {
 public:
  explicit PulseNoise(Context& context) : context_(context) {}
  void ancestral(View<float> out, int executed) override;
  void measurement(View<float>, int) override { throw Error("pulses: no noise for measurements"); }
  void uniform(View<float>, int, int) override { throw Error("pulses: no uniform noise"); }
  /// x_T of such a batch: zeros, and the pulse in its last sample, which no draw reaches.
  Tensor start(int draws, Shape image);

 private:
  void put(View<float> out, int sample);
  Context& context_;
  int draws_ = 0;
};

/// Mean and variance of every mode from the last states of such a batch.
ModeStatistics from_pulses(Context& context, const Tensor& x);

}  // namespace tweedie::test

// AdamW over an arena of parameters, with clipping and a moving average, and the learning rate's course.
#pragma once

#include <cstdint>

#include "engine/context.hpp"

namespace tweedie {

/// What stays the same from step to step.
struct OptimiserOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  double ema_rate = 0.9999;
  double clip = 0;  ///< largest norm of all gradients together; 0: none
};

/// The state of AdamW: two moments and the average, each an arena like the parameters'.
class Optimiser {
 public:
  /// The average starts as a copy of `parameters` (1, 1, 1, size).
  Optimiser(Context& context, const Tensor& parameters, const OptimiserOptions& options);

  /// One step of all parameters down `gradients`, which are 0 afterwards. Returns their norm before clipping.
  /// When that is not finite nothing is changed.
  double step(Tensor& parameters, Tensor& gradients, double rate);

  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }
  Tensor& first_moment() { return m_; }
  Tensor& second_moment() { return v_; }
  Tensor& average() { return ema_; }

 private:
  Context& context_;
  OptimiserOptions options_;
  std::int64_t steps_ = 0;
  Tensor m_, v_, ema_;
};

/// The norm of an arena, summed in double.
double arena_norm(Context& context, const Tensor& arena);

/// The learning rate of step k (from 0): rising linearly to `peak` over `warmup` steps, then constant, or,
/// when `total` is positive, falling to `peak * floor` along half a cosine until step `total`.
struct RateCourse {
  double peak = 1e-4;
  std::int64_t warmup = 0, total = 0;
  double floor = 0;
  double at(std::int64_t step) const;
};

}  // namespace tweedie

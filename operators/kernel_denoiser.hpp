// A trained prior of blur kernels as a denoiser of estimated ones.
#pragma once

#include <vector>

#include "engine/context.hpp"
#include "engine/denoiser.hpp"

namespace tweedie {

/// A kernel k as E[k | k + noise] has it under the prior, by Tweedie's formula: what least squares leave of
/// noise on a kernel is not what kernels look like. The prior knows squares of `side` pixels with the
/// kernel's middle tap at side / 2, its largest pixel 1 and 0 as -1 (`tweedie-train --data blur-kernels`);
/// what is given is brought there and back, and its sum to 1. Keeps the memory it works in.
class KernelDenoiser {
 public:
  /// `schedule` is the one that the prior was trained with, all its steps. Errors: a side below 1. `prior`
  /// outlives this.
  KernelDenoiser(Context& context, Denoiser& prior, Schedule schedule, int side);
  /// The kernel (1, 1, rows, columns) is changed in place; where the prior sees none in it, it stays. `noise`
  /// is its standard deviation, of the kernel's largest pixel. Errors: even sides, or larger ones than the
  /// prior's; noise that is not positive.
  void operator()(Tensor& kernel, double noise);

 private:
  Context& context_;
  Denoiser& prior_;
  Schedule schedule_;
  int side_;
  std::vector<float> values_, square_, eps_;
};

}  // namespace tweedie

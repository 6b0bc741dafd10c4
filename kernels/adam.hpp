// One optimiser step over all parameters at once: AdamW, and the moving average of what it makes.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// The numbers of one AdamW step (Loshchilov & Hutter 2019; torch.optim.AdamW).
struct AdamW {
  double rate = 1e-4, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  std::int64_t step = 1;      ///< of this step, counted from 1: corrects the bias of young averages
  double gradient_scale = 1;  ///< multiplies the gradient first: clipping
  double ema_rate = 0.9999;   ///< of the moving average
};

/// With g' = gradient_scale g:
///   p -= rate weight_decay p;  m = beta1 m + (1 - beta1) g';  v = beta2 v + (1 - beta2) g'^2;
///   p -= rate / (1 - beta1^step) m / (sqrt(v / (1 - beta2^step)) + epsilon);
///   ema = ema_rate ema + (1 - ema_rate) p, unless `ema` is empty;  g = 0, ready to accumulate again.
/// All alike. Errors: shapes that differ, a step below 1.
void adamw(Queue& q, View<float> p, View<float> m, View<float> v, View<float> ema, View<float> g,
           const AdamW& settings);

namespace cuda {
void adamw(Queue& q, View<float> p, View<float> m, View<float> v, View<float> ema, View<float> g,
           const AdamW& settings);
}  // namespace cuda

}  // namespace tweedie

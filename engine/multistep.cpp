#include "engine/multistep.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"

namespace tweedie {
namespace {

double half_log_snr(double bar) { return 0.5 * std::log(bar / (1 - bar)); }

/// What the estimates weigh in x', over sqrt(abar'): the integrals of e^(l - lambda') times the Lagrange
/// polynomials through 0, -a and -b, over l from 0 to h.
struct Weights {
  double now, last, before;
  Weights(double h, double a, double b, int order) {
    const double e = std::exp(-h), i0 = 1 - e, i1 = h - i0, i2 = h * h - 2 * i1;
    now = i0, last = before = 0;
    if (order == 2) now = i0 + i1 / a, last = -i1 / a;
    if (order < 3) return;
    now = (i2 + (a + b) * i1 + a * b * i0) / (a * b);
    last = (i2 + b * i1) / (a * (a - b));
    before = (i2 + a * i1) / (b * (b - a));
  }
};

}  // namespace

void multistep(Step& s, View<float> next) {
  Queue& q = s.context.queue;
  Step::History& past = s.history;
  const double bar = s.alphas_cumprod(), after = s.next_alphas_cumprod(), lambda = half_log_snr(bar);
  if (s.index == 0) return copy(q, next, s.x0);
  const int most = s.options.method == Method::dpmpp2 ? 2 : 3, order = std::min(most, past.count + 1);
  const Weights w(half_log_snr(after) - lambda, lambda - past.lambda[0], lambda - past.lambda[1], order);
  const double a = std::sqrt(after);
  axpby(q, next, float(std::sqrt((1 - after) / (1 - bar))), s.x, float(a * w.now), s.x0);
  if (order > 1) axpby(q, next, 1.f, next, float(a * w.last), past.x0[0]);
  if (order > 2) axpby(q, next, 1.f, next, float(a * w.before), past.x0[1]);
  // Both at once, and copies from then on: a step allocates nothing.
  for (Tensor& kept : past.x0)
    if (kept.shape() != s.x0.shape()) kept = s.context.planar(s.x0.shape());
  std::swap(past.x0[0], past.x0[1]);
  past.lambda[1] = past.lambda[0];
  copy(q, past.x0[0], s.x0);
  past.lambda[0] = lambda;
  past.count = std::min(past.count + 1, 2);
}

}  // namespace tweedie

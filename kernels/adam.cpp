#include "kernels/adam.hpp"

#include "kernels/adam_step.hpp"
#include "kernels/for_each_index.hpp"

namespace tweedie {

void adamw(Queue& q, View<float> p, View<float> m, View<float> v, View<float> ema, View<float> g,
           const AdamW& settings) {
  require_alike("adamw", m, p);
  require_alike("adamw", v, p);
  require_alike("adamw", g, p);
  if (ema) require_alike("adamw", ema, p);
  require(settings.step >= 1, "adamw: steps are counted from 1, got ", settings.step);
  if (p.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::adamw(q, p, m, v, ema, g, settings);
  const AdamWStep step(settings);
  float *const ps = p.data, *const ms = m.data, *const vs = v.data, *const gs = g.data, *const es = ema.data;
  const auto move = [=](std::int64_t i) {
    step.parameter(ps[i], ms[i], vs[i], gs[i]);
    gs[i] = 0;
  };
  if (es)
    for_each_index(p.size(), [=](std::int64_t i) {
      move(i);
      es[i] = step.average(es[i], ps[i]);
    });
  else
    for_each_index(p.size(), move);
}

}  // namespace tweedie

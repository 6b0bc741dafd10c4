#include "kernels/coefficients.hpp"

#include <cmath>

#include "kernels/for_each_index.hpp"

namespace tweedie {
namespace {

void check(const char* op, const View<float>& y, const View<const float>& x, const View<const float>& s) {
  require_alike(op, y, x);
  require(y.b == 1 && s.b == 1, op, ": the layout must be planar (b = 1), got b=", y.b, " and b=", s.b);
  require(s.N() == 1 && (s.C() == 1 || s.C() == y.C()) && s.H() == y.H() && s.W() == y.W(), op,
          ": values of shape ", s.shape, " do not broadcast to ", y.shape);
}

/// y[i] = f(x[i], s[i]), s repeated from its beginning.
template <class F>
void map(View<float> y, View<const float> x, View<const float> s, F f) {
  const std::int64_t period = s.size();
  for_each_index(y.size(), [=, to = y.data, from = x.data, by = s.data](std::int64_t i) {
    to[i] = f(from[i], by[i % period]);
  });
}

}  // namespace

void filter(Queue& q, View<float> y, View<const float> x, View<const float> s, const Filter& g) {
  check("filter", y, x, s);
  require(g.power == 0 || g.power == 1, "filter: power ", g.power, "; expected 0 or 1");
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::filter(q, y, x, s, g);
  map(y, x, s, [g](float value, float sigma) {
    const float below = g.a * sigma * sigma + g.b;
    return sigma > g.above && below != 0 ? value * ((g.power == 1 ? sigma : 1.f) / below) : 0.f;
  });
}

void quantise(Queue& q, View<float> y, View<const float> x, View<const float> t) {
  check("quantise", y, x, t);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::quantise(q, y, x, t);
  map(y, x, t, [](float value, float step) { return step * std::round(value / step); });
}

}  // namespace tweedie

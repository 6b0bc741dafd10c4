#include "kernels/narrow.hpp"

#include "kernels/for_each_index.hpp"

namespace tweedie {

void narrow(Queue& q, View<bf16> y, View<const float> x) {
  require_alike("narrow", y, x);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::narrow(q, y, x);
  for_each_index(x.size(), [=](std::int64_t i) { y.data[i] = bf16::rounded(x.data[i]); });
}

}  // namespace tweedie

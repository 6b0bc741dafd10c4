// The loop of the CPU bodies that map element by element.
#pragma once

#include <cstdint>

namespace tweedie {

/// Below this many elements waking the other threads costs more than the loop.
constexpr std::int64_t worth_threads = 1 << 15;

/// f(i) for i in [0, count), in parallel and vectorised; no call depends on another.
template <class F>
void for_each_index(std::int64_t count, F f) {
#pragma omp parallel for simd schedule(static) if (parallel : count >= worth_threads)
  for (std::int64_t i = 0; i < count; ++i) f(i);
}

}  // namespace tweedie

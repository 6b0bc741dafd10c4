// What the kernel benches share: the tensors a case row asks for, and how rows are named.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "tests/cases/cases.hpp"
#include "tools/bench/measure.hpp"

namespace tweedie::bench {

inline std::string text(const Shape& s) { return fmt::format("({}, {}, {}, {})", s.N, s.C, s.H, s.W); }
inline std::string text(const Shape& s, int b) { return fmt::format("{} b={}", text(s), b); }

inline double bytes(std::initializer_list<std::int64_t> floats) {
  double sum = 0;
  for (const std::int64_t count : floats) sum += double(count) * sizeof(float);
  return sum;
}

/// b as in the case rows, resolved for this device.
inline int block(Bench& bench, int b, int channels) {
  return cases::block(bench.context().device(), b, channels);
}

inline Tensor room(Bench& bench, const Shape& shape, int b = 1) {
  return Tensor(bench.context().pool, shape, block(bench, b, shape.C));
}

/// Normal values: what the values are decides what power a GPU draws, and so its clock.
inline Tensor values(Bench& bench, const Shape& shape, int b = 1) {
  Tensor x = room(bench, shape, b);
  bench.context().normal(x);
  return x;
}

inline bool wants_any(Bench& bench, std::initializer_list<const char*> kernels) {
  bool any = false;
  for (const char* kernel : kernels) any = bench.wants(kernel) || any;  // each is asked: that lists it
  return any;
}

}  // namespace tweedie::bench

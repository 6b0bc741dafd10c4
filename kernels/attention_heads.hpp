// Where the heads lie in qkv. Included by the bodies of kernels/attention.hpp alone.
#pragma once

#include <cmath>

#include "kernels/attention.hpp"

namespace tweedie {

/// Offsets and strides in floats: q of pixel t of head h of sample n is at n * sample + h * step + t * row,
/// its k and v so far behind it; its part of y at n * y_sample + h * c + t * C.
struct AttentionHeads {
  int N, T, C, count, c;
  float scale;
  std::int64_t row, sample, step, k, v, y_sample;

  AttentionHeads(const Shape& y, const AttentionForm& form)
      : N(y.N),
        T(int(y.plane())),
        C(y.C),
        count(form.heads),
        c(C / count),
        scale(float(1 / std::sqrt(double(c)))),
        row(3 * std::int64_t(C)),
        sample(row * T),
        step(form.new_order ? c : 3 * c),
        k(form.new_order ? C : c),
        v(2 * k),
        y_sample(std::int64_t(C) * T) {}
};

}  // namespace tweedie

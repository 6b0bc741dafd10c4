// Transposes a square block of floats in vector registers.
#pragma once

#include <utility>

namespace tweedie {

template <int B>
struct Block {
  typedef float Row __attribute__((vector_size(B * sizeof(float))));
};

// to = a[first], b[first], a[first + 1], b[first + 1], ... By reference, as passing vectors by value is an
// ABI that depends on the instruction set.
template <int B, int first, int... k>
[[gnu::always_inline]] inline void interleave(typename Block<B>::Row& to, const typename Block<B>::Row& a,
                                              const typename Block<B>::Row& b,
                                              std::integer_sequence<int, k...>) {
  to = __builtin_shufflevector(a, b, (first + k / 2 + k % 2 * B)...);
}

/// to (B x B floats) = the transposed of from, B a power of two; the two may be the same. Done in log2(B)
/// perfect shuffles of the rows, each of which interleaves row r of the upper half with row r of the lower
/// half. Always inlined, so that files compiled for different instruction sets can share it.
template <int B>
[[gnu::always_inline]] inline void transpose_block(float* to, const float* from) {
  constexpr std::make_integer_sequence<int, B> all{};
  typename Block<B>::Row rows[B], next[B];
  __builtin_memcpy(rows, from, sizeof(rows));
#pragma GCC unroll 4
  for (int step = 1; step < B; step *= 2) {
#pragma GCC unroll 8
    for (int r = 0; r < B / 2; ++r) {
      interleave<B, 0>(next[2 * r], rows[r], rows[r + B / 2], all);
      interleave<B, B / 2>(next[2 * r + 1], rows[r], rows[r + B / 2], all);
    }
#pragma GCC unroll 16
    for (int r = 0; r < B; ++r) rows[r] = next[r];
  }
  __builtin_memcpy(to, rows, sizeof(rows));
}

}  // namespace tweedie

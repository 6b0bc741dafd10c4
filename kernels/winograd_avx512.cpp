// Winograd's inner loops, compiled for AVX-512.
#include "kernels/winograd_kernels.hpp"

#if defined(__AVX512F__)

#include <immintrin.h>

namespace tweedie::winograd {
namespace {

typedef float Vector __attribute__((vector_size(sizeof(__m512))));
typedef float Unaligned __attribute__((vector_size(sizeof(__m512)), aligned(4), may_alias));
constexpr int lanes = 16;
constexpr int longest_run = 14;  // of 32 registers: 2 x 14 sums, 2 rows of weights and one value

[[gnu::always_inline]] inline Vector multiply_add(Vector x, Vector y, Vector z) {
  return _mm512_fmadd_ps(x, y, z);
}

[[gnu::always_inline]] inline Vector all(float value) { return _mm512_set1_ps(value); }

}  // namespace
}  // namespace tweedie::winograd

#include "kernels/winograd_loops.hpp"

const tweedie::winograd::Kernels* tweedie::winograd::avx512_kernels() {
  static constexpr Kernels kernels{
      "avx512_core",     lanes,    transform_input<float>, transform_input<std::uint16_t>,
      transform_weights, multiply, turn_weights,           multiply_forming<4>,
      transform_output};
  return &kernels;
}

#else

const tweedie::winograd::Kernels* tweedie::winograd::avx512_kernels() { return nullptr; }

#endif

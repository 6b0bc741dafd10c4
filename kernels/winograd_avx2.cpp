// Winograd's inner loops, compiled for AVX2 and FMA.
#include "kernels/winograd_kernels.hpp"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

namespace tweedie::winograd {
namespace {

typedef float Vector __attribute__((vector_size(sizeof(__m256))));
typedef float Unaligned __attribute__((vector_size(sizeof(__m256)), aligned(4), may_alias));
constexpr int lanes = 8;
constexpr int longest_run = 6;  // of 16 registers: 2 x 6 sums, 2 rows of weights and one value

[[gnu::always_inline]] inline Vector multiply_add(Vector x, Vector y, Vector z) {
  return _mm256_fmadd_ps(x, y, z);
}

[[gnu::always_inline]] inline Vector all(float value) { return _mm256_set1_ps(value); }

}  // namespace
}  // namespace tweedie::winograd

#include "kernels/winograd_loops.hpp"

const tweedie::winograd::Kernels* tweedie::winograd::avx2_kernels() {
  static constexpr Kernels kernels{"avx2",
                                   lanes,
                                   transform_input<float>,
                                   transform_input<std::uint16_t>,
                                   transform_weights,
                                   multiply,
                                   turn_weights,
                                   nullptr,
                                   transform_output};
  return &kernels;
}

#else

const tweedie::winograd::Kernels* tweedie::winograd::avx2_kernels() { return nullptr; }

#endif

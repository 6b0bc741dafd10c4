// Functions that the CPU and the CUDA bodies share.
#pragma once

#include <bit>
#include <cstdint>

#ifdef __CUDACC__
#define TWEEDIE_BOTH __host__ __device__ __forceinline__
#else
#define TWEEDIE_BOTH [[gnu::always_inline]] inline
#endif

namespace tweedie {

/// A float's bits, and the float of such.
#ifdef __CUDA_ARCH__
TWEEDIE_BOTH std::uint32_t bits_of(float a) { return __float_as_uint(a); }
TWEEDIE_BOTH float from_bits(std::uint32_t a) { return __uint_as_float(a); }
#else
TWEEDIE_BOTH std::uint32_t bits_of(float a) { return std::bit_cast<std::uint32_t>(a); }
TWEEDIE_BOTH float from_bits(std::uint32_t a) { return std::bit_cast<float>(a); }
#endif

}  // namespace tweedie

// Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011) and the
// normals made from it, for both compilers. Every floating-point operation here is one that IEEE 754 rounds
// correctly (fma, product, sum, quotient, root, conversion), written so that neither compiler may fuse or
// reorder it: the CPU and the GPU give the same bits.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/both.hpp"

namespace tweedie::philox {

struct Block {
  std::uint32_t lane[4];
};

/// The block of counter (low, high) under `key`; 128 random bits.
TWEEDIE_BOTH Block block(std::uint64_t low, std::uint64_t high, std::uint64_t key) {
  std::uint32_t c0 = std::uint32_t(low), c1 = std::uint32_t(low >> 32);
  std::uint32_t c2 = std::uint32_t(high), c3 = std::uint32_t(high >> 32);
  std::uint32_t k0 = std::uint32_t(key), k1 = std::uint32_t(key >> 32);
#ifndef __CUDACC__
#pragma GCC unroll 10  // or the loop over counters is not vectorised; nvcc unrolls by itself
#endif
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t(0xD2511F53u) * c0, p1 = std::uint64_t(0xCD9E8D57u) * c2;
    c0 = std::uint32_t(p1 >> 32) ^ c1 ^ k0;
    c1 = std::uint32_t(p1);
    c2 = std::uint32_t(p0 >> 32) ^ c3 ^ k1;
    c3 = std::uint32_t(p0);
    k0 += 0x9E3779B9u;  // Weyl sequences: the golden ratio and sqrt(3) - 1
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

#ifdef __CUDA_ARCH__
TWEEDIE_BOTH float fused(float a, float b, float c) { return __fmaf_rn(a, b, c); }
TWEEDIE_BOTH float product(float a, float b) { return __fmul_rn(a, b); }
TWEEDIE_BOTH float sum(float a, float b) { return __fadd_rn(a, b); }
TWEEDIE_BOTH float quotient(float a, float b) { return __fdiv_rn(a, b); }
TWEEDIE_BOTH float root(float a) { return __fsqrt_rn(a); }
#else  // compiled with -ffp-contract=off
TWEEDIE_BOTH float fused(float a, float b, float c) { return std::fma(a, b, c); }
TWEEDIE_BOTH float product(float a, float b) { return a * b; }
TWEEDIE_BOTH float sum(float a, float b) { return a + b; }
TWEEDIE_BOTH float quotient(float a, float b) { return a / b; }
TWEEDIE_BOTH float root(float a) { return std::sqrt(a); }
#endif

/// Uniform in [0, 1): the upper 24 bits over 2^24, exact.
TWEEDIE_BOTH float unit(std::uint32_t bits) { return product(float(std::int32_t(bits >> 8)), 0x1p-24f); }

/// ln u for normal u in (0, 1], relative error below 3e-7. u = 2^e m with m in [sqrt(1/2), sqrt(2)) and
/// ln m = 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...), s = (m - 1)/(m + 1), |s| < 0.172: the first term left
/// out, s^11/11, is 2e-9 of the sum.
TWEEDIE_BOTH float logarithm(float u) {
  constexpr std::uint32_t sqrt_half = 0x3F3504F3u;  // bits of sqrt(1/2)
  const std::uint32_t shifted = bits_of(u) - sqrt_half;
  const std::int32_t e = std::int32_t(shifted) >> 23;
  const float m = from_bits((shifted & 0x007FFFFFu) + sqrt_half);
  const float s = quotient(sum(m, -1.f), sum(m, 1.f));
  const float z = product(s, s);
  float series = 2.f / 9;
  series = fused(series, z, 2.f / 7);
  series = fused(series, z, 2.f / 5);
  series = fused(series, z, 2.f / 3);
  series = fused(series, z, 2.f);
  return fused(float(e), 0x1.62e43p-1f, product(series, s));  // ln 2
}

struct Pair {
  float first, second;
};

/// Two independent standard normals (Box & Muller 1958): radius sqrt(-2 ln u), u in (0, 1] from `r`, and an
/// angle from `a`. The largest possible value is sqrt(66 ln 2) = 6.76.
TWEEDIE_BOTH Pair normals(std::uint32_t r, std::uint32_t a) {
  // The centre of one of 2^32 cells, rounded to a float: never 0.
  const float u = fused(float(r), 0x1p-32f, 0x1p-33f);
  const float radius = root(product(-2.f, logarithm(u)));
  // A quarter turn from the upper two bits; within it the angle x is in [-pi/4, pi/4].
  const std::uint32_t quarter = a >> 30;
  const std::int32_t within = std::int32_t(a & 0x3FFFFFFFu) - (1 << 29);
  const float x = product(float(within), 0x1.921fb6p-30f);  // pi/2 / 2^30
  const float z = product(x, x);
  // Taylor series; what is left out is below 2e-9.
  float sine = 1.f / 362880;
  sine = fused(sine, z, -1.f / 5040);
  sine = fused(sine, z, 1.f / 120);
  sine = fused(sine, z, -1.f / 6);
  sine = fused(product(sine, z), x, x);
  float cosine = -1.f / 3628800;
  cosine = fused(cosine, z, 1.f / 40320);
  cosine = fused(cosine, z, -1.f / 720);
  cosine = fused(cosine, z, 1.f / 24);
  cosine = fused(cosine, z, -1.f / 2);
  cosine = fused(cosine, z, 1.f);
  // Each further quarter turn maps (cos, sin) to (-sin, cos).
  const bool odd = quarter & 1;
  const float c = odd ? sine : cosine, s = odd ? cosine : sine;
  const std::uint32_t flip_c = ((quarter + 1) & 2) << 30, flip_s = (quarter & 2) << 30;
  return {product(radius, from_bits(bits_of(c) ^ flip_c)), product(radius, from_bits(bits_of(s) ^ flip_s))};
}

}  // namespace tweedie::philox

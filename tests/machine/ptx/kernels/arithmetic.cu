#include <cuda_bf16.h>

#include "tests/machine/ptx/kernels/kernels.hpp"

namespace tweedie::ptx::kernels {
namespace {

constexpr int threads = 128;
int blocks(int n) { return (n + threads - 1) / threads; }
__device__ int index() { return blockIdx.x * blockDim.x + threadIdx.x; }

__global__ void saxpy_kernel(float* y, const float* x, float a, int n) {
  const int i = index();
  if (i < n) y[i] = a * x[i] + y[i];
}

__global__ void to_bf16_kernel(__nv_bfloat162* out, const float4* in, int quads) {
  const int i = index();
  if (i >= quads) return;
  const float4 v = in[i];
  out[2 * i] = __floats2bfloat162_rn(v.x, v.y);
  out[2 * i + 1] = __floats2bfloat162_rn(v.z, v.w);
}

__global__ void from_bf16_kernel(float* out, const __nv_bfloat16* in, int n) {
  const int i = index();
  if (i < n) out[i] = __bfloat162float(in[i]);
}

__global__ void bf16_multiply_add_kernel(__nv_bfloat16* out, const __nv_bfloat16* a, const __nv_bfloat16* b,
                                         int n) {
  const int i = index();
  if (i < n) out[i] = __hfma(a[i], b[i], a[i]);
}

__global__ void float_math_kernel(float* out, const float* in, int n) {
  const int i = index();
  if (i >= n) return;
  const float x = in[i], positive = fabsf(x) + 0.01f;
  const float results[float_functions] = {expf(x),          logf(positive), sinf(x),
                                          cosf(x),          tanhf(x),       sqrtf(positive),
                                          rsqrtf(positive), 1.0f / x,       powf(positive, 1.7f),
                                          erff(x),          __expf(x),      x / (1.0f + expf(-x))};
  for (int k = 0; k < float_functions; ++k) out[k * n + i] = results[k];
}

__global__ void double_math_kernel(double* out, const double* in, int n) {
  const int i = index();
  if (i >= n) return;
  const double x = in[i], positive = fabs(x) + 0.01;
  const double results[double_functions] = {exp(x * 0.01), log(positive),       sin(x),
                                            cos(x),        sqrt(positive),      rsqrt(positive),
                                            1.0 / x,       __dadd_rz(x, 1e-20), x - floor(x)};
  for (int k = 0; k < double_functions; ++k) out[k * n + i] = results[k];
}

// Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
__global__ void philox_kernel(uint32_t* out, uint64_t seed, int n) {
  const int i = index();
  if (i >= n) return;
  uint32_t c[4] = {uint32_t(i), 0, 0, 0}, key[2] = {uint32_t(seed), uint32_t(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint32_t high0 = __umulhi(0xD2511F53u, c[0]), low0 = 0xD2511F53u * c[0];
    const uint32_t high1 = __umulhi(0xCD9E8D57u, c[2]), low1 = 0xCD9E8D57u * c[2];
    const uint32_t next[4] = {high1 ^ c[1] ^ key[0], low1, high0 ^ c[3] ^ key[1], low0};
    for (int k = 0; k < 4; ++k) c[k] = next[k];
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  reinterpret_cast<uint4*>(out)[i] = make_uint4(c[0], c[1], c[2], c[3]);
}

// The 128-bit product by 32-bit limbs in a carry chain, as multi-word arithmetic is written by hand.
__global__ void wide_multiply_kernel(uint64_t* out, const uint64_t* a, const uint64_t* b, int n) {
  const int i = index();
  if (i >= n) return;
  uint32_t p0, p1, p2, p3;
  const uint32_t a0 = uint32_t(a[i]), a1 = uint32_t(a[i] >> 32), b0 = uint32_t(b[i]),
                 b1 = uint32_t(b[i] >> 32);
  asm("mul.lo.u32 %0, %4, %6;\n\t"
      "mul.hi.u32 %1, %4, %6;\n\t"
      "mul.lo.u32 %2, %5, %7;\n\t"
      "mul.hi.u32 %3, %5, %7;\n\t"
      "mad.lo.cc.u32 %1, %4, %7, %1;\n\t"
      "madc.hi.cc.u32 %2, %4, %7, %2;\n\t"
      "addc.u32 %3, %3, 0;\n\t"
      "mad.lo.cc.u32 %1, %5, %6, %1;\n\t"
      "madc.hi.cc.u32 %2, %5, %6, %2;\n\t"
      "addc.u32 %3, %3, 0;\n\t"
      : "=&r"(p0), "=&r"(p1), "=&r"(p2), "=&r"(p3)
      : "r"(a0), "r"(a1), "r"(b0), "r"(b1));
  out[2 * i] = uint64_t(p3) << 32 | p2;
  out[2 * i + 1] = uint64_t(p1) << 32 | p0;
}

}  // namespace

void saxpy(float* y, const float* x, float a, int n) { saxpy_kernel<<<blocks(n), threads>>>(y, x, a, n); }
void to_bf16(std::uint16_t* out, const float* in, int n) {
  to_bf16_kernel<<<blocks(n / 4), threads>>>(reinterpret_cast<__nv_bfloat162*>(out),
                                             reinterpret_cast<const float4*>(in), n / 4);
}
void from_bf16(float* out, const std::uint16_t* in, int n) {
  from_bf16_kernel<<<blocks(n), threads>>>(out, reinterpret_cast<const __nv_bfloat16*>(in), n);
}
void bf16_multiply_add(std::uint16_t* out, const std::uint16_t* a, const std::uint16_t* b, int n) {
  bf16_multiply_add_kernel<<<blocks(n), threads>>>(reinterpret_cast<__nv_bfloat16*>(out),
                                                   reinterpret_cast<const __nv_bfloat16*>(a),
                                                   reinterpret_cast<const __nv_bfloat16*>(b), n);
}
void float_math(float* out, const float* x, int n) { float_math_kernel<<<blocks(n), threads>>>(out, x, n); }
void double_math(double* out, const double* x, int n) {
  double_math_kernel<<<blocks(n), threads>>>(out, x, n);
}
void philox(std::uint32_t* out, std::uint64_t seed, int n) {
  philox_kernel<<<blocks(n), threads>>>(out, seed, n);
}
void wide_multiply(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b, int n) {
  wide_multiply_kernel<<<blocks(n), threads>>>(out, a, b, n);
}

}  // namespace tweedie::ptx::kernels

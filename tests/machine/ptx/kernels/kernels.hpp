// Kernels that exercise the machine, each behind a function that launches it on the default stream. Pointers
// are device pointers.
#pragma once

#include <cstdint>

namespace tweedie::ptx::kernels {

// ---- arithmetic.cu, memory.cu, warps.cu: kernels with known results
void saxpy(float* y, const float* x, float a, int n);
void to_bf16(std::uint16_t* out, const float* in, int n);  ///< n a multiple of 4
void from_bf16(float* out, const std::uint16_t* in, int n);
void bf16_multiply_add(std::uint16_t* out, const std::uint16_t* a, const std::uint16_t* b,
                       int n);  ///< a b + a
constexpr int float_functions = 12, double_functions = 9;
void float_math(float* out, const float* x, int n);          ///< (float_functions, n)
void double_math(double* out, const double* x, int n);       ///< (double_functions, n)
void philox(std::uint32_t* out, std::uint64_t seed, int n);  ///< 4 words for each of n counters
void wide_multiply(std::uint64_t* out, const std::uint64_t* a, const std::uint64_t* b, int n);  ///< high, low

void transpose(float* out, const float* in, int width, int height);
void reverse_rows(float* out, const float* in, int rows,
                  int length);                                ///< dynamic shared memory, 4 length bytes
void histogram(unsigned* bins, const int* values, int n);     ///< 16 bins, shared then global atomics
void scaled_by_constant(float* out, const float* in, int n);  ///< times __constant__ scale, 2 by 2
void set_scale(float even, float odd);
int launches_counted();  ///< a __device__ counter, incremented by scaled_by_constant
void neighbours_in_halves(std::uint16_t* out, const std::uint16_t* in);  ///< one block of 64, 2-byte accesses
void local_permutation(int* out, int n);  ///< an array indexed at run time, in local memory

void row_sums(float* sums, const float* in, int rows, int length);  ///< shuffles; a block a row
void collatz(int* steps, const int* start, int n);                  ///< a loop whose length differs by lane
void branches(int* out, const int* in, int n);                      ///< nested ifs, a switch, an early return
void votes(unsigned* out, const int* in);                           ///< one warp: 8 results a lane
void critical_section(int* lock_and_total, int n);  ///< a lock fought for by the lanes of a warp

// ---- faults.cu: a mistake, and the same kernel without it (`good`)
void missing_barrier(float* out, bool good);
void early_overwrite(float* out, bool good);
void divergent_barrier(float* out, bool good);
void skipped_barrier(float* out, bool good);
void out_of_bounds(float* out, int n, bool good);  ///< writes out[n] unless good
void misaligned_vector(float* out, bool good);
void uninitialised_shared(float* out, bool good);
void shared_out_of_bounds(float* out, bool good);
void missing_warp_barrier(float* out, bool good);
void absent_lane(int* out, bool good);
void failed_assert(int* out, bool good);
void endless_loop(int* out, bool good);
void write_one(float* out);

}  // namespace tweedie::ptx::kernels

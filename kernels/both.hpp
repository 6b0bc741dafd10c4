// Functions that the CPU and the CUDA bodies share.
#pragma once

#ifdef __CUDACC__
#define TWEEDIE_BOTH __host__ __device__ __forceinline__
#else
#define TWEEDIE_BOTH [[gnu::always_inline]] inline
#endif

#include "kernels/timer.hpp"

#include <cstdio>
#include <utility>

#if TWEEDIE_CUDA
#include "kernels/cuda.hpp"
#endif

namespace tweedie {

Stopwatch::Stopwatch(Queue& q) : q_(q) {
#if TWEEDIE_CUDA
  if (q.on_cuda()) {
    CHECK_CUDA(cudaEventCreate(&first_));
    CHECK_CUDA(cudaEventCreate(&last_));
  }
#endif
  start();
}

Stopwatch::~Stopwatch() {
#if TWEEDIE_CUDA
  for (cudaEvent_t event : {first_, last_})
    if (event && cudaEventDestroy(event) != cudaSuccess) std::fputs("tweedie: event not destroyed\n", stderr);
#endif
}

void Stopwatch::start() {
#if TWEEDIE_CUDA
  if (q_.on_cuda()) return CHECK_CUDA(cudaEventRecord(first_, q_.stream()));
#endif
  begin_ = std::chrono::steady_clock::now();
}

double Stopwatch::seconds() {
#if TWEEDIE_CUDA
  if (q_.on_cuda()) {
    float milliseconds = 0;
    CHECK_CUDA(cudaEventRecord(last_, q_.stream()));
    CHECK_CUDA(cudaEventSynchronize(last_));
    CHECK_CUDA(cudaEventElapsedTime(&milliseconds, first_, last_));
    return 1e-3 * milliseconds;
  }
#endif
  end_ = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(end_ - begin_).count();
}

double Stopwatch::lap() {
  const double passed = seconds();
  std::swap(first_, last_);
  begin_ = end_;
  return passed;
}

}  // namespace tweedie

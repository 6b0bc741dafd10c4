#include <cublas_v2.h>

#include <cstdio>

#include "kernels/cuda.hpp"
#include "kernels/matmul.hpp"

namespace tweedie::cuda {
namespace {

void check_cublas(cublasStatus_t status, const char* call,
                  std::source_location where = std::source_location::current()) {
  require(Condition(status == CUBLAS_STATUS_SUCCESS, where), "matmul: cuBLAS: ", call, ": ",
          cublasGetStatusString(status));
}

// The library's handle, bound to the queue's stream. It works in the queue's workspace, which makes results
// repeatable and keeps cuBLAS from allocating.
class Library {
 public:
  explicit Library(Queue& q) {
    check_cublas(cublasCreate(&handle_), "cublasCreate");
    check_cublas(cublasSetStream(handle_, q.stream()), "cublasSetStream");
  }
  ~Library() {
    if (cublasDestroy(handle_) != CUBLAS_STATUS_SUCCESS)
      std::fputs("tweedie: cublasDestroy failed\n", stderr);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  cublasHandle_t get(Queue& q) {
    // The largest size that cuBLAS's documentation recommends for any architecture (Hopper).
    constexpr std::size_t workspace_bytes = std::size_t(32) << 20;
    // Set each time: the queue's workspace moves when another library asks for more.
    check_cublas(cublasSetWorkspace(handle_, q.workspace(workspace_bytes), workspace_bytes),
                 "cublasSetWorkspace");
    return handle_;
  }

 private:
  cublasHandle_t handle_ = nullptr;
};

}  // namespace

void matmul(Queue& q, Matrices<float> c, Matrices<const float> a, Matrices<const float> b, int batch,
            float alpha, float beta) {
  // cuBLAS stores matrices by columns, so that it sees the transposes of ours, with the row stride as leading
  // dimension. It computes c^T (N x M) = op(b)^T op(a)^T: the factors change places, and a factor that we use
  // as stored is used as seen. PEDANTIC: fp32 throughout; no TF32, no emulation from shorter types.
  const int M = c.rows, N = c.columns, K = a.transposed ? a.rows : a.columns;
  check_cublas(cublasGemmStridedBatchedEx(q.state<Library>().get(q), b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                                          a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N, N, M, K, &alpha, b.data,
                                          CUDA_R_32F, int(b.row_stride), b.batch_stride, a.data, CUDA_R_32F,
                                          int(a.row_stride), a.batch_stride, &beta, c.data, CUDA_R_32F,
                                          int(c.row_stride), c.batch_stride, batch,
                                          CUBLAS_COMPUTE_32F_PEDANTIC, CUBLAS_GEMM_DEFAULT),
               "cublasGemmStridedBatchedEx");
}

}  // namespace tweedie::cuda

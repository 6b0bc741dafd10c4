// The cuBLAS stand-in against the documented conventions, and the mistakes that it must not let pass.
#include <cublas_v2.h>

#include <cmath>
#include <vector>

#include "tests/machine/stand_in/control.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// Sizes and strides of one call, and what is changed in it by a test.
struct Gemm {
  cublasOperation_t transa = CUBLAS_OP_N, transb = CUBLAS_OP_N;
  int m = 0, n = 0, k = 0, lda = 0, ldb = 0, ldc = 0;
  long long stride_a = 0, stride_b = 0, stride_c = 0;
  int batch = 1;
  float alpha = 1, beta = 0;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F_PEDANTIC;
};

class Library {
 public:
  Library() { REQUIRE(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS); }
  ~Library() { CHECK(cublasDestroy(handle) == CUBLAS_STATUS_SUCCESS); }
  cublasStatus_t run(const Gemm& g, const float* a, const float* b, float* c) {
    return cublasGemmStridedBatchedEx(handle, g.transa, g.transb, g.m, g.n, g.k, &g.alpha, a, CUDA_R_32F,
                                      g.lda, g.stride_a, b, CUDA_R_32F, g.ldb, g.stride_b, &g.beta, c,
                                      CUDA_R_32F, g.ldc, g.stride_c, g.batch, g.compute, CUBLAS_GEMM_DEFAULT);
  }
  cublasHandle_t handle = nullptr;
};

// Provokes a refusal quietly: the status, and part of the report.
template <class F>
void refused(cublasStatus_t expected, const char* part, F call) {
  stand_in::set_quiet(true);
  CHECK(call() == expected);
  stand_in::set_quiet(false);
  CHECK_MESSAGE(stand_in::last_report().find(part) != std::string::npos,
                "the report was: ", stand_in::last_report());
  stand_in::clear_fault();
}

// Sizes such that op(a) is 2 x 3 and op(b) 3 x 2.
const Gemm small{CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 3, 2, 3, 2};

}  // namespace

TEST_CASE("cuBLAS stand-in: matrices are stored by columns") {
  Queue q(Device::cuda);
  Library library;
  // a = (1 3 5; 2 4 6), b = (1 0; 0 2; -1 1): c = (-4 11; -4 14)
  DeviceArray<float> a(q, std::vector<float>{1, 2, 3, 4, 5, 6}), b(q, std::vector<float>{1, 0, -1, 0, 2, 1});
  DeviceArray<float> c(q, std::vector<float>{10, 20, 30, 40});
  CHECK(library.run(small, a.data(), b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);
  CHECK(c.host() == std::vector<float>{-4, -4, 11, 14});
  Gemm g = small;
  g.alpha = 2;
  g.beta = -1;
  CHECK(library.run(g, a.data(), b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);
  CHECK(c.host() == std::vector<float>{-4, -4, 11, 14});
  // The same arrays as transposes: a^T = (1 2; 3 4; 5 6) and b^T: b stored 2 x 3 is (1 -1 2; 0 0 1).
  g = {CUBLAS_OP_T, CUBLAS_OP_T, 2, 2, 3, 3, 2, 2};
  CHECK(library.run(g, a.data(), b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);
  CHECK(c.host() == std::vector<float>{1 - 2 + 6, 4 - 5 + 12, 3, 6});
}

TEST_CASE("cuBLAS stand-in: strides of a batch, and beta = 0 does not read c") {
  Queue q(Device::cuda);
  Library library;
  DeviceArray<float> a(q, std::vector<float>{1, 2, 3, 4}), b(q, std::vector<float>{10, 100}), c(q, 8);
  // Two products of a 2 x 1 with a 1 x 1 each; c 2 apart from the next, with a gap of 2 after it.
  Gemm g{CUBLAS_OP_N, CUBLAS_OP_N, 2, 1, 1, 2, 1, 2, 2, 1, 4, 2};
  CHECK(library.run(g, a.data(), b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);
  const std::vector<float> got = c.host();
  CHECK(std::vector<float>(got.begin(), got.begin() + 2) == std::vector<float>{10, 20});
  CHECK(std::vector<float>(got.begin() + 4, got.begin() + 6) == std::vector<float>{300, 400});
  for (const int gap : {2, 3, 6, 7}) CHECK(std::isnan(got[std::size_t(gap)]));
}

TEST_CASE("cuBLAS stand-in: a wrong leading dimension shows") {
  Queue q(Device::cuda);
  Library library;
  const std::vector<float> values = random_values(64, 1);
  DeviceArray<float> a(q, values), b(q, values), c(q, 64);
  Gemm g{CUBLAS_OP_N, CUBLAS_OP_N, 4, 3, 2, 4, 2, 4};
  REQUIRE(library.run(g, a.data(), b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);
  const std::vector<float> right = c.host();
  // The leading dimension of row-major thinking: too small here, refused...
  Gemm wrong = g;
  wrong.lda = 2;
  refused(CUBLAS_STATUS_INVALID_VALUE, "lda 2 is less than 4",
          [&] { return library.run(wrong, a.data(), b.data(), c.data()); });
  wrong = g;
  wrong.ldb = 1;
  refused(CUBLAS_STATUS_INVALID_VALUE, "ldb 1 is less than 2",
          [&] { return library.run(wrong, a.data(), b.data(), c.data()); });
  wrong = g;
  wrong.ldc = 3;
  refused(CUBLAS_STATUS_INVALID_VALUE, "ldc 3 is less than 4",
          [&] { return library.run(wrong, a.data(), b.data(), c.data()); });
  // ... and where it is only too large, other values.
  wrong = g;
  wrong.ldb = 4;
  REQUIRE(library.run(wrong, a.data(), b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);
  CHECK(std::abs(c.host()[4] - right[4]) > 0.01f);
  // Beyond the end of the array: not inside a block.
  wrong = g;
  wrong.lda = 1000;
  refused(CUBLAS_STATUS_EXECUTION_FAILED, "not inside one device block",
          [&] { return library.run(wrong, a.data(), b.data(), c.data()); });
}

TEST_CASE("cuBLAS stand-in: TF32 rounds its factors, fp32 does not") {
  Queue q(Device::cuda);
  Library library;
  const float value = 1.f + std::ldexp(1.f, -12);
  DeviceArray<float> a(q, std::vector<float>{value}), b(q, std::vector<float>{1.f}), c(q, 1);
  Gemm g{CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, 1, 1, 1};
  REQUIRE(library.run(g, a.data(), b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);
  CHECK(c.host()[0] == value);
  g.compute = CUBLAS_COMPUTE_32F_FAST_TF32;
  REQUIRE(library.run(g, a.data(), b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);
  CHECK(c.host()[0] == 1.f);
  g.compute = CUBLAS_COMPUTE_16F;
  refused(CUBLAS_STATUS_NOT_SUPPORTED, "only float",
          [&] { return library.run(g, a.data(), b.data(), c.data()); });
}

TEST_CASE("cuBLAS stand-in: memory it must not use") {
  Queue q(Device::cuda);
  Library library;
  DeviceArray<float> a(q, random_values(6, 1)), b(q, random_values(6, 2)), c(q, 16);
  std::vector<float> host(16, 1.f);
  const auto run = [&](const Gemm& g, const float* x, float* y) {
    return [&library, &b, g, x, y] { return library.run(g, x, b.data(), y); };
  };
  refused(CUBLAS_STATUS_EXECUTION_FAILED, "host memory", run(small, host.data(), c.data()));
  refused(CUBLAS_STATUS_EXECUTION_FAILED, "host memory", run(small, a.data(), host.data()));
  refused(CUBLAS_STATUS_EXECUTION_FAILED, "not inside", run(small, nullptr, c.data()));
  refused(CUBLAS_STATUS_INVALID_VALUE, "c overlaps b", run(small, a.data(), b.data()));
  Gemm twice = small;
  twice.batch = 2;
  refused(CUBLAS_STATUS_INVALID_VALUE, "matrices of c overlap", run(twice, a.data(), c.data()));
  twice.stride_c = 4;
  CHECK(library.run(twice, a.data(), b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);

  // A workspace: aligned, in device memory, still there, and apart from the matrices.
  constexpr std::size_t bytes = 4096;
  auto* const workspace = static_cast<float*>(q.allocate(bytes));
  const auto set = [&](void* p) {
    return [&library, p] { return cublasSetWorkspace(library.handle, p, bytes); };
  };
  refused(CUBLAS_STATUS_INVALID_VALUE, "not aligned", set(workspace + 1));
  refused(CUBLAS_STATUS_INVALID_VALUE, "not inside one device block", set(workspace + 64));
  REQUIRE(set(workspace)() == CUBLAS_STATUS_SUCCESS);
  CHECK(library.run(small, a.data(), b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);
  refused(CUBLAS_STATUS_EXECUTION_FAILED, "c lies in the workspace", run(small, a.data(), workspace));
  float left = 0;
  copy_to_host(q, &left, workspace, sizeof left);
  CHECK(std::isnan(left));
  q.deallocate(workspace, bytes);
  refused(CUBLAS_STATUS_EXECUTION_FAILED, "the workspace", run(small, a.data(), c.data()));
  // Documented: a new stream resets the workspace to the library's own.
  CHECK(cublasSetStream(library.handle, q.stream()) == CUBLAS_STATUS_SUCCESS);
  CHECK(library.run(small, a.data(), b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);
}

TEST_CASE("cuBLAS stand-in: arguments out of range") {
  Queue q(Device::cuda);
  Library library;
  DeviceArray<float> a(q, random_values(6, 1)), b(q, random_values(6, 2)), c(q, 4);
  Gemm g = small;
  g.n = -2;
  refused(CUBLAS_STATUS_INVALID_VALUE, "negative size",
          [&] { return library.run(g, a.data(), b.data(), c.data()); });
  g = small;
  g.batch = -1;
  refused(CUBLAS_STATUS_INVALID_VALUE, "batch -1",
          [&] { return library.run(g, a.data(), b.data(), c.data()); });
  refused(CUBLAS_STATUS_INVALID_VALUE, "null", [&] {
    return cublasGemmStridedBatchedEx(library.handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 3, nullptr, a.data(),
                                      CUDA_R_32F, 2, 0, b.data(), CUDA_R_32F, 3, 0, &g.beta, c.data(),
                                      CUDA_R_32F, 2, 0, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  });
  cublasHandle_t gone = nullptr;
  REQUIRE(cublasCreate(&gone) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(cublasDestroy(gone) == CUBLAS_STATUS_SUCCESS);
  refused(CUBLAS_STATUS_NOT_INITIALIZED, "no such handle", [&] { return cublasDestroy(gone); });
  refused(CUBLAS_STATUS_INVALID_VALUE, "no such stream",
          [&] { return cublasSetStream(library.handle, reinterpret_cast<cudaStream_t>(&g)); });
}

// Stand-in for cuBLAS: the calls that kernels/matmul.cu makes, on the host, written from the documentation.
// Matrices are stored by columns. What the documentation rules out is refused with the documented status.
#include <cublas_v2.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "tests/machine/stand_in/library.hpp"

using namespace tweedie::stand_in;
using tweedie::message;

struct cublasContext {
  cudaStream_t stream = nullptr;
  Stretch workspace;  // empty: cuBLAS's own
};

namespace {

std::unordered_set<cublasHandle_t>& handles() {
  static auto* all = new std::unordered_set<cublasHandle_t>;
  return *all;
}

cublasStatus_t refuse(cublasStatus_t status, const std::string& why) {
  report(why);
  return status;
}

bool known(cublasHandle_t handle) { return handles().count(handle) != 0; }

// One of a, b, c as the call describes it.
struct Operand {
  const char* name;
  float* data;
  std::int64_t rows, columns, ld, stride;  // as stored

  float* at(std::int64_t batch, std::int64_t i, std::int64_t j) const {
    return data + batch * stride + j * ld + i;
  }
  bool empty() const { return rows == 0 || columns == 0; }
  // Of one matrix of the batch, gaps between columns included.
  Stretch stretch(std::int64_t batch) const {
    if (empty()) return {};
    return {at(batch, 0, 0), std::size_t((columns - 1) * ld + rows) * sizeof(float)};
  }
};

struct Call {
  Operand a, b, c;
  bool a_transposed, b_transposed;
  std::int64_t m, n, k, batch;
  float alpha, beta;
  bool tf32;
};

constexpr const char* gemm = "cublasGemmStridedBatchedEx";

// Every matrix in device memory and apart from the workspace.
cublasStatus_t check_memory(const cublasContext& context, const Call& call) {
  if (context.workspace.bytes > 0 && !on_device(gemm, "the workspace", context.workspace))
    return CUBLAS_STATUS_EXECUTION_FAILED;
  for (const Operand* o : {&call.a, &call.b, &call.c}) {
    if (o->empty()) continue;
    for (std::int64_t batch = 0; batch < call.batch; ++batch) {
      if (!on_device(gemm, o->name, o->stretch(batch))) return CUBLAS_STATUS_EXECUTION_FAILED;
      if (overlap(o->stretch(batch), context.workspace))
        return refuse(CUBLAS_STATUS_EXECUTION_FAILED, message(gemm, ": ", o->name, " lies in the workspace"));
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}

// "The matrices of c must not overlap", neither with each other nor with a and b: element by element, as
// matrices may interleave.
cublasStatus_t check_apart(const Call& call) {
  const Operand& c = call.c;
  const std::size_t last = std::size_t((call.batch - 1) * c.stride + (call.n - 1) * c.ld + call.m - 1);
  std::vector<bool> written(last + 1);
  for (std::int64_t batch = 0; batch < call.batch; ++batch)
    for (std::int64_t j = 0; j < call.n; ++j)
      for (std::int64_t i = 0; i < call.m; ++i) {
        const auto element = written[std::size_t(c.at(batch, i, j) - c.data)];
        if (element) return refuse(CUBLAS_STATUS_INVALID_VALUE, message(gemm, ": matrices of c overlap"));
        written[std::size_t(c.at(batch, i, j) - c.data)] = true;
      }
  const Stretch all{c.data, (last + 1) * sizeof(float)};
  for (const Operand* o : {&call.a, &call.b})
    for (std::int64_t batch = 0; batch < call.batch; ++batch) {
      if (!overlap(o->stretch(batch), all)) continue;
      for (std::int64_t j = 0; j < o->columns; ++j)
        for (std::int64_t i = 0; i < o->rows; ++i) {
          const std::ptrdiff_t element = o->at(batch, i, j) - c.data;
          if (element >= 0 && std::size_t(element) <= last && written[std::size_t(element)])
            return refuse(CUBLAS_STATUS_INVALID_VALUE, message(gemm, ": c overlaps ", o->name));
        }
    }
  return CUBLAS_STATUS_SUCCESS;
}

// To nearest with 10 bits after the point, as the tensor cores' inputs are.
float to_tf32(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits = (bits + 0x1000u) & ~0x1fffu;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

// op(x) of one matrix as rows of the inner dimension: outer(i)[l].
std::vector<float> gathered(const Operand& x, std::int64_t batch, bool inner_is_column, std::int64_t outer,
                            std::int64_t inner, bool tf32) {
  std::vector<float> out(std::size_t(outer * inner));
  for (std::int64_t i = 0; i < outer; ++i)
    for (std::int64_t l = 0; l < inner; ++l) {
      const float value = inner_is_column ? *x.at(batch, i, l) : *x.at(batch, l, i);
      out[std::size_t(i * inner + l)] = tf32 ? to_tf32(value) : value;
    }
  return out;
}

void multiply(const Call& call, std::int64_t batch) {
  const std::vector<float> a = gathered(call.a, batch, !call.a_transposed, call.m, call.k, call.tf32);
  const std::vector<float> b = gathered(call.b, batch, call.b_transposed, call.n, call.k, call.tf32);
#pragma omp parallel for schedule(static) if (call.m * call.n * call.k > 100000)
  for (std::int64_t j = 0; j < call.n; ++j)
    for (std::int64_t i = 0; i < call.m; ++i) {
      double sum = 0;
      const float *x = a.data() + i * call.k, *y = b.data() + j * call.k;
#pragma omp simd reduction(+ : sum)
      for (std::int64_t l = 0; l < call.k; ++l) sum += double(x[l]) * double(y[l]);
      float* const c = call.c.at(batch, i, j);
      *c = float(call.beta == 0 ? call.alpha * sum : call.alpha * sum + double(call.beta) * *c);
    }
}

bool valid(cublasOperation_t op) { return op == CUBLAS_OP_N || op == CUBLAS_OP_T || op == CUBLAS_OP_C; }

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  if (!handle) return refuse(CUBLAS_STATUS_INVALID_VALUE, "cublasCreate: null");
  *handle = new cublasContext;
  handles().insert(*handle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  if (!known(handle)) return refuse(CUBLAS_STATUS_NOT_INITIALIZED, "cublasDestroy: no such handle");
  handles().erase(handle);
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  if (!known(handle)) return refuse(CUBLAS_STATUS_NOT_INITIALIZED, "cublasSetStream: no such handle");
  if (!tweedie::stand_in::known(stream))
    return refuse(CUBLAS_STATUS_INVALID_VALUE, "cublasSetStream: no such stream");
  // Documented: the workspace is reset to the library's own.
  *handle = {stream, {}};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, size_t bytes) {
  if (!known(handle)) return refuse(CUBLAS_STATUS_NOT_INITIALIZED, "cublasSetWorkspace: no such handle");
  if (reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0)
    return refuse(CUBLAS_STATUS_INVALID_VALUE, "cublasSetWorkspace: not aligned to 256 bytes");
  if (bytes > 0 && !on_device("cublasSetWorkspace", "the workspace", {workspace, bytes}))
    return CUBLAS_STATUS_INVALID_VALUE;
  handle->workspace = {workspace, bytes};
  return CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "success";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "the library was not initialized";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "the function failed to launch on the GPU";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "the functionality requested is not supported";
    default:
      return "another error";
  }
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transa,
                                          cublasOperation_t transb, int m, int n, int k, const void* alpha,
                                          const void* A, cudaDataType a_type, int lda, long long stride_a,
                                          const void* B, cudaDataType b_type, int ldb, long long stride_b,
                                          const void* beta, void* C, cudaDataType c_type, int ldc,
                                          long long stride_c, int batch, cublasComputeType_t compute,
                                          cublasGemmAlgo_t) {
  const auto invalid = [](const auto&... why) {
    return refuse(CUBLAS_STATUS_INVALID_VALUE, message(gemm, ": ", why...));
  };
  if (!known(handle)) return refuse(CUBLAS_STATUS_NOT_INITIALIZED, message(gemm, ": no such handle"));
  if (m < 0 || n < 0 || k < 0 || batch < 0)
    return invalid("negative size: m ", m, ", n ", n, ", k ", k, ", batch ", batch);
  if (!valid(transa) || !valid(transb)) return invalid("unknown operation");
  const bool at = transa != CUBLAS_OP_N, bt = transb != CUBLAS_OP_N;
  if (lda < std::max(1, at ? k : m)) return invalid("lda ", lda, " is less than ", at ? k : m);
  if (ldb < std::max(1, bt ? n : k)) return invalid("ldb ", ldb, " is less than ", bt ? n : k);
  if (ldc < std::max(1, m)) return invalid("ldc ", ldc, " is less than ", m);
  if (!alpha || !beta) return invalid("alpha or beta is null");
  // Pointer mode "host", the default, is the only one known here.
  for (const void* scalar : {alpha, beta})
    if (DeviceMemory::instance().contains(scalar)) return invalid("alpha or beta in device memory");
  const bool tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  if (a_type != CUDA_R_32F || b_type != CUDA_R_32F || c_type != CUDA_R_32F ||
      (compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_PEDANTIC && !tf32))
    return refuse(CUBLAS_STATUS_NOT_SUPPORTED, message(gemm, ": only float is known here"));
  if (m == 0 || n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  if (Runtime::instance().sticky != cudaSuccess || !tweedie::stand_in::known(handle->stream))
    return refuse(CUBLAS_STATUS_EXECUTION_FAILED, message(gemm, ": no working stream"));

  const auto operand = [](const char* name, const void* data, std::int64_t rows, std::int64_t columns, int ld,
                          long long stride) {
    return Operand{name, static_cast<float*>(const_cast<void*>(data)), rows, columns, ld, stride};
  };
  const Call call{operand("a", A, at ? k : m, at ? m : k, lda, stride_a),
                  operand("b", B, bt ? n : k, bt ? k : n, ldb, stride_b),
                  operand("c", C, m, n, ldc, stride_c),
                  at,
                  bt,
                  m,
                  n,
                  k,
                  batch,
                  *static_cast<const float*>(alpha),
                  *static_cast<const float*>(beta),
                  tf32};
  cublasStatus_t status = check_memory(*handle, call);
  if (status == CUBLAS_STATUS_SUCCESS) status = check_apart(call);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  const cudaError_t queued = queue(handle->stream, [call, workspace = handle->workspace] {
    if (!to_compute()) return cudaSuccess;
    DeviceAccess access;
    // Whatever lived there is lost; the whole of it would take longer than most products.
    poison({workspace.data, std::min<std::size_t>(workspace.bytes, 65536)});
    for (std::int64_t i = 0; i < call.batch; ++i) multiply(call, i);
    return cudaSuccess;
  });
  return queued == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // extern "C"

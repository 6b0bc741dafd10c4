#include <cuda_runtime.h>
#include <cufft.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <tuple>

#include "kernels/cuda.hpp"
#include "kernels/fft.hpp"

namespace tweedie::cuda {
namespace {

using Complex = std::complex<float>;

// cuFFT has no function for this.
const char* description(cufftResult status) {
  switch (status) {
    case CUFFT_SUCCESS:
      return "success";
    case CUFFT_INVALID_PLAN:
      return "invalid plan";
    case CUFFT_ALLOC_FAILED:
      return "out of memory";
    case CUFFT_INVALID_TYPE:
      return "invalid type";
    case CUFFT_INVALID_VALUE:
      return "invalid value";
    case CUFFT_INTERNAL_ERROR:
      return "internal error";
    case CUFFT_EXEC_FAILED:
      return "execution failed";
    case CUFFT_SETUP_FAILED:
      return "the library failed to initialise";
    case CUFFT_INVALID_SIZE:
      return "unsupported size";
    case CUFFT_UNALIGNED_DATA:
      return "unaligned data";
    case CUFFT_NO_WORKSPACE:
      return "no work area";
    default:
      return "error";
  }
}

void check_cufft(cufftResult status, const char* call,
                 std::source_location where = std::source_location::current()) {
  require(Condition(status == CUFFT_SUCCESS, where), "fft: cuFFT: ", call, ": ", description(status),
          " (status ", int(status), ")");
}

// A plan that borrows its work area from the queue instead of owning one.
class Plan {
 public:
  Plan(Queue& q, cufftType type, int planes, int H, int W) {
    check_cufft(cufftCreate(&handle_), "cufftCreate");
    try {
      int n[2] = {H, W};
      check_cufft(cufftSetAutoAllocation(handle_, 0), "cufftSetAutoAllocation");
      // No embedding: planes and half planes dense, one after the other; strides are then ignored.
      check_cufft(cufftMakePlanMany(handle_, 2, n, nullptr, 1, 0, nullptr, 1, 0, type, planes, &work_bytes_),
                  "cufftMakePlanMany");
      check_cufft(cufftSetStream(handle_, q.stream()), "cufftSetStream");
    } catch (...) {
      destroy();
      throw;
    }
  }
  ~Plan() { destroy(); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  cufftHandle get(Queue& q) {
    // Set each time: the queue's workspace moves when another library asks for more.
    void* const area = q.workspace(std::max<std::size_t>(work_bytes_, 1));
    check_cufft(cufftSetWorkArea(handle_, area), "cufftSetWorkArea");
    return handle_;
  }

 private:
  void destroy() noexcept {
    if (cufftDestroy(handle_) != CUFFT_SUCCESS) std::fputs("tweedie: cufftDestroy failed\n", stderr);
  }
  cufftHandle handle_ = 0;
  std::size_t work_bytes_ = 0;
};

// The plans of one queue. `planes` is the shape on the real or complex-to-complex side.
struct Plans {
  explicit Plans(Queue&) {}
  cufftHandle get(Queue& q, cufftType type, const Shape& planes) {
    const std::tuple key{type, planes.N * planes.C, planes.H, planes.W};
    auto found = plans.find(key);
    if (found == plans.end())
      found = plans.try_emplace(key, q, type, planes.N * planes.C, planes.H, planes.W).first;
    return found->second.get(q);
  }
  std::map<std::tuple<cufftType, int, int, int>, Plan> plans;
};

// y = factor x; y may be x. `packed`: both are 16-byte aligned.
__global__ void scale_kernel(float* y, const float* x, std::int64_t count, float factor, bool packed) {
  const std::int64_t first = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  const std::int64_t packs = packed ? count / 4 : 0;
  for (std::int64_t i = first; i < packs; i += step) {
    float4 v = reinterpret_cast<const float4*>(x)[i];
    v.x *= factor;
    v.y *= factor;
    v.z *= factor;
    v.w *= factor;
    reinterpret_cast<float4*>(y)[i] = v;
  }
  for (std::int64_t i = 4 * packs + first; i < count; i += step) y[i] = factor * x[i];
}

bool aligned(const void* p, std::size_t bytes) { return reinterpret_cast<std::uintptr_t>(p) % bytes == 0; }

void scale(Queue& q, Complex* y, const Complex* x, std::int64_t count, const Shape& planes) {
  const float factor = float(1.0 / double(planes.plane()));
  const bool packed = aligned(x, 16) && aligned(y, 16);
  scale_kernel<<<grid_for(packed ? count / 2 : 2 * count), block_threads, 0, q.stream()>>>(
      reinterpret_cast<float*>(y), reinterpret_cast<const float*>(x), 2 * count, factor, packed);
  check_launch("scale_kernel");
}

cufftComplex* cufft(Complex* p) { return reinterpret_cast<cufftComplex*>(p); }
// cuFFT's interface has no const; of its transforms only C2R writes its input, and it gets a copy.
cufftComplex* cufft(const Complex* p) { return cufft(const_cast<Complex*>(p)); }

// cuFFT wants real arrays aligned like complex ones; a sample of a batch with an odd number of pixels is not.
bool usable(const float* p) { return aligned(p, sizeof(cufftComplex)); }

std::size_t rounded_up(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

}  // namespace

void fft2(Queue& q, View<Complex> y, View<const Complex> x, bool inverse) {
  const cufftHandle plan = q.state<Plans>().get(q, CUFFT_C2C, y.shape);
  check_cufft(cufftExecC2C(plan, cufft(x.data), cufft(y.data), inverse ? CUFFT_INVERSE : CUFFT_FORWARD),
              "cufftExecC2C");
  if (inverse) scale(q, y.data, y.data, y.size(), y.shape);
}

void fft2_real(Queue& q, View<Complex> y, View<const float> x) {
  const float* input = x.data;
  if (!usable(input)) {
    const std::size_t bytes = std::size_t(x.size()) * sizeof(float);
    auto* const copy = static_cast<float*>(q.scratch(bytes));
    copy_bytes(q, copy, input, bytes);
    input = copy;
  }
  const cufftHandle plan = q.state<Plans>().get(q, CUFFT_R2C, x.shape);
  check_cufft(cufftExecR2C(plan, const_cast<float*>(input), cufft(y.data)), "cufftExecR2C");
}

void ifft2_real(Queue& q, View<float> y, View<const Complex> x) {
  // The multi-dimensional C2R transform overwrites its input: it gets a copy, scaled on the way.
  const std::size_t copy_size = rounded_up(std::size_t(x.size()) * sizeof(Complex));
  const std::size_t y_bytes = std::size_t(y.size()) * sizeof(float);
  const bool direct = usable(y.data);
  auto* const scratch = static_cast<char*>(q.scratch(copy_size + (direct ? 0 : y_bytes)));
  auto* const copy = reinterpret_cast<Complex*>(scratch);
  float* const output = direct ? y.data : reinterpret_cast<float*>(scratch + copy_size);
  scale(q, copy, x.data, x.size(), y.shape);
  const cufftHandle plan = q.state<Plans>().get(q, CUFFT_C2R, y.shape);
  check_cufft(cufftExecC2R(plan, cufft(copy), output), "cufftExecC2R");
  if (!direct) copy_bytes(q, y.data, output, y_bytes);
}

}  // namespace tweedie::cuda

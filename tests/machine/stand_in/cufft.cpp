// Stand-in for cuFFT: the calls that kernels/fft.cu makes, on the host, written from the documentation:
// batches of dense 2-D transforms of float, not normalised. What the documentation rules out or leaves
// undefined is refused. Lines are transformed in double by splitting their length into its prime factors.
#include <cufft.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <map>
#include <numbers>
#include <vector>

#include "tests/machine/stand_in/library.hpp"

using namespace tweedie::stand_in;
using tweedie::message;
using Wide = std::complex<double>;
using Complex = std::complex<float>;

namespace {

struct Plan {
  bool made = false, auto_allocation = true;
  std::int64_t H = 0, W = 0, batch = 0;
  cufftType type = CUFFT_C2C;
  cudaStream_t stream = nullptr;
  std::size_t work_bytes = 0;
  void* area = nullptr;
  bool owns_area = false;
};

struct Plans {
  std::map<cufftHandle, Plan> all;
  cufftHandle next = 4001;
};

Plans& plans() {
  static Plans* all = new Plans;
  return *all;
}

cufftResult refuse(cufftResult status, const std::string& why) {
  report(why);
  return status;
}

Plan* find(cufftHandle handle) {
  const auto found = plans().all.find(handle);
  return found == plans().all.end() ? nullptr : &found->second;
}

cufftResult no_plan(const char* call) {
  return refuse(CUFFT_INVALID_PLAN, message(call, ": no such plan, or in the wrong state"));
}

// exp(sign 2 pi i m / n) for all m.
std::vector<Wide> roots(std::int64_t n, int sign) {
  std::vector<Wide> out;
  for (std::int64_t m = 0; m < n; ++m)
    out.push_back(std::polar(1.0, sign * 2 * std::numbers::pi * double(m) / double(n)));
  return out;
}

std::int64_t smallest_factor(std::int64_t n) {
  for (std::int64_t p = 2; p * p <= n; ++p)
    if (n % p == 0) return p;
  return n;
}

// out[k] = sum_j in[j stride] w^(jk), w the n-th root of unity root[root_step]: with p the smallest factor of
// n, p transforms of the elements j = r (mod p), combined by a transform of length p for each k.
void transform(Wide* out, const Wide* in, std::int64_t n, std::int64_t stride, const std::vector<Wide>& root,
               std::int64_t root_step) {
  if (n == 1) {
    out[0] = in[0];
    return;
  }
  const std::int64_t p = smallest_factor(n), m = n / p;
  for (std::int64_t r = 0; r < p; ++r)
    transform(out + r * m, in + r * stride, m, stride * p, root, root_step * p);
  std::vector<Wide> part(static_cast<std::size_t>(p));
  for (std::int64_t k = 0; k < m; ++k) {
    for (std::int64_t r = 0; r < p; ++r) part[std::size_t(r)] = out[r * m + k];
    for (std::int64_t s = 0; s < p; ++s) {
      Wide sum = 0;
      for (std::int64_t r = 0; r < p; ++r)
        sum += part[std::size_t(r)] * root[std::size_t(r * (k + s * m) % n * root_step)];
      out[s * m + k] = sum;
    }
  }
}

// One plane of H rows of W, in place: rows, then columns.
void transform_plane(std::vector<Wide>& plane, std::int64_t H, std::int64_t W, int sign) {
  const std::vector<Wide> row_roots = roots(W, sign), column_roots = roots(H, sign);
  std::vector<Wide> line(static_cast<std::size_t>(std::max(H, W)));
  for (std::int64_t u = 0; u < H; ++u) {
    transform(line.data(), plane.data() + u * W, W, 1, row_roots, 1);
    std::copy_n(line.begin(), W, plane.begin() + u * W);
  }
  for (std::int64_t v = 0; v < W; ++v) {
    transform(line.data(), plane.data() + v, H, W, column_roots, 1);
    for (std::int64_t u = 0; u < H; ++u) plane[std::size_t(u * W + v)] = line[std::size_t(u)];
  }
}

// The part of a Hermitian plane that is stored, completed: X(-u, -v) = conj X(u, v).
std::vector<Wide> completed(const Complex* half, std::int64_t H, std::int64_t W) {
  const std::int64_t stored = W / 2 + 1;
  std::vector<Wide> full;
  for (std::int64_t u = 0; u < H; ++u)
    for (std::int64_t v = 0; v < W; ++v)
      full.push_back(v < stored ? Wide(half[u * stored + v])
                                : std::conj(Wide(half[(H - u) % H * stored + W - v])));
  return full;
}

// Columns that hold both halves of a pair must agree, or the real result is undefined. Rounding may differ:
// a thousandth of the largest value is far above it and far below a mistake.
bool hermitian(const Complex* half, std::int64_t H, std::int64_t W) {
  const std::int64_t stored = W / 2 + 1;
  double largest = 0;
  for (std::int64_t i = 0; i < H * stored; ++i) largest = std::max(largest, std::abs(Wide(half[i])));
  for (std::int64_t v = 0; v < stored; ++v) {
    if (v != 0 && 2 * v != W) continue;
    for (std::int64_t u = 0; u < H; ++u) {
      const Wide a = half[u * stored + v], b = half[(H - u) % H * stored + v];
      if (std::abs(a - std::conj(b)) > 1e-3 * largest) return false;
    }
  }
  return true;
}

// What every execution checks; `in` and `out` are whole arrays.
cufftResult check(const char* call, Plan* plan, cufftType type, const Stretch& in, const Stretch& out) {
  if (!plan || !plan->made || plan->type != type) return no_plan(call);
  for (const Stretch& s : {in, out})
    if (!s.data || reinterpret_cast<std::uintptr_t>(s.data) % sizeof(Complex) != 0)
      return refuse(CUFFT_INVALID_VALUE, message(call, ": an array is null or not aligned to 8 bytes"));
  if (!on_device(call, "the input", in) || !on_device(call, "the output", out)) return CUFFT_INVALID_VALUE;
  // In place, the dense layout of real transforms pads rows; nothing here asks for that.
  if (overlap(in, out) && (type != CUFFT_C2C || in.data != out.data))
    return refuse(CUFFT_INVALID_VALUE, message(call, ": input and output overlap"));
  const Stretch area{plan->area, plan->work_bytes};
  if (!plan->area) return refuse(CUFFT_EXEC_FAILED, message(call, ": the plan has no work area"));
  if (!on_device(call, "the work area", area)) return CUFFT_EXEC_FAILED;
  if (overlap(area, in) || overlap(area, out))
    return refuse(CUFFT_EXEC_FAILED, message(call, ": the work area overlaps an array"));
  if (Runtime::instance().sticky != cudaSuccess || !known(plan->stream))
    return refuse(CUFFT_EXEC_FAILED, message(call, ": no working stream"));
  if (outside_capture(call) != cudaSuccess)
    return CUFFT_EXEC_FAILED;  // cuFFT could; nothing here records one
  return CUFFT_SUCCESS;
}

}  // namespace

extern "C" {

cufftResult cufftCreate(cufftHandle* handle) {
  if (!handle) return refuse(CUFFT_INVALID_VALUE, "cufftCreate: null");
  *handle = plans().next++;
  plans().all[*handle] = {};
  return CUFFT_SUCCESS;
}

cufftResult cufftDestroy(cufftHandle handle) {
  Plan* const plan = find(handle);
  if (!plan) return no_plan("cufftDestroy");
  if (plan->owns_area) DeviceMemory::instance().free(plan->area);
  plans().all.erase(handle);
  return CUFFT_SUCCESS;
}

cufftResult cufftSetAutoAllocation(cufftHandle handle, int automatic) {
  Plan* const plan = find(handle);
  if (!plan || plan->made) return no_plan("cufftSetAutoAllocation");  // afterwards it would do nothing
  plan->auto_allocation = automatic != 0;
  return CUFFT_SUCCESS;
}

cufftResult cufftMakePlanMany(cufftHandle handle, int rank, int* n, int* inembed, int, int, int* onembed, int,
                              int, cufftType type, int batch, size_t* work_bytes) {
  const char* const call = "cufftMakePlanMany";
  Plan* const plan = find(handle);
  if (!plan || plan->made) return no_plan(call);
  if (!n || !work_bytes) return refuse(CUFFT_INVALID_VALUE, message(call, ": null"));
  if (rank != 2 || inembed || onembed)
    return refuse(CUFFT_NOT_SUPPORTED, message(call, ": only dense 2-D transforms are known here"));
  if (type != CUFFT_C2C && type != CUFFT_R2C && type != CUFFT_C2R)
    return refuse(CUFFT_INVALID_TYPE, message(call, ": type ", int(type)));
  if (n[0] < 1 || n[1] < 1 || batch < 1)
    return refuse(CUFFT_INVALID_SIZE, message(call, ": ", batch, " planes of ", n[0], " x ", n[1]));
  plan->made = true;
  plan->H = n[0];
  plan->W = n[1];
  plan->batch = batch;
  plan->type = type;
  *work_bytes = plan->work_bytes = std::size_t(plan->batch * plan->H * plan->W) * sizeof(Complex);
  if (plan->auto_allocation) {
    plan->area = DeviceMemory::instance().allocate(plan->work_bytes);
    plan->owns_area = plan->area != nullptr;
    if (!plan->area) return refuse(CUFFT_ALLOC_FAILED, message(call, ": the device is full"));
  }
  return CUFFT_SUCCESS;
}

cufftResult cufftSetStream(cufftHandle handle, cudaStream_t stream) {
  Plan* const plan = find(handle);
  if (!plan || !known(stream)) return no_plan("cufftSetStream");
  plan->stream = stream;
  return CUFFT_SUCCESS;
}

cufftResult cufftSetWorkArea(cufftHandle handle, void* area) {
  Plan* const plan = find(handle);
  if (!plan || !plan->made) return no_plan("cufftSetWorkArea");
  if (!on_device("cufftSetWorkArea", "the work area", {area, plan->work_bytes})) return CUFFT_INVALID_VALUE;
  if (plan->owns_area) DeviceMemory::instance().free(plan->area);
  plan->owns_area = false;
  plan->area = area;
  return CUFFT_SUCCESS;
}

cufftResult cufftExecC2C(cufftHandle handle, cufftComplex* in, cufftComplex* out, int direction) {
  const char* const call = "cufftExecC2C";
  Plan* const plan = find(handle);
  if (direction != CUFFT_FORWARD && direction != CUFFT_INVERSE)
    return refuse(CUFFT_INVALID_VALUE, message(call, ": direction ", direction));
  const std::int64_t pixels = plan ? plan->H * plan->W : 0, count = plan ? plan->batch * pixels : 0;
  const std::size_t bytes = std::size_t(count) * sizeof(Complex);
  const cufftResult status = check(call, plan, CUFFT_C2C, {in, bytes}, {out, bytes});
  if (status != CUFFT_SUCCESS || !to_compute()) return status;
  DeviceAccess access;
  poison({plan->area, plan->work_bytes});
  const auto* const x = reinterpret_cast<const Complex*>(in);
  auto* const y = reinterpret_cast<Complex*>(out);
#pragma omp parallel for schedule(static)
  for (std::int64_t p = 0; p < plan->batch; ++p) {
    std::vector<Wide> plane(x + p * pixels, x + (p + 1) * pixels);
    transform_plane(plane, plan->H, plan->W, direction == CUFFT_FORWARD ? -1 : 1);
    std::copy(plane.begin(), plane.end(), y + p * pixels);
  }
  return CUFFT_SUCCESS;
}

cufftResult cufftExecR2C(cufftHandle handle, cufftReal* in, cufftComplex* out) {
  Plan* const plan = find(handle);
  const std::int64_t H = plan ? plan->H : 0, W = plan ? plan->W : 0, batch = plan ? plan->batch : 0;
  const std::int64_t stored = W / 2 + 1;
  const cufftResult status =
      check("cufftExecR2C", plan, CUFFT_R2C, {in, std::size_t(batch * H * W) * sizeof(float)},
            {out, std::size_t(batch * H * stored) * sizeof(Complex)});
  if (status != CUFFT_SUCCESS || !to_compute()) return status;
  DeviceAccess access;
  poison({plan->area, plan->work_bytes});
  auto* const y = reinterpret_cast<Complex*>(out);
#pragma omp parallel for schedule(static)
  for (std::int64_t p = 0; p < batch; ++p) {
    std::vector<Wide> plane(in + p * H * W, in + (p + 1) * H * W);
    transform_plane(plane, H, W, -1);
    for (std::int64_t u = 0; u < H; ++u)
      for (std::int64_t v = 0; v < stored; ++v)
        y[(p * H + u) * stored + v] = Complex(plane[std::size_t(u * W + v)]);
  }
  return CUFFT_SUCCESS;
}

cufftResult cufftExecC2R(cufftHandle handle, cufftComplex* in, cufftReal* out) {
  const char* const call = "cufftExecC2R";
  Plan* const plan = find(handle);
  const std::int64_t H = plan ? plan->H : 0, W = plan ? plan->W : 0, batch = plan ? plan->batch : 0;
  const std::int64_t half = H * (W / 2 + 1);
  const Stretch input{in, std::size_t(batch * half) * sizeof(Complex)};
  const cufftResult status =
      check(call, plan, CUFFT_C2R, input, {out, std::size_t(batch * H * W) * sizeof(float)});
  if (status != CUFFT_SUCCESS || !to_compute()) return status;
  DeviceAccess access;
  poison({plan->area, plan->work_bytes});
  const auto* const x = reinterpret_cast<const Complex*>(in);
  for (std::int64_t p = 0; p < batch; ++p)
    if (!hermitian(x + p * half, H, W))
      return refuse(CUFFT_EXEC_FAILED,
                    message(call, ": plane ", p, " is not the half spectrum of a real plane"));
#pragma omp parallel for schedule(static)
  for (std::int64_t p = 0; p < batch; ++p) {
    std::vector<Wide> plane = completed(x + p * half, H, W);
    transform_plane(plane, H, W, 1);
    for (std::int64_t i = 0; i < H * W; ++i) out[p * H * W + i] = float(plane[std::size_t(i)].real());
  }
  // Documented: a multi-dimensional C2R transform overwrites its input.
  poison(input);
  return CUFFT_SUCCESS;
}

}  // extern "C"

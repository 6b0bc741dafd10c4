// The runtime's stand-in keeps device memory apart, checks every pointer, and behaves as the CUDA runtime API
// documents.
#include <cuda_runtime_api.h>
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "tests/machine/ptx/kernels/kernels.hpp"
#include "tests/machine/stand_in/control.hpp"
#include "tests/machine/stand_in/device_memory.hpp"

namespace tweedie::stand_in {
namespace {

namespace kernels = ptx::kernels;

/// Device memory of one test.
struct DeviceBytes {
  explicit DeviceBytes(std::size_t bytes) { REQUIRE(cudaMalloc(&data, bytes) == cudaSuccess); }
  ~DeviceBytes() { cudaFree(data); }
  char* at(std::size_t offset) const { return static_cast<char*>(data) + offset; }
  void* data = nullptr;
};

/// Keeps expected reports off stderr.
struct Quiet {
  Quiet() { set_quiet(true); }
  ~Quiet() {
    set_quiet(false);
    clear_fault();
  }
};

// The signal that ends a child process which calls f, or 0.
template <class F>
int signal_of(F f) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);  // without the handlers of the test framework and sanitizers
    f();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

bool reported(const std::string& words) {
  if (last_report().find(words) != std::string::npos) return true;
  MESSAGE("'" << words << "' is not in: " << last_report());
  return false;
}

}  // namespace

TEST_CASE("the host faults when it dereferences device memory, and only then") {
  const DeviceBytes device(64);
  volatile float* inside = static_cast<float*>(device.data);
  CHECK(signal_of([&] { *inside = 1; }) == SIGSEGV);
  CHECK(signal_of([&] { (void)*inside; }) == SIGSEGV);
  CHECK(signal_of([&] {
          const DeviceAccess outer;
          { const DeviceAccess inner; }  // closing the inner one keeps the outer open
          *inside = 1;
        }) == 0);
  CHECK(signal_of([&] {
          { const DeviceAccess access; }
          *inside = 1;
        }) == SIGSEGV);
  // After a launch, too.
  kernels::write_one(static_cast<float*>(DeviceBytes(256).data));
  CHECK(signal_of([&] { *inside = 1; }) == SIGSEGV);
}

TEST_CASE("new and freed device memory is NaN") {
  float* block = nullptr;
  REQUIRE(cudaMalloc(reinterpret_cast<void**>(&block), 40) == cudaSuccess);
  std::vector<float> values(10);
  REQUIRE(cudaMemcpy(values.data(), block, 40, cudaMemcpyDeviceToHost) == cudaSuccess);
  for (const float v : values) CHECK(std::isnan(v));
  REQUIRE(cudaMemset(block, 0, 40) == cudaSuccess);
  REQUIRE(cudaFree(block) == cudaSuccess);
  const DeviceAccess access;
  for (int k = 0; k < 10; ++k) CHECK(std::isnan(block[k]));
}

TEST_CASE("copies: every direction, and pointers on the wrong side") {
  const Quiet quiet;
  const DeviceBytes a(64), b(64);
  const std::vector<char> from(64, 7);
  std::vector<char> to(64);
  CHECK(cudaMemcpy(a.data, from.data(), 64, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(cudaMemcpy(b.data, a.data, 64, cudaMemcpyDeviceToDevice) == cudaSuccess);
  CHECK(cudaMemcpyAsync(to.data(), b.data, 64, cudaMemcpyDefault, nullptr) == cudaSuccess);
  CHECK(to == from);

  CHECK(cudaMemcpy(a.data, from.data(), 64, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(reported("the destination is given as host memory but is"));
  CHECK(cudaMemcpy(to.data(), b.data, 64, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(reported("the destination is given as device memory but is"));
  CHECK(reported("host memory"));
  CHECK(cudaMemcpy(a.data, b.data, 64, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(reported("the source is given as host memory but is"));
  CHECK(cudaMemcpy(a.at(1), from.data(), 64, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(reported("not inside one device block"));
  CHECK(cudaMemcpy(a.at(8), a.data, 16, cudaMemcpyDeviceToDevice) == cudaErrorInvalidValue);
  CHECK(reported("overlap"));
  CHECK(cudaMemset(to.data(), 0, 64) == cudaErrorInvalidValue);
  CHECK(reported("cudaMemset: the destination is given as device memory"));
  CHECK(cudaMemset(a.at(60), 0, 8) == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaSuccess);  // not sticky
}

TEST_CASE("copies of rows") {
  const DeviceBytes device(4 * 16);
  REQUIRE(cudaMemset(device.data, 0, 64) == cudaSuccess);
  const std::string rows = "abcdefghijkl";  // 4 rows of 3
  CHECK(cudaMemcpy2D(device.data, 16, rows.data(), 3, 3, 4, cudaMemcpyHostToDevice) == cudaSuccess);
  std::string back(12, ' ');
  CHECK(cudaMemcpy2D(back.data(), 3, device.data, 16, 3, 4, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(back == rows);
  char third = 0;
  CHECK(cudaMemcpy(&third, device.at(2 * 16 + 1), 1, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(third == 'h');
}

TEST_CASE("freeing: not a block, twice, and a block written past its end") {
  const Quiet quiet;
  CHECK(cudaFree(nullptr) == cudaSuccess);
  char on_host = 0;
  CHECK(cudaFree(&on_host) == cudaErrorInvalidValue);
  char* block = nullptr;
  REQUIRE(cudaMalloc(reinterpret_cast<void**>(&block), 100) == cudaSuccess);
  CHECK(cudaFree(block + 4) == cudaErrorInvalidValue);
  CHECK(reported("4 bytes into a block of 100 bytes"));
  CHECK(cudaFree(block) == cudaSuccess);
  CHECK(cudaFree(block) == cudaErrorInvalidValue);
  CHECK(reported("not the start of an allocated block"));

  REQUIRE(cudaMalloc(reinterpret_cast<void**>(&block), 100) == cudaSuccess);
  {
    const DeviceAccess access;
    block[100] = 1;
  }
  CHECK(cudaFree(block) == cudaErrorIllegalAddress);
  CHECK(reported("wrote past the end of this block"));
}

TEST_CASE("running out of device memory is an error the process survives; blocks return") {
  const Quiet quiet;
  const std::size_t used = statistics().used_bytes;
  set_device_memory(used + (10 << 20));
  void *first = nullptr, *second = nullptr;
  CHECK(cudaMalloc(&first, 8 << 20) == cudaSuccess);
  CHECK(cudaMalloc(&second, 8 << 20) == cudaErrorMemoryAllocation);
  CHECK(second == nullptr);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  std::size_t free_bytes = 0, total_bytes = 0;
  CHECK(cudaMemGetInfo(&free_bytes, &total_bytes) == cudaSuccess);
  CHECK(total_bytes == used + (10 << 20));
  CHECK(free_bytes == 2 << 20);
  CHECK(cudaFree(first) == cudaSuccess);
  for (int k = 0; k < 100; ++k) {  // far more in total than the device has
    CHECK(cudaMalloc(&first, 9 << 20) == cudaSuccess);
    CHECK(cudaFree(first) == cudaSuccess);
  }
  set_device_memory(std::size_t(16) << 30);
  CHECK(statistics().used_bytes == used);
}

TEST_CASE("allocations and launches are counted") {
  const Statistics before = statistics();
  {
    const DeviceBytes a(256), b(256);
    kernels::write_one(static_cast<float*>(a.data));
    CHECK(statistics().used_bytes == before.used_bytes + 512);
  }
  const Statistics after = statistics();
  CHECK(after.mallocs == before.mallocs + 2);
  CHECK(after.frees == before.frees + 2);
  CHECK(after.launches == before.launches + 1);
  CHECK(after.thread_instructions >= before.thread_instructions + 64 * 2);
}

TEST_CASE("launches that a GPU refuses") {
  const Quiet quiet;
  const DeviceBytes device(1024);
  auto* floats = static_cast<float*>(device.data);
  kernels::reverse_rows(floats, floats, 1, 20000);  // a block of 20000 threads
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
  CHECK(reported("block (20000, 1, 1) is too large"));
  kernels::reverse_rows(floats, floats, 0, 32);
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
  CHECK(reported("grid (0, 1, 1) is empty"));
  CHECK(cudaDeviceSynchronize() == cudaSuccess);  // nothing ran, nothing sticks
}

TEST_CASE("streams and events: life and misuse") {
  const Quiet quiet;
  cudaStream_t stream = nullptr;
  CHECK(cudaStreamCreate(&stream) == cudaSuccess);
  void *to = nullptr, *from = nullptr;
  CHECK(cudaMalloc(&to, 4) == cudaSuccess);
  CHECK(cudaMalloc(&from, 4) == cudaSuccess);
  cudaEvent_t start = nullptr, end = nullptr, silent = nullptr;
  CHECK(cudaEventCreate(&start) == cudaSuccess);
  CHECK(cudaEventCreate(&end) == cudaSuccess);
  CHECK(cudaEventCreateWithFlags(&silent, cudaEventDisableTiming) == cudaSuccess);
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaErrorInvalidResourceHandle);  // not recorded
  CHECK(cudaEventRecord(start, stream) == cudaSuccess);
  for (int k = 0; k < 3; ++k)
    CHECK(cudaMemcpyAsync(to, from, 4, cudaMemcpyDeviceToDevice, stream) == cudaSuccess);
  CHECK(cudaEventRecord(end, stream) == cudaSuccess);
  CHECK(cudaEventRecord(silent, stream) == cudaSuccess);
  CHECK(cudaEventSynchronize(end) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaSuccess);
  CHECK(milliseconds == doctest::Approx(0.03));  // 10 us each, whatever they take the host
  CHECK(cudaEventElapsedTime(&milliseconds, start, silent) == cudaErrorInvalidResourceHandle);
  CHECK(cudaStreamWaitEvent(stream, end, 0) == cudaSuccess);
  for (void* block : {to, from}) CHECK(cudaFree(block) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaStreamDestroy(stream) == cudaErrorInvalidResourceHandle);
  for (cudaEvent_t event : {start, end, silent}) CHECK(cudaEventDestroy(event) == cudaSuccess);
  CHECK(cudaEventRecord(end, nullptr) == cudaErrorInvalidResourceHandle);
  CHECK(std::string(cudaGetErrorName(cudaGetLastError())) == "cudaErrorInvalidResourceHandle");
}

TEST_CASE("stream-ordered allocation, pinned memory, what a pointer is") {
  const Quiet quiet;
  void *device = nullptr, *pinned = nullptr;
  CHECK(cudaMallocAsync(&device, 64, nullptr) == cudaSuccess);
  CHECK(cudaHostAlloc(&pinned, 64, cudaHostAllocDefault) == cudaSuccess);
  std::memset(pinned, 5, 64);
  CHECK(cudaMemcpyAsync(device, pinned, 64, cudaMemcpyHostToDevice, nullptr) == cudaSuccess);
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, device) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeDevice);
  CHECK(cudaPointerGetAttributes(&attributes, pinned) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeHost);
  CHECK(cudaPointerGetAttributes(&attributes, &attributes) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeUnregistered);
  CHECK(cudaFreeAsync(device, nullptr) == cudaSuccess);
  CHECK(cudaFreeHost(pinned) == cudaSuccess);
  CHECK(cudaFreeHost(&attributes) == cudaErrorInvalidValue);
}

TEST_CASE("the device describes itself") {
  int count = 0, value = 0;
  CHECK(cudaGetDeviceCount(&count) == cudaSuccess);
  CHECK(count == 1);
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
  CHECK(properties.warpSize == 32);
  CHECK(std::string(properties.name).find("no GPU") != std::string::npos);
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0) == cudaSuccess);
  CHECK(value == properties.multiProcessorCount);
  const Quiet quiet;
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice);
  CHECK(cudaGetDeviceProperties(&properties, 1) == cudaErrorInvalidDevice);
}

TEST_CASE("a faulty kernel leaves a sticky error that only clear_fault ends") {
  const Quiet quiet;
  const DeviceBytes device(256);
  kernels::misaligned_vector(static_cast<float*>(device.data), false);
  CHECK(cudaGetLastError() == cudaErrorMisalignedAddress);
  CHECK(cudaGetLastError() == cudaErrorMisalignedAddress);
  CHECK(cudaMemset(device.data, 0, 4) == cudaErrorMisalignedAddress);
  void* more = nullptr;
  CHECK(cudaMalloc(&more, 4) == cudaErrorMisalignedAddress);
  CHECK(cudaDeviceReset() == cudaErrorMisalignedAddress);
  clear_fault();
  CHECK(last_report().empty());
  CHECK(cudaMemset(device.data, 0, 4) == cudaSuccess);
  CHECK(cudaGetLastError() == cudaSuccess);
}

}  // namespace tweedie::stand_in

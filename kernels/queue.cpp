#include "kernels/queue.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <optional>
#include <string>

#include "kernels/onednn.hpp"

#if TWEEDIE_CUDA
#include "kernels/cuda.hpp"
#endif

namespace tweedie {
namespace {

constexpr std::size_t alignment = 256;
constexpr std::size_t huge_page = std::size_t(2) << 20;

std::size_t round_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

// Large blocks sit on huge pages: a U-Net streams through hundreds of MiB, and 4 KiB pages miss the TLB.
void* allocate_cpu(std::size_t bytes) {
  const std::size_t unit = bytes >= huge_page ? huge_page : alignment;
  void* pointer = std::aligned_alloc(unit, round_up(std::max<std::size_t>(bytes, 1), unit));
  if (pointer && unit == huge_page) madvise(pointer, round_up(bytes, unit), MADV_HUGEPAGE);
  return pointer;
}

// The number that a file begins with, or that follows `label` in it; nothing where there is none ("max").
std::optional<std::size_t> number_in(const char* path, const std::string& label = {}) {
  std::ifstream file(path);
  for (std::string word; label.empty() || file >> word;)
    if (std::size_t number = 0; label.empty() || word == label)
      return file >> number ? std::optional(number) : std::nullopt;
  return {};
}

std::size_t available_cpu() {
  std::size_t bytes = number_in("/proc/meminfo", "MemAvailable:").value_or(0) * 1024;
  // A container sees its own limits here.
  const auto limit = number_in("/sys/fs/cgroup/memory.max"),
             used = number_in("/sys/fs/cgroup/memory.current");
  if (limit && used) bytes = std::min(bytes, *limit - std::min(*limit, *used));
  return bytes;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(std::min(line.size(), line.find(':') + 2));
  return "unknown CPU";
}

}  // namespace

Queue::Queue(Device device) : device_(device) {
  if (device == Device::cpu) return;
  require(built_with_cuda, "device cuda: this build has no CUDA; configure with -DTWEEDIE_CUDA=on");
#if TWEEDIE_CUDA
  require(cuda_device_count() > 0, "device cuda: no usable CUDA device found; use --device cpu");
  // One that does not wait for the legacy stream, nor that for it: else it could not be recorded while anyone
  // uses that.
  CHECK_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
#endif
}

void Queue::set_precision(Precision precision) {
  Precision multiplied = precision;
  if (precision == Precision::bf16)
    multiplied = on_cuda() ? Precision::tf32 : onednn::has_matrix_units() ? Precision::bf16 : Precision::fp32;
  set_multiplied(multiplied);
  precision_ = precision;
}

void Queue::set_multiplied(Precision precision) {
  require(precision != Precision::tf32 || on_cuda(), "precision tf32: of NVIDIA's GPUs; use fp32 or bf16");
  require(precision != Precision::bf16 || !on_cuda(), "precision bf16: convolutions on CUDA multiply tf32");
  require(precision != Precision::bf16 || onednn::multiplies_bf16(),
          "precision bf16: this CPU multiplies no bfloat16 (AVX512-BF16 or AMX)");
  multiplied_ = precision;
}

Queue::~Queue() {
  // Plans and handles may still use the buffers and the stream: they go first.
  states_.clear();
  give_back(scratch_);
  give_back(workspace_);
  for (Buffer& buffer : outgrown_) give_back(buffer);
#if TWEEDIE_CUDA
  if (stream_ && cudaStreamDestroy(stream_) != cudaSuccess)
    std::fputs("tweedie: stream not destroyed\n", stderr);
#endif
}

void* Queue::grow(Buffer& buffer, std::size_t bytes) {
  if (bytes <= buffer.bytes) return buffer.data;
  if (keeps_buffers_) {
    if (buffer.data) outgrown_.push_back(buffer);
    buffer = {};
  } else {
    synchronize();  // queued kernels may still read the old buffer
    give_back(buffer);
  }
  buffer.data = allocate(bytes);
  buffer.bytes = bytes;
  return buffer.data;
}

void Queue::give_back(Buffer& buffer) noexcept {
  if (buffer.data) deallocate(buffer.data, buffer.bytes);
  buffer = {};
}

void* Queue::allocate(std::size_t bytes) {
  void* pointer = nullptr;
#if TWEEDIE_CUDA
  if (on_cuda()) {
    const cudaError_t status = cudaMalloc(&pointer, std::max<std::size_t>(bytes, 1));
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // clears the error: the process can go on with smaller work
      pointer = nullptr;
    } else {
      check_cuda(status, "cudaMalloc", std::source_location::current());
    }
  }
#endif
  if (!on_cuda()) pointer = allocate_cpu(bytes);
  require(pointer != nullptr, "out of memory: ", bytes >> 20, " MiB more were needed on ", name(device_),
          ", ", meter_.live >> 20, " MiB are in use");
  meter_.add(bytes);
  return pointer;
}

void Queue::deallocate(void* pointer, std::size_t bytes) noexcept {
  if (!pointer) return;
  meter_.subtract(bytes);
#if TWEEDIE_CUDA
  if (on_cuda()) {
    if (cudaFree(pointer) != cudaSuccess) std::fputs("tweedie: cudaFree failed\n", stderr);
    return;
  }
#endif
  std::free(pointer);
}

std::size_t Queue::available() const {
#if TWEEDIE_CUDA
  if (on_cuda()) {
    std::size_t free = 0, total = 0;
    CHECK_CUDA(cudaMemGetInfo(&free, &total));
    return free;
  }
#endif
  return available_cpu();
}

void Queue::synchronize() {
#if TWEEDIE_CUDA
  if (on_cuda()) CHECK_CUDA(cudaStreamSynchronize(stream_));
#endif
}

int cuda_device_count() {
  int count = 0;
#if TWEEDIE_CUDA
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    count = 0;
  }
#endif
  return count;
}

std::string device_description(Device device) {
#if TWEEDIE_CUDA
  if (device == Device::cuda) {
    cudaDeviceProp properties;
    CHECK_CUDA(cudaGetDeviceProperties(&properties, 0));
    return properties.name;
  }
#endif
  return device == Device::cpu ? cpu_model() : "no CUDA device";
}

void copy_to_host(Queue& q, void* host, const void* device, std::size_t bytes) {
#if TWEEDIE_CUDA
  if (q.on_cuda()) {
    CHECK_CUDA(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, q.stream()));
    q.synchronize();
    return;
  }
#endif
  (void)q;
  std::memcpy(host, device, bytes);
}

void copy_from_host(Queue& q, void* device, const void* host, std::size_t bytes) {
  if (bytes == 0) return;
#if TWEEDIE_CUDA
  if (q.on_cuda()) {
    CHECK_CUDA(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, q.stream()));
    q.synchronize();
    return;
  }
#endif
  (void)q;
  std::memcpy(device, host, bytes);
}

void copy_bytes(Queue& q, void* to, const void* from, std::size_t bytes) {
#if TWEEDIE_CUDA
  if (q.on_cuda()) {
    CHECK_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, q.stream()));
    return;
  }
#endif
  (void)q;
  std::memcpy(to, from, bytes);
}

void fill_bytes(Queue& q, void* to, unsigned char value, std::size_t bytes) {
#if TWEEDIE_CUDA
  if (q.on_cuda()) {
    CHECK_CUDA(cudaMemsetAsync(to, value, bytes, q.stream()));
    return;
  }
#endif
  (void)q;
  std::memset(to, value, bytes);
}

}  // namespace tweedie

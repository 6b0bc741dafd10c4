// Where kernels run: a device, its stream, two grow-only buffers, and the libraries' handles and plans.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <typeindex>
#include <unordered_map>
#include <vector>

#include "kernels/error.hpp"
#include "kernels/map.hpp"

#ifndef TWEEDIE_CUDA
#define TWEEDIE_CUDA 0
#endif

struct CUstream_st;
using cudaStream_t = CUstream_st*;

namespace tweedie {

enum class Device { cpu, cuda };

inline const char* name(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

/// True when this build holds CUDA code (real, or run by the simulated machine of the tests).
inline constexpr bool built_with_cuda = TWEEDIE_CUDA != 0;

/// How exactly a network computes. fp32: throughout. tf32: convolutions on CUDA round what they multiply to
/// 10 bits of mantissa. bf16: what a network keeps of its maps is stored as bfloat16, and convolutions round
/// what they multiply where matrix units are: to bfloat16 on CPUs with AMX, to TF32 on CUDA; elsewhere they
/// multiply fp32. Sums, statistics and what passes from kernel to kernel are fp32 always.
enum class Precision { fp32, tf32, bf16 };

inline const char* name(Precision precision) {
  return precision == Precision::fp32 ? "fp32" : precision == Precision::tf32 ? "tf32" : "bf16";
}

/// CUDA devices this process can use: 0 without a driver, a GPU or CUDA in the build.
int cuda_device_count();

/// "Intel(R) Xeon(R) ..." or "NVIDIA H100 ...": what a report should call the device.
std::string device_description(Device device);

/// Bytes asked of the driver (malloc or the CUDA runtime) and not yet given back.
struct MemoryMeter {
  std::size_t live = 0, peak = 0, calls = 0;
  void add(std::size_t bytes) {
    live += bytes;
    calls += 1;
    if (live > peak) peak = live;
  }
  void subtract(std::size_t bytes) { live -= bytes; }
};

/// One device and everything a kernel needs beside its arguments. Work is executed in order. A queue is used
/// by one thread at a time. Kernels never allocate: they borrow `scratch` (ours) and `workspace`
/// (libraries'), each valid until the next call for the same buffer.
class Queue {
 public:
  /// Errors: CUDA asked for in a build without it, or without a usable GPU.
  explicit Queue(Device device);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  Device device() const { return device_; }
  bool on_cuda() const { return built_with_cuda && device_ == Device::cuda; }
  cudaStream_t stream() const { return stream_; }
  Precision precision() const { return precision_; }
  /// Errors: tf32 on a CPU.
  void set_precision(Precision precision);
  /// How maps are stored that a network keeps.
  Storage storage() const { return precision_ == Precision::bf16 ? Storage::bf16 : Storage::fp32; }
  /// What convolutions round to that they multiply.
  Precision multiplied() const { return multiplied_; }
  /// The same of other hardware, to be looked at on this. Errors: bf16 where the CPU has no instructions for
  /// it (AVX512-BF16), or on CUDA; tf32 on a CPU.
  void set_multiplied(Precision precision);
  /// Waits until all queued work is done.
  void synchronize();

  /// At least `bytes` bytes, 256-byte aligned, contents undefined; grows once and stays. While something is
  /// recorded it can't grow.
  void* scratch(std::size_t bytes) { return grow(scratch_, bytes); }
  void* workspace(std::size_t bytes) { return grow(workspace_, bytes); }
  /// From now on a buffer that is outgrown stays where it is beside the new one: a recorded graph has its
  /// address.
  void keep_buffers() { keeps_buffers_ = true; }

  /// Raw device memory, 256-byte aligned; counted by `meter`. Only pools and buffers call these.
  void* allocate(std::size_t bytes);
  void deallocate(void* pointer, std::size_t bytes) noexcept;
  MemoryMeter& meter() { return meter_; }
  /// Bytes that could still be had, as the system tells: of the GPU's memory, or of the machine's or the
  /// container's.
  std::size_t available() const;

  /// The one `State` of this queue (a library's handle and its plans), made by `State(Queue&)` on first use.
  template <class State>
  State& state() {
    auto& slot = states_[typeid(State)];
    if (!slot) slot = std::make_shared<State>(*this);
    return *static_cast<State*>(slot.get());
  }

 private:
  struct Buffer {
    void* data = nullptr;
    std::size_t bytes = 0;
  };
  void* grow(Buffer& buffer, std::size_t bytes);
  void give_back(Buffer& buffer) noexcept;

  Device device_;
  cudaStream_t stream_ = nullptr;
  Precision precision_ = Precision::fp32, multiplied_ = Precision::fp32;
  MemoryMeter meter_;
  Buffer scratch_, workspace_;
  bool keeps_buffers_ = false;
  std::vector<Buffer> outgrown_;
  std::unordered_map<std::type_index, std::shared_ptr<void>> states_;
};

/// Copies `bytes` bytes; `host` is ordinary memory, `device` memory of the queue's device. Both wait until
/// done.
void copy_to_host(Queue& q, void* host, const void* device, std::size_t bytes);
void copy_from_host(Queue& q, void* device, const void* host, std::size_t bytes);
/// Copies within the queue's device, in order with other work. The ranges must not overlap.
void copy_bytes(Queue& q, void* to, const void* from, std::size_t bytes);
/// Fills device memory with one byte value, in order with other work.
void fill_bytes(Queue& q, void* to, unsigned char value, std::size_t bytes);

}  // namespace tweedie

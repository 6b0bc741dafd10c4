// Stand-in for the CUDA runtime: allocation, copies and fills. Every pointer is checked for where it lives.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "tests/machine/stand_in/runtime_state.hpp"

namespace tweedie::stand_in {
namespace {

enum class Side { host, device };

DeviceMemory& memory() { return DeviceMemory::instance(); }

// Says what is wrong with a pointer given as one side of a copy, or nothing.
std::string objection(const char* call, const char* role, const void* pointer, std::size_t bytes, Side side) {
  const bool on_device = memory().contains(pointer);
  if (side == Side::host) {
    if (!pointer) return message(call, ": ", role, " is null");
    if (on_device)
      return message(call, ": ", role, " is given as host memory but is ", memory().describe(pointer));
    return {};
  }
  if (!on_device)
    return message(call, ": ", role, " is given as device memory but is ", memory().describe(pointer));
  if (!memory().allocated(pointer, bytes))
    return message(call, ": ", role, " of ", bytes,
                   " bytes is not inside one device block: ", memory().describe(pointer));
  return {};
}

Side side_of(const void* pointer) { return memory().contains(pointer) ? Side::device : Side::host; }

cudaError_t copy(const char* call, void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                 cudaStream_t stream = nullptr) {
  if (Runtime::instance().sticky != cudaSuccess) return result(Runtime::instance().sticky);
  if (bytes == 0) return result(cudaSuccess);
  Side to_side = Side::host, from_side = Side::host;
  switch (kind) {
    case cudaMemcpyHostToHost:
      break;
    case cudaMemcpyHostToDevice:
      to_side = Side::device;
      break;
    case cudaMemcpyDeviceToHost:
      from_side = Side::device;
      break;
    case cudaMemcpyDeviceToDevice:
      to_side = from_side = Side::device;
      break;
    case cudaMemcpyDefault:
      to_side = side_of(to), from_side = side_of(from);
      break;
    default:
      return refuse(cudaErrorInvalidMemcpyDirection, message(call, ": direction ", int(kind)));
  }
  std::string no = objection(call, "the destination", to, bytes, to_side);
  if (no.empty()) no = objection(call, "the source", from, bytes, from_side);
  if (!no.empty()) return refuse(cudaErrorInvalidValue, no);
  const auto *a = static_cast<const char*>(from), *b = static_cast<const char*>(to);
  if (a < b + bytes && b < a + bytes)
    return refuse(cudaErrorInvalidValue, message(call, ": source and destination overlap"));
  // Ordinary memory of the host is read when the call is made, which a graph would do too late.
  if (to_side == Side::host || from_side == Side::host)
    if (const cudaError_t captured = outside_capture(call); captured != cudaSuccess) return captured;
  return queue(stream, [=] {
    Runtime::instance().counts.copies += 1;
    DeviceAccess access;
    std::memcpy(to, from, bytes);
    return result(cudaSuccess);
  });
}

cudaError_t copy_rows(const char* call, void* to, std::size_t to_pitch, const void* from,
                      std::size_t from_pitch, std::size_t width, std::size_t height, cudaMemcpyKind kind,
                      cudaStream_t stream = nullptr) {
  if (width > to_pitch || width > from_pitch)
    return refuse(cudaErrorInvalidPitchValue,
                  message(call, ": rows of ", width, " bytes, pitches of ", to_pitch, " and ", from_pitch));
  DeviceAccess access;  // once, not for each row
  for (std::size_t row = 0; row < height; ++row) {
    const cudaError_t status = copy(call, static_cast<char*>(to) + row * to_pitch,
                                    static_cast<const char*>(from) + row * from_pitch, width, kind, stream);
    if (status != cudaSuccess) return status;
  }
  return result(cudaSuccess);
}

cudaError_t fill(const char* call, void* to, int value, std::size_t bytes, cudaStream_t stream = nullptr) {
  if (Runtime::instance().sticky != cudaSuccess) return result(Runtime::instance().sticky);
  if (bytes == 0) return result(cudaSuccess);
  const std::string no = objection(call, "the destination", to, bytes, Side::device);
  if (!no.empty()) return refuse(cudaErrorInvalidValue, no);
  return queue(stream, [=] {
    Runtime::instance().counts.copies += 1;
    DeviceAccess access;
    std::memset(to, value, bytes);
    return result(cudaSuccess);
  });
}

cudaError_t no_stream(const char* call) {
  return refuse(cudaErrorInvalidResourceHandle, message(call, ": the stream does not exist"));
}

cudaError_t allocate(void** pointer, std::size_t bytes) {
  Runtime& runtime = Runtime::instance();
  if (!pointer) return refuse(cudaErrorInvalidValue, "cudaMalloc: null argument");
  if (runtime.sticky != cudaSuccess) return result(runtime.sticky);
  *pointer = nullptr;
  if (bytes == 0) return result(cudaSuccess);
  if (const cudaError_t no = outside_capture("cudaMalloc"); no != cudaSuccess) return no;
  runtime.counts.mallocs += 1;
  *pointer = memory().allocate(bytes);
  return result(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t release(const char* call, void* pointer) {
  Runtime& runtime = Runtime::instance();
  if (!pointer) return result(cudaSuccess);
  if (const cudaError_t no = outside_capture(call); no != cudaSuccess) return no;
  const std::string where = memory().describe(pointer);
  switch (memory().free(pointer)) {
    case DeviceMemory::FreeResult::not_a_block:
      return refuse(cudaErrorInvalidValue, message(call, ": not the start of an allocated block: ", where));
    case DeviceMemory::FreeResult::guard_overwritten:
      return refuse(cudaErrorIllegalAddress,
                    message(call, ": a library call wrote past the end of this block: ", where));
    case DeviceMemory::FreeResult::freed:
      break;
  }
  runtime.counts.frees += 1;
  return result(runtime.sticky);
}

// The address of a __device__ or __constant__ variable, checked against its size.
cudaError_t resolve(const char* call, const void* variable, std::size_t bytes, std::size_t offset,
                    char** address) {
  auto& variables = Runtime::instance().variables;
  const auto found = variables.find(variable);
  if (found == variables.end())
    return refuse(cudaErrorInvalidSymbol, message(call, ": not a device variable"));
  try {
    const auto symbol = loaded(*found->second.code).symbol(found->second.name);
    if (!symbol.address)
      return refuse(cudaErrorInvalidSymbol, message(call, ": no variable ", found->second.name));
    if (offset + bytes > symbol.bytes)
      return refuse(cudaErrorInvalidValue, message(call, ": ", bytes, " bytes at offset ", offset, " of ",
                                                   found->second.name, ", which has ", symbol.bytes));
    *address = static_cast<char*>(symbol.address) + offset;
    return cudaSuccess;
  } catch (const ptx::Fault& fault) {
    return refuse(cudaErrorInvalidPtx, fault.what());
  }
}

}  // namespace
}  // namespace tweedie::stand_in

using namespace tweedie::stand_in;

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) { return allocate(pointer, bytes); }

cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t stream) {
  return known(stream) ? allocate(pointer, bytes) : no_stream("cudaMallocAsync");
}

cudaError_t cudaFree(void* pointer) { return release("cudaFree", pointer); }

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  return known(stream) ? release("cudaFreeAsync", pointer) : no_stream("cudaFreeAsync");
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = memory().total_bytes();
  *free = *total - std::min(*total, memory().used_bytes());
  return result(Runtime::instance().sticky);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  Runtime::instance().counts.waits += kind != cudaMemcpyDeviceToDevice;
  return copy("cudaMemcpy", to, from, bytes, kind);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return known(stream) ? copy("cudaMemcpyAsync", to, from, bytes, kind, stream)
                       : no_stream("cudaMemcpyAsync");
}

cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                         size_t height, cudaMemcpyKind kind) {
  Runtime::instance().counts.waits += kind != cudaMemcpyDeviceToDevice;
  return copy_rows("cudaMemcpy2D", to, to_pitch, from, from_pitch, width, height, kind);
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  if (!known(stream)) return no_stream("cudaMemcpy2DAsync");
  return copy_rows("cudaMemcpy2DAsync", to, to_pitch, from, from_pitch, width, height, kind, stream);
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) { return fill("cudaMemset", to, value, bytes); }

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return known(stream) ? fill("cudaMemsetAsync", to, value, bytes, stream) : no_stream("cudaMemsetAsync");
}

cudaError_t cudaMemcpyToSymbol(const void* variable, const void* from, size_t bytes, size_t offset,
                               cudaMemcpyKind kind) {
  char* to = nullptr;
  const cudaError_t status = resolve("cudaMemcpyToSymbol", variable, bytes, offset, &to);
  return status == cudaSuccess ? copy("cudaMemcpyToSymbol", to, from, bytes, kind) : status;
}

cudaError_t cudaMemcpyToSymbolAsync(const void* variable, const void* from, size_t bytes, size_t offset,
                                    cudaMemcpyKind kind, cudaStream_t stream) {
  if (!known(stream)) return no_stream("cudaMemcpyToSymbolAsync");
  return cudaMemcpyToSymbol(variable, from, bytes, offset, kind);
}

cudaError_t cudaMemcpyFromSymbol(void* to, const void* variable, size_t bytes, size_t offset,
                                 cudaMemcpyKind kind) {
  char* from = nullptr;
  const cudaError_t status = resolve("cudaMemcpyFromSymbol", variable, bytes, offset, &from);
  return status == cudaSuccess ? copy("cudaMemcpyFromSymbol", to, from, bytes, kind) : status;
}

cudaError_t cudaMemcpyFromSymbolAsync(void* to, const void* variable, size_t bytes, size_t offset,
                                      cudaMemcpyKind kind, cudaStream_t stream) {
  if (!known(stream)) return no_stream("cudaMemcpyFromSymbolAsync");
  return cudaMemcpyFromSymbol(to, variable, bytes, offset, kind);
}

cudaError_t cudaGetSymbolAddress(void** address, const void* variable) {
  char* found = nullptr;
  const cudaError_t status = resolve("cudaGetSymbolAddress", variable, 0, 0, &found);
  *address = found;
  return status == cudaSuccess ? result(cudaSuccess) : status;
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  *pointer = bytes ? std::malloc(bytes) : nullptr;
  if (*pointer) Runtime::instance().pinned[*pointer] = bytes;
  return result(*pointer || !bytes ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) { return cudaHostAlloc(pointer, bytes, 0); }

cudaError_t cudaFreeHost(void* pointer) {
  if (!pointer) return result(cudaSuccess);
  if (Runtime::instance().pinned.erase(pointer) == 0)
    return refuse(cudaErrorInvalidValue,
                  "cudaFreeHost: not from cudaHostAlloc: " + memory().describe(pointer));
  std::free(pointer);
  return result(cudaSuccess);
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  *attributes = {};
  attributes->type = cudaMemoryTypeUnregistered;
  attributes->device = -2;  // cudaInvalidDeviceId
  if (memory().allocated(pointer, 1)) {
    attributes->type = cudaMemoryTypeDevice;
    attributes->device = 0;
    attributes->devicePointer = const_cast<void*>(pointer);
  } else if (Runtime::instance().pinned.count(const_cast<void*>(pointer))) {
    attributes->type = cudaMemoryTypeHost;
    attributes->device = 0;
    attributes->hostPointer = const_cast<void*>(pointer);
  }
  return result(cudaSuccess);
}

}  // extern "C"

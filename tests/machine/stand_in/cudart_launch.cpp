// Stand-in for the CUDA runtime: kernel launches, function attributes and occupancy.
#include <algorithm>

#include "tests/machine/stand_in/runtime_state.hpp"

namespace tweedie::stand_in {
namespace {

struct CallConfiguration {
  dim3 grid, block;
  std::size_t shared = 0;
  cudaStream_t stream = nullptr;
};
thread_local CallConfiguration configuration;

constexpr std::size_t shared_limit = 227 * 1024;  // of a block, when asked for by cudaFuncSetAttribute

DeviceName* find_kernel(const void* function) {
  auto& kernels = Runtime::instance().kernels;
  const auto found = kernels.find(function);
  return found == kernels.end() ? nullptr : &found->second;
}

cudaError_t status_of(ptx::FaultKind kind) {
  switch (kind) {
    case ptx::FaultKind::load:
      return cudaErrorInvalidPtx;
    case ptx::FaultKind::launch:
      return cudaErrorInvalidConfiguration;
    case ptx::FaultKind::illegal_address:
      return cudaErrorIllegalAddress;
    case ptx::FaultKind::misaligned_address:
      return cudaErrorMisalignedAddress;
    case ptx::FaultKind::trap:
      return cudaErrorAssert;
    case ptx::FaultKind::budget:
      return cudaErrorLaunchTimeout;
    default:
      return cudaErrorLaunchFailure;
  }
}

std::string text(dim3 d) { return message("(", d.x, ", ", d.y, ", ", d.z, ")"); }

// Why a launch cannot be: the limits every current GPU has, and the kernel's own.
std::string objection(const ptx::KernelTraits& traits, const DeviceName& kernel, dim3 grid, dim3 block,
                      std::size_t shared) {
  if (!grid.x || !grid.y || !grid.z) return "grid " + text(grid) + " is empty";
  if (grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535) return "grid " + text(grid) + " is too large";
  const std::size_t threads = std::size_t(block.x) * block.y * block.z;
  if (threads == 0) return "block " + text(block) + " is empty";
  if (threads > 1024 || block.z > 64) return "block " + text(block) + " is too large";
  if (threads > traits.max_threads)
    return message("block ", text(block), " exceeds the kernel's __launch_bounds__(", traits.max_threads,
                   ")");
  if (shared > kernel.max_dynamic_shared || shared + traits.static_shared_bytes > shared_limit)
    return message(shared, " bytes of dynamic beside ", traits.static_shared_bytes,
                   " bytes of static shared memory; the kernel's limit is ", kernel.max_dynamic_shared,
                   " bytes (cudaFuncAttributeMaxDynamicSharedMemorySize)");
  return {};
}

// Runs what a launch asks for; its sizes are known to be right.
cudaError_t run(const ptx::Module& module, const std::string& kernel, dim3 grid, dim3 block,
                std::size_t shared, void* const* arguments) {
  Runtime& runtime = Runtime::instance();
  std::lock_guard lock(runtime.mutex);
  if (runtime.sticky != cudaSuccess) return result(runtime.sticky);
  try {
    DeviceAccess access;
    runtime.counts.launches += 1;
    const ptx::Statistics done =
        module.launch(kernel, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared, arguments,
                      DeviceMemory::instance().ranges(), runtime.options);
    runtime.counts.thread_instructions += done.thread_instructions;
    runtime.counts.warp_instructions += done.warp_instructions;
    if (runtime.options.count_traffic) {
      KernelCount& count = runtime.kernel_counts[kernel];
      count.launches += 1;
      count.read_bytes += done.read_bytes;
      count.written_bytes += done.written_bytes;
    }
    return result(cudaSuccess);
  } catch (const ptx::Fault& fault) {
    const cudaError_t status = status_of(fault.kind());
    if (fault.kind() != ptx::FaultKind::load) runtime.sticky = status;
    return refuse(status, fault.what());
  }
}

// A graph's launch keeps copies of its arguments.
struct Recorded {
  const ptx::Module* module;
  std::string kernel;
  dim3 grid, block;
  std::size_t shared;
  std::vector<std::vector<char>> arguments;

  cudaError_t operator()() {
    std::vector<void*> pointers;
    for (std::vector<char>& argument : arguments) pointers.push_back(argument.data());
    return run(*module, kernel, grid, block, shared, pointers.data());
  }
};

cudaError_t launch(const void* function, dim3 grid, dim3 block, void** arguments, std::size_t shared,
                   cudaStream_t stream) {
  Runtime& runtime = Runtime::instance();
  std::unique_lock lock(runtime.mutex);
  if (runtime.sticky != cudaSuccess) return result(runtime.sticky);
  DeviceName* kernel = find_kernel(function);
  if (!kernel) return refuse(cudaErrorInvalidDeviceFunction, "launch of something that is not a kernel");
  if (!known(stream)) return refuse(cudaErrorInvalidResourceHandle, "launch on a stream that does not exist");
  try {
    const ptx::Module& module = loaded(*kernel->code);
    const ptx::KernelTraits traits = module.traits(kernel->name);
    const std::string no = objection(traits, *kernel, grid, block, shared);
    if (!no.empty())
      return refuse(cudaErrorInvalidConfiguration,
                    "launch of " + ptx::readable_name(kernel->name) + ": " + no);
    lock.unlock();
    if (!runtime.capture) return run(module, kernel->name, grid, block, shared, arguments);
    Recorded recorded{&module, kernel->name, grid, block, shared, {}};
    for (std::size_t k = 0; k < traits.parameter_bytes.size(); ++k) {
      const char* const from = static_cast<const char*>(arguments[k]);
      recorded.arguments.emplace_back(from, from + traits.parameter_bytes[k]);
    }
    return queue(stream, std::move(recorded));
  } catch (const ptx::Fault& fault) {
    return refuse(status_of(fault.kind()), fault.what());
  }
}

}  // namespace
}  // namespace tweedie::stand_in

using namespace tweedie::stand_in;
using tweedie::message;

extern "C" {

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream) {
  configuration = {grid, block, shared, stream};
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  *grid = configuration.grid;
  *block = configuration.block;
  *shared = configuration.shared;
  *static_cast<cudaStream_t*>(stream) = configuration.stream;
  return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared,
                             cudaStream_t stream) {
  return launch(function, grid, block, arguments, shared, stream);
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                               cudaStream_t stream) {
  return launch(kernel, grid, block, arguments, shared, stream);
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  DeviceName* kernel = find_kernel(function);
  if (!kernel) return refuse(cudaErrorInvalidDeviceFunction, "cudaFuncSetAttribute: not a kernel");
  if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return result(cudaSuccess);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize)
    return refuse(cudaErrorInvalidValue, message("cudaFuncSetAttribute: attribute ", int(attribute)));
  if (value < 0 || std::size_t(value) > shared_limit)
    return refuse(cudaErrorInvalidValue, message("cudaFuncSetAttribute: ", value,
                                                 " bytes of shared memory, at most ", shared_limit));
  kernel->max_dynamic_shared = std::size_t(value);
  return result(cudaSuccess);
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  DeviceName* kernel = find_kernel(function);
  if (!kernel) return refuse(cudaErrorInvalidDeviceFunction, "cudaFuncGetAttributes: not a kernel");
  try {
    const auto traits = loaded(*kernel->code).traits(kernel->name);
    *attributes = {};
    attributes->sharedSizeBytes = traits.static_shared_bytes;
    attributes->localSizeBytes = traits.local_bytes;
    attributes->maxThreadsPerBlock = int(traits.max_threads);
    attributes->numRegs = 32;  // PTX has no register allocation; a number that limits nothing
    attributes->ptxVersion = attributes->binaryVersion = 90;
    attributes->maxDynamicSharedSizeBytes = int(kernel->max_dynamic_shared);
    return result(cudaSuccess);
  } catch (const tweedie::ptx::Fault& fault) {
    return refuse(status_of(fault.kind()), fault.what());
  }
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* function,
                                                                   int threads, size_t dynamic_shared,
                                                                   unsigned) {
  cudaFuncAttributes attributes;
  const cudaError_t status = cudaFuncGetAttributes(&attributes, function);
  if (status != cudaSuccess) return status;
  if (threads <= 0 || threads > attributes.maxThreadsPerBlock)
    return refuse(cudaErrorInvalidValue, message("cudaOccupancy...: ", threads, " threads"));
  // Of compute capability 9.0: 2048 threads, 32 blocks and 228 KiB a multiprocessor, 1 KiB kept per block.
  const int by_threads = 2048 / ((threads + 31) / 32 * 32);
  const std::size_t shared = attributes.sharedSizeBytes + dynamic_shared + 1024;
  *blocks = int(std::min<std::size_t>(std::min(by_threads, 32), 228 * 1024 / shared));
  return result(cudaSuccess);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int threads,
                                                          size_t dynamic_shared) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, dynamic_shared, 0);
}

}  // extern "C"

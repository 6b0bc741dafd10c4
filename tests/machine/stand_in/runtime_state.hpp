// What the pieces of the runtime's stand-in share. Private to tests/machine/stand_in.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tests/machine/ptx/machine.hpp"
#include "tests/machine/stand_in/control.hpp"
#include "tests/machine/stand_in/device_memory.hpp"

namespace tweedie::stand_in {

/// A fat binary as registered by nvcc's host code, parsed when one of its kernels or variables is first used.
struct DeviceCode {
  std::string text;
  std::unique_ptr<ptx::Module> module;
};

/// A kernel or a variable: the code it belongs to and its (mangled) name in the PTX.
struct DeviceName {
  DeviceCode* code = nullptr;
  std::string name;
  std::size_t max_dynamic_shared = 48 * 1024;  ///< kernels: raised by cudaFuncSetAttribute
};

/// What a graph does, in order.
using Nodes = std::vector<std::function<cudaError_t()>>;

/// A stream that records.
struct Capture {
  cudaStream_t stream;
  Nodes nodes;
  bool spoiled = false;  ///< by a call that a capture forbids
};

struct Runtime {
  std::mutex mutex;
  std::unordered_map<const void*, DeviceName> kernels, variables;  ///< by the address of their host stub
  std::unordered_set<cudaStream_t> streams;
  std::unordered_set<cudaEvent_t> events;
  std::optional<Capture> capture;                 ///< one at a time is enough here
  std::unordered_map<void*, std::size_t> pinned;  ///< cudaHostAlloc and cudaHostRegister
  cudaError_t sticky = cudaSuccess;               ///< a kernel's fault: every later call returns it
  Statistics counts;
  std::map<std::string, KernelCount> kernel_counts;  ///< by mangled name
  double seconds_passed = 0;  ///< on the device's clock, beside those of launches and calls
  bool dry = false;           ///< library calls compute nothing
  ptx::Options options;
  std::string report;
  bool quiet = false;

  Runtime();
  static Runtime& instance();  ///< never destroyed, as static objects call the runtime from destructors
};

/// Prints a line "CUDA stand-in: ..." and keeps it for last_report().
void report(const std::string& text);

/// Every entry point returns through this: remembers an error for cudaGetLastError.
cudaError_t result(cudaError_t status);

/// The same with an explanation, for calls the stand-in refuses.
cudaError_t refuse(cudaError_t status, const std::string& why);

/// Whether the stream is the default one or was created and not destroyed.
bool known(cudaStream_t stream);

/// Does the work, or, where the stream is captured, keeps it for the graph. Work on another stream meanwhile
/// is refused, as is the legacy stream's by CUDA.
cudaError_t queue(cudaStream_t stream, std::function<cudaError_t()> work);

/// For calls that no capture bears, as they wait, ask for memory or read the host's: cudaSuccess when there
/// is none, else the capture is spoiled.
cudaError_t outside_capture(const char* call);

/// The module of the code, parsed on demand. Errors: ptx::Fault of kind `load`.
ptx::Module& loaded(DeviceCode& code);

}  // namespace tweedie::stand_in

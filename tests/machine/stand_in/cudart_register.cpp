// Stand-in for the CUDA runtime: shared state, and what nvcc's host code calls before main().
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/machine/stand_in/runtime_state.hpp"

namespace tweedie::stand_in {
namespace {

ptx::WarpOrder order_from_environment() {
  const char* value = std::getenv("TWEEDIE_WARP_ORDER");
  if (!value || std::strcmp(value, "forward") == 0) return ptx::WarpOrder::forward;
  if (std::strcmp(value, "reverse") == 0) return ptx::WarpOrder::reverse;
  if (std::strcmp(value, "random") == 0) return ptx::WarpOrder::random;
  std::fprintf(stderr, "TWEEDIE_WARP_ORDER is '%s'; expected forward, reverse or random\n", value);
  std::exit(2);
}

}  // namespace

Runtime::Runtime() {
  options.order = order_from_environment();
  const char* checks = std::getenv("TWEEDIE_SHARED_CHECKS");
  options.check_shared = !(checks && std::strcmp(checks, "0") == 0);
}

Runtime& Runtime::instance() {
  static Runtime* runtime = new Runtime;
  return *runtime;
}

void report(const std::string& text) {
  Runtime& runtime = Runtime::instance();
  runtime.report = text;
  if (!runtime.quiet) std::fprintf(stderr, "CUDA stand-in: %s\n", text.c_str());
}

ptx::Module& loaded(DeviceCode& code) {
  if (!code.module) {
    DeviceAccess access;
    const auto zeroed = [](std::size_t bytes) {
      void* memory = DeviceMemory::instance().allocate(bytes);
      if (!memory) throw ptx::Fault(ptx::FaultKind::load, "no device memory left for a module's variables");
      return std::memset(memory, 0, bytes);
    };
    code.module = std::make_unique<ptx::Module>(code.text, zeroed);
  }
  return *code.module;
}

// ---- control.hpp --------------------------------------------------------------------------------------

void set_warp_order(ptx::WarpOrder order, std::uint32_t seed) {
  Runtime::instance().options.order = order;
  Runtime::instance().options.seed = seed;
}

void set_dry(unsigned blocks) {
  Runtime::instance().options.most_blocks = blocks;
  Runtime::instance().dry = blocks > 0;
}

void count_kernels(bool on) {
  Runtime::instance().options.count_traffic = on;
  Runtime::instance().kernel_counts.clear();
}

std::map<std::string, KernelCount> kernel_counts() {
  std::map<std::string, KernelCount> counts;
  for (const auto& [name, count] : Runtime::instance().kernel_counts)
    counts[ptx::readable_name(name)] = count;
  return counts;
}

void set_shared_checks(bool on) { Runtime::instance().options.check_shared = on; }

void set_control_budget(std::uint64_t instructions) {
  Runtime::instance().options.control_budget = instructions;
}

Statistics statistics() {
  Statistics counts = Runtime::instance().counts;
  counts.used_bytes = DeviceMemory::instance().used_bytes();
  return counts;
}

std::string last_report() { return Runtime::instance().report; }

void clear_fault() {
  Runtime::instance().sticky = cudaSuccess;
  Runtime::instance().report.clear();
  cudaGetLastError();
}

void set_quiet(bool quiet) { Runtime::instance().quiet = quiet; }

void set_device_memory(std::size_t total_bytes) { DeviceMemory::instance().set_total_bytes(total_bytes); }

namespace {

// What nvcc puts into the host object: a wrapper around a fat binary, which is a header and a list of
// entries, PTX (kind 1) or machine code, each with a header of its own.
struct FatBinaryWrapper {
  int magic, version;
  const char* data;
  void* unused;
};

template <class T>
T read(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::string ptx_text(const FatBinaryWrapper& wrapper) {
  constexpr std::uint32_t magic = 0xba55ed50;
  const char* header = wrapper.data;
  if (read<std::uint32_t>(header) != magic) return {};
  const char* entry = header + read<std::uint16_t>(header + 6);
  const char* end = entry + read<std::uint64_t>(header + 8);
  while (entry < end) {
    const auto kind = read<std::uint16_t>(entry);
    const auto header_bytes = read<std::uint32_t>(entry + 4);
    const auto bytes = read<std::uint64_t>(entry + 8);
    if (kind == 1) {
      const char* text = entry + header_bytes;
      return std::string(text, strnlen(text, bytes));
    }
    entry += header_bytes + bytes;
  }
  return {};
}

}  // namespace
}  // namespace tweedie::stand_in

using namespace tweedie::stand_in;

extern "C" {

void** __cudaRegisterFatBinary(void* wrapper) {
  auto* code = new DeviceCode;  // lives as long as the process, like the code it stands for
  code->text = ptx_text(*static_cast<const FatBinaryWrapper*>(wrapper));
  if (code->text.find(".version") == std::string::npos) {
    std::fputs(
        "CUDA stand-in: an object holds no readable PTX; compile with -code=compute_90 --no-compress\n",
        stderr);
    std::abort();
  }
  return reinterpret_cast<void**>(code);
}

void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }

void __cudaRegisterFunction(void** handle, const char* host, char*, const char* name, int, uint3*, uint3*,
                            dim3*, dim3*, int*) {
  Runtime::instance().kernels[host] = {reinterpret_cast<DeviceCode*>(handle), name};
}

void __cudaRegisterVar(void** handle, char* host, char*, const char* name, int, size_t, int, int) {
  Runtime::instance().variables[host] = {reinterpret_cast<DeviceCode*>(handle), name};
}

}  // extern "C"

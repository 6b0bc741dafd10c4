// --device, --threads and --precision, the same for every program.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "kernels/queue.hpp"
#include "tools/threads.hpp"

namespace tweedie {

inline void add_device_option(CLI::App& app, std::string& device) {
  app.add_option("--device", device, "auto (CUDA where there is a device, else the CPU), cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  add_threads_option(app);
}

inline Device choose_device(const std::string& device) {
  if (device == "auto") return cuda_device_count() > 0 ? Device::cuda : Device::cpu;
  return device == "cuda" ? Device::cuda : Device::cpu;
}

inline void add_precision_option(CLI::App& app, std::string& precision) {
  app.add_option("--precision", precision,
                 "fp32, or bf16: convolutions round what they multiply to bfloat16 (CPUs with AMX: several "
                 "times as fast)")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
}

inline Precision choose_precision(const std::string& precision) {
  return precision == "bf16" ? Precision::bf16 : Precision::fp32;
}

}  // namespace tweedie

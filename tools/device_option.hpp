// --device, --threads, --precision and --checkpoint, the same for every program.
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
  app.add_option(
         "--precision", precision,
         "fp32; tf32: convolutions on CUDA round what they multiply to TF32; bf16: what a network keeps "
         "of its maps is bfloat16, which takes half the memory, and convolutions use matrix units where "
         "there are any (AMX: bfloat16, several times as fast; CUDA: TF32)")
      ->check(CLI::IsMember({"fp32", "tf32", "bf16"}))
      ->capture_default_str();
}

inline void add_checkpoint_option(CLI::App& app, bool& checkpoint) {
  app.add_flag(
      "--checkpoint", checkpoint,
      "Gradient checkpointing: keep less of each pass and compute it again for the gradient; the same "
      "results, in less memory and more time");
}

inline Precision choose_precision(const std::string& precision) {
  return precision == "bf16" ? Precision::bf16 : precision == "tf32" ? Precision::tf32 : Precision::fp32;
}

}  // namespace tweedie

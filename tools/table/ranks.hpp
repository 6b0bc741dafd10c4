// Parts of a table, and which of them and of the GPUs belong to this process.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace tweedie::table {

/// The i-th of n parts.
struct Shard {
  int index = 0, count = 1;
  /// Whether run k, of `methods` methods, is of this part. Not k % count alone: then a part could get the
  /// same methods of every image.
  bool has(std::size_t k, std::size_t methods) const {
    return int((k % methods + k / methods) % std::size_t(count)) == index;
  }
};

/// A variable of the environment, or nothing.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

/// The part that `text` (--shard I/N, I from 1) says, or, where it is empty, Open MPI's, MPICH's or SLURM's
/// numbering of processes. Errors: a text of another form; a part that there is not.
Shard shard_of(const std::string& text, const Environment& environment);

/// What CUDA_VISIBLE_DEVICES is to be for this process, one of several on a machine with `gpus` GPUs, so that
/// each has one of its own: nothing where it is alone, there is no choice, or somebody (SLURM's
/// --gpus-per-task) has chosen already.
std::optional<std::string> visible_gpu(int gpus, const Environment& environment);

/// GPUs of this machine as the driver lists them; nothing is initialised.
int count_gpus();

}  // namespace tweedie::table

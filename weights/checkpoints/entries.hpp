// Which of a checkpoint's tensors are the network: the entry that holds them, and what their names begin
// with.
#pragma once

#include <string>
#include <vector>

#include "weights/checkpoints/checkpoint.hpp"

namespace tweedie {

/// A dict of tensors inside a checkpoint.
struct CheckpointEntry {
  std::string name;  ///< "" for the outermost, "ema", "state/model"
  std::vector<TensorEntry> tensors;
  std::vector<std::string> ignored;  ///< keys of what is no tensor, nor a dict
};

/// What was chosen.
struct ChosenTensors {
  std::vector<TensorEntry> tensors;  ///< their names without what all began with
  std::vector<std::string> notices;  ///< what was left, one line each
};

/// The network's tensors. Wrappers' parts of names (`_orig_mod`, ...) are taken out. A set of tensors looks
/// like a network when, after a prefix that all of them share ("", "module.", "model.diffusion_model."), the
/// name of its first layer follows. Of several, averaged weights come first (names with "ema"), then the
/// usual names of state dicts. `wanted` ("" for none) names an entry, or a prefix. Without any that looks
/// like a network the entry of most tensors is taken, for the caller to judge. `keys`: what the outermost
/// dict has, for messages; `where` begins them. Errors: no tensors; no entry of the wanted name; several that
/// look alike, without a wish.
ChosenTensors choose_tensors(const std::vector<CheckpointEntry>& entries,
                             const std::vector<std::string>& keys, const std::string& wanted,
                             const std::string& where);

}  // namespace tweedie

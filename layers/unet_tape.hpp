// What a U-Net keeps between passes. Private to layers/unet*.cpp.
#pragma once

#include <memory>
#include <vector>

#include "kernels/recorded.hpp"
#include "layers/unet.hpp"

namespace tweedie {

/// What one forward pass leaves: a state for each layer, the head's input, and for training the way of the
/// embedding; or, of a pass that was replayed, that all of it is where the graph put it.
struct UNet::Tape : Saved {
  std::vector<LayerSaved> layers;
  Feature head_x;
  Tensor head_bias, head_stats;  // head_bias: which head_x lacks; may be empty
  Shape image;
  bool training = false;
  Tensor sinusoids, hidden_before, hidden, embedding_before, embedding;  // before: SiLU
  std::vector<int> labels;
  std::shared_ptr<Replay::Pass> pass;     // in the replay's memory; empty: it was an ordinary one
  std::shared_ptr<Replay::Tenant> lease;  // of that memory

  ~Tape() override { leave(); }
  void clear() {
    head_x = {};
    head_bias = head_stats = sinusoids = hidden_before = hidden = embedding_before = embedding = {};
    for (LayerSaved& each : layers) each.emplace<std::monostate>();
    leave();
  }
  // Gives the replay's memory back.
  void leave() {
    if (lease && lease->tape == this) lease->tape = nullptr;
    lease.reset();
    pass.reset();
  }
};

}  // namespace tweedie

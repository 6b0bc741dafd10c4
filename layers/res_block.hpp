// The residual block of guided-diffusion's U-Net.
#pragma once

#include <optional>

#include "layers/basic.hpp"

namespace tweedie {

/// y = skip(x) + conv(SiLU(GN(h; e))),  h = conv(resample(SiLU(GN(x)))), e the block's projection of the
/// timestep embedding: as scale and shift of the second norm, or added to h before it. The skip is the
/// (resampled) input, through a 1x1 convolution when the channels change. (Dhariwal & Nichol 2021, ResBlock;
/// up and down act after SiLU, before the convolution, and on the skip.)
class ResBlock {
 public:
  struct Config {
    int in, out, embedding;
    Resample how = Resample::none;
    bool scale_shift = false;
  };
  /// What the backward pass needs: the two norms' inputs and a few numbers a sample.
  struct Saved {
    Feature x, second, h;  ///< second: of an x in two parts; h: empty where it is made again
    Tensor stats_in, stats_out, modulation;
    Tensor added;  ///< to h, for when that is made again
    SplitMap in() const { return {x, second}; }
  };
  ResBlock(Context& context, const WeightScope& scope, const Config& config);
  /// Of the timestep embedding (N, embedding, 1, 1; after SiLU): a network projects for all its blocks at
  /// once.
  const Linear& projection() const { return embed_; }
  /// x (N, in, H, W), its last sum perhaps left to us, as y's is to its reader; `modulation`: what the
  /// projection made. `kept` receives x's first part, complete. `saved` null: inference.
  Sum forward(Context& context, Sum x, Tensor modulation, Feature& kept, Saved* saved = nullptr) const;
  /// What a backward pass needs, and leaves, beside: the gradients of all parameters and of the embedding.
  struct Training {
    Gradients& gradients;
    const Tensor& embedding;  ///< what was projected for the forward call
    Tensor& dembedding;       ///< added to
  };
  /// Gradient with respect to x, in as many parts, and `plus` (another reader's of x; may be empty) added to
  /// it; releases `saved`. `training` null: that alone.
  Gradient backward(Context& context, const Tensor& dy, Saved& saved, const Training* training = nullptr,
                    const Tensor& plus = {}) const;
  void list_parameters(std::vector<Parameter>& to);

 private:
  /// The second norm's, which adds the first convolution's bias: a pass less over h.
  NormInputs inputs_out(const Saved& s) const { return {&s.modulation, conv_in_.bias().data()}; }
  /// h of the first norm's output, less the first convolution's bias.
  Tensor inner(Context& context, const Feature& normed, const Tensor& added) const;
  /// The biases of the two convolutions that make y, where there is a skip_.
  Tensor sum_of_biases(Context& context) const;
  Feature backward_out(Context& context, const Tensor& dy, Saved& s, const Training* training) const;
  Gradient backward_in(Context& context, Gradient dnormed, const Tensor& dy, const Saved& s,
                       Gradients* gradients, const Tensor& plus) const;
  void add_skip_and_in_gradients(Context& context, const Tensor& dy, const Tensor& dh, const Saved& s,
                                 Gradients& gradients) const;

  Config config_;
  Norm norm_in_;
  Conv2d conv_in_;
  Linear embed_;
  Norm norm_out_;
  Conv2d conv_out_;
  std::optional<Conv2d> skip_;
  Tensor biases_;  ///< of the second convolution and the skip's together; empty while they may change
};

}  // namespace tweedie

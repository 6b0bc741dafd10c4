// The U-Net of guided-diffusion (Dhariwal & Nichol 2021) as a Denoiser, with its input gradient.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/denoiser.hpp"
#include "layers/attention_block.hpp"
#include "layers/res_block.hpp"
#include "layers/unet_plan.hpp"

namespace tweedie {

/// The whole UNetModel family. Weights are read by name and shape; anything missing or misshapen is an error
/// that names it. Inputs and outputs are planar; inside, feature maps have the layout the device convolves
/// fastest in.
class UNet : public Denoiser {
 public:
  /// `time_scale` multiplies timesteps before they are embedded (rescale_timesteps: 1000 / steps).
  UNet(Context& context, const WeightScope& scope, const UNetConfig& config, double time_scale = 1);
  ~UNet() override;

  /// Raw output (N, out_channels, H, W) for x (N, in_channels, H, W) and one timestep a sample. H and W are
  /// multiples of `stride()`. Class-conditional networks take their labels from `set_labels`.
  Tensor forward(const Tensor& x, std::span<const float> timesteps, Saved* saved = nullptr);

  std::unique_ptr<Saved> make_saved() const override;
  /// A state that also keeps what the gradients of the parameters need.
  std::unique_ptr<Saved> make_training_saved() const;
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved* saved = nullptr) override;
  /// `dout` is a cotangent of all of the raw output, or of its first channels only (eps).
  Tensor backward(const Tensor& dout, Saved& saved) override;
  /// Adds the gradients of <dout, output> with respect to all parameters; `saved` is a training state. The
  /// gradient with respect to x comes with it when `input`, else the result is empty.
  Tensor backward(const Tensor& dout, Saved& saved, Gradients& gradients, bool input = false);
  /// From now on `probe` sees every layer's output in a forward pass (none: nobody does), to look for where
  /// numbers go wrong.
  void set_probe(std::function<void(const std::string& layer, const Tensor& y)> probe) {
    probe_ = std::move(probe);
  }
  /// All parameters, in the order of execution, for `Parameters` to gather.
  std::vector<Parameter> list_parameters();
  bool learns_variance() const override { return config_.learn_sigma(); }
  /// How many passes, forward and backward, were replayed as CUDA graphs (`Context::replay`) so far.
  std::uint64_t replays() const { return replays_; }

  /// The label of a sample of any class: nothing is added to its embedding. Only a network that saw such
  /// samples in training (`DiffusionConfig::label_dropout`) knows what that means.
  static constexpr int any_class = -1;
  /// Class of each sample (or one for all); required, and only allowed, for class-conditional networks.
  void set_labels(std::vector<int> labels);
  const std::vector<int>& labels() const { return labels_; }
  const UNetConfig& config() const { return config_; }
  /// What H and W must be multiples of: 2^(levels - 1).
  int stride() const { return 1 << (config_.levels() - 1); }
  std::int64_t parameters() const { return parameters_; }
  double time_scale() const { return time_scale_; }
  /// For timesteps of another unit than the constructor was told.
  void set_time_scale(double scale) { time_scale_ = scale; }

 private:
  /// Nearest or average resampling, with a convolution when the network learned one.
  struct Resampler {
    Resample how;
    std::optional<Conv2d> convolution;
  };
  using Layer = std::variant<Conv2d, ResBlock, AttentionBlock, Resampler>;
  /// A lone convolution keeps its input, and only for training.
  using LayerSaved = std::variant<std::monostate, ResBlock::Saved, AttentionBlock::Saved, Tensor>;
  struct Tape;
  class Replay;
  struct Stage {
    bool pushes_skip;
    int skip_channels;
    bool adds_branch;  ///< these three as in StagePlan
    std::vector<Layer> layers;
    std::vector<std::string> names;  ///< of the layers
  };

  Layer make_layer(const WeightScope& scope, const ModulePlan& plan) const;
  void check(const Shape& x, std::size_t timesteps) const;
  Tensor run(const Tensor& x, const Tensor& times, Tape* tape);
  Tensor embed(const Tensor& times, Tape* tape);
  void upload_times(Tensor& t, std::span<const float> timesteps);
  void add_labels(Tensor& embedding, Tape* tape);
  void project(const Tensor& embedding);
  void backward_embedding(Tape& tape, Tensor& dembedding, Gradients& gradients);
  /// `kept` receives x's first part, complete, as the way up reads it; null: nobody will.
  Sum forward(const Layer& layer, Sum x, Feature* kept, LayerSaved* saved, bool training);
  Gradient backward(const Layer& layer, const Tensor& dy, LayerSaved& saved,
                    const ResBlock::Training* training, bool input, const Tensor& plus = {});
  Tensor backward_head(const Tensor& dout, Tape& tape, Gradients* gradients);
  Tensor backward(const Tensor& dout, Tape& tape, const ResBlock::Training* training, bool input);
  Prediction split(View<const float> output);
  std::span<const float> same_time(int N, const NoiseLevel& level);

  Context& context_;
  UNetConfig config_;
  double time_scale_;
  std::int64_t parameters_ = 0;
  std::optional<Linear> time_in_, time_out_;
  Tensor label_embedding_;  ///< (1, 1, classes, embedding)
  std::vector<int> labels_;
  std::vector<Stage> stages_;
  std::optional<Norm> norm_out_;
  std::optional<Conv2d> conv_out_;

  std::unique_ptr<Replay> replay_;
  std::uint64_t replays_ = 0;

  std::size_t layers_ = 0;
  std::function<void(const std::string&, const Tensor&)> probe_;
  // Used up by every call; vectors keep their capacity, so that a step allocates nothing.
  std::vector<Feature> skips_, dskips_;
  std::vector<Tensor> modulations_;  ///< of the residual blocks, the last one first
  std::vector<LinearWeights> projections_;
  std::vector<float> times_;
};

}  // namespace tweedie

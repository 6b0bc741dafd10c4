#include "layers/unet.hpp"

#include <algorithm>
#include <utility>

#include "kernels/concat.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/layout.hpp"
#include "kernels/range.hpp"
#include "kernels/timestep_embedding.hpp"
#include "layers/unet_replay.hpp"
#include "layers/unet_tape.hpp"
#include "weights/counting_source.hpp"

namespace tweedie {
namespace {

// `use(row, at)` for each sample of a class: its embedding, and where its class's row begins.
template <class Use>
void of_classes(Tensor& embedding, const std::vector<int>& labels, const Use& use) {
  for (int n = 0; n < embedding.shape().N; ++n)
    if (const int label = labels[labels.size() == 1 ? 0 : std::size_t(n)]; label != UNet::any_class)
      use(embedding.view().sample(n), std::int64_t(label) * embedding.shape().C);
}

}  // namespace

std::unique_ptr<Saved> UNet::make_saved() const {
  auto tape = std::make_unique<Tape>();
  tape->layers.resize(layers_);
  return tape;
}

std::unique_ptr<Saved> UNet::make_training_saved() const {
  std::unique_ptr<Saved> saved = make_saved();
  saved_as<Tape>(*saved, "U-Net").training = true;
  return saved;
}

UNet::UNet(Context& context, const WeightScope& source, const UNetConfig& config, double time_scale)
    : context_(context), config_(config), time_scale_(time_scale) {
  validate(config, "U-Net");
  CountingSource counting(source, parameters_);
  const WeightScope scope(counting);
  const int width = config.model_channels, embedding = 4 * width;
  time_in_.emplace(context, scope.sub("time_embed.0"), width, embedding);
  time_out_.emplace(context, scope.sub("time_embed.2"), embedding, embedding);
  if (config.num_classes)
    label_embedding_ = context.upload({1, 1, *config.num_classes, embedding},
                                      scope.read("label_emb.weight", {*config.num_classes, embedding}));
  for (const StagePlan& plan : plan_blocks(config)) {
    Stage& stage =
        stages_.emplace_back(Stage{plan.pushes_skip, plan.skip_channels, plan.adds_branch, {}, {}});
    for (const ModulePlan& module : plan.modules) {
      stage.layers.push_back(make_layer(scope, module));
      stage.names.push_back(module.name);
    }
    layers_ += plan.modules.size();
  }
  norm_out_.emplace(context, scope.sub("out.0"), config.channels(0), true);
  conv_out_.emplace(context, scope.sub("out.2"), config.channels(0), config.out_channels, 3);
  replay_ = std::make_unique<Replay>(*this);
}

UNet::~UNet() = default;

UNet::Layer UNet::make_layer(const WeightScope& scope, const ModulePlan& plan) const {
  using Kind = ModulePlan::Kind;
  const WeightScope here = scope.sub(plan.name);
  switch (plan.kind) {
    case Kind::convolution:
      return Conv2d(context_, here, plan.in, plan.out, 3);
    case Kind::residual:
      return ResBlock(
          context_, here,
          {plan.in, plan.out, 4 * config_.model_channels, plan.how, config_.use_scale_shift_norm});
    case Kind::attention:
      return AttentionBlock(context_, here, {plan.in, plan.heads, config_.use_new_attention_order});
    case Kind::upsample:
    case Kind::downsample:
      break;
  }
  Resampler resampler{plan.how, {}};
  if (config_.conv_resample) {
    const bool up = plan.how == Resample::up;
    resampler.convolution.emplace(context_, here.sub(up ? "conv" : "op"), plan.in, plan.out, 3, up ? 1 : 2);
  }
  return resampler;
}

void UNet::set_labels(std::vector<int> labels) {
  require(config_.num_classes.has_value(), "class labels given, but the network is not class-conditional");
  for (const int label : labels)
    require(label == any_class || (label >= 0 && label < *config_.num_classes), "class label ", label,
            ": expected 0 to ", *config_.num_classes - 1);
  labels_ = std::move(labels);
}

// A sampler's step is the same for all samples: no upload, for which the host would wait.
void UNet::upload_times(Tensor& t, std::span<const float> timesteps) {
  const float scale = float(time_scale_), first = timesteps.empty() ? 0 : timesteps.front();
  if (std::all_of(timesteps.begin(), timesteps.end(), [&](float time) { return time == first; }))
    return fill(context_.queue, t, scale * first);
  copy_from_host(context_.queue, t.data(), timesteps.data(), timesteps.size_bytes());
  if (time_scale_ != 1) axpby(context_.queue, t, scale, t, 0.f, t);
}

// What every residual block makes of the embedding, in one call.
void UNet::project(const Tensor& embedding) {
  modulations_.clear();
  projections_.clear();
  for (auto stage = stages_.rbegin(); stage != stages_.rend(); ++stage)
    for (auto layer = stage->layers.rbegin(); layer != stage->layers.rend(); ++layer)
      if (const auto* block = std::get_if<ResBlock>(&*layer)) {
        const Linear& map = block->projection();
        modulations_.push_back(context_.planar({embedding.shape().N, map.out(), 1, 1}));
        projections_.push_back(map.map(modulations_.back()));
      }
  linear_maps(context_.queue, projections_, embedding);
}

// SiLU(MLP(sinusoids(t)) + label embedding), (N, embedding, 1, 1): every residual block starts from this.
Tensor UNet::embed(const Tensor& times, Tape* tape) {
  Queue& q = context_.queue;
  Tensor sinusoids = context_.planar({times.shape().N, config_.model_channels, 1, 1});
  timestep_embedding(q, sinusoids, times);
  Tensor before = time_in_->forward(context_, sinusoids);
  Tensor hidden = context_.planar(before.shape());
  silu(q, hidden, before);
  Tensor sum = time_out_->forward(context_, hidden);
  if (config_.num_classes) add_labels(sum, tape);
  Tensor embedding = context_.planar(sum.shape());
  silu(q, embedding, sum);
  if (tape && tape->training) {
    tape->sinusoids = std::move(sinusoids);
    tape->hidden_before = std::move(before);
    tape->hidden = std::move(hidden);
    tape->embedding_before = std::move(sum);
    tape->embedding = embedding;
  }
  return embedding;
}

void UNet::add_labels(Tensor& embedding, Tape* tape) {
  const int N = embedding.shape().N;
  require(labels_.size() == 1 || labels_.size() == std::size_t(N), "class-conditional network: ", N,
          " samples need ", N, " labels or one, got ", labels_.size());
  of_classes(embedding, labels_, [&](const View<float>& row, std::int64_t at) {
    add(context_.queue, row, row, View<const float>(label_embedding_.data() + at, row.shape));
  });
  if (tape) tape->labels = labels_;
}

// From the embedding's gradient to those of the labels' rows and of the two linear maps.
void UNet::backward_embedding(Tape& tape, Tensor& dembedding, Gradients& gradients) {
  Queue& q = context_.queue;
  silu_backward(q, dembedding, dembedding, tape.embedding_before);
  if (config_.num_classes)
    of_classes(dembedding, tape.labels, [&](const View<float>& row, std::int64_t at) {
      const View<float> to(gradients.of(label_embedding_).data + at, row.shape);
      add(q, to, to, row);
    });
  time_out_->add_gradients(context_, gradients, dembedding, tape.hidden);
  Tensor dhidden = context_.planar(tape.hidden.shape());
  fill(q, dhidden, 0);
  time_out_->add_backward(context_, dhidden, dembedding);
  silu_backward(q, dhidden, dhidden, tape.hidden_before);
  time_in_->add_gradients(context_, gradients, dhidden, tape.sinusoids);
}

Sum UNet::forward(const Layer& layer, Sum x, Feature* kept, LayerSaved* saved, bool training) {
  if (const auto* block = std::get_if<ResBlock>(&layer)) {
    Tensor modulation = std::move(modulations_.back());
    modulations_.pop_back();
    Feature own;
    return block->forward(context_, std::move(x), std::move(modulation), kept ? *kept : own,
                          saved ? &saved->emplace<ResBlock::Saved>() : nullptr);
  }
  if (const auto* attention = std::get_if<AttentionBlock>(&layer))
    return attention->forward(context_, std::move(x),
                              saved ? &saved->emplace<AttentionBlock::Saved>() : nullptr);
  Tensor map = complete(context_, std::move(x));
  if (kept) *kept = context_.keep(map);
  const auto* resampler = std::get_if<Resampler>(&layer);
  const auto* convolution = std::get_if<Conv2d>(&layer);
  if (resampler) {
    // Down is a strided convolution by itself; up doubles first.
    if (resampler->how == Resample::up || !resampler->convolution)
      map = resample(context_, resampler->how, map);
    if (!resampler->convolution) return {.value = std::move(map)};
    convolution = &*resampler->convolution;
  }
  Sum y = convolution->forward_sum(context_, map);
  if (training) *saved = std::move(map);
  return y;
}

Gradient UNet::backward(const Layer& layer, const Tensor& dy, LayerSaved& saved,
                        const ResBlock::Training* training, bool input, const Tensor& plus) {
  const Shape s = dy.shape();
  Gradients* const gradients = training ? &training->gradients : nullptr;
  if (const auto* block = std::get_if<ResBlock>(&layer))
    return block->backward(context_, dy, std::get<ResBlock::Saved>(saved), training, plus);
  if (const auto* attention = std::get_if<AttentionBlock>(&layer))
    return {attention->backward(context_, dy, std::get<AttentionBlock::Saved>(saved), gradients)};
  const auto* resampler = std::get_if<Resampler>(&layer);
  const Conv2d* const convolution = std::get_if<Conv2d>(&layer);
  const Conv2d* const own = convolution              ? convolution
                            : resampler->convolution ? &*resampler->convolution
                                                     : nullptr;
  if (!own) return {resample_backward(context_, resampler->how, dy)};
  if (gradients) {
    own->add_gradients(context_, *gradients, dy, std::get<Tensor>(saved));
    saved.emplace<std::monostate>();
  }
  if (!input) return {};
  if (convolution) return {own->backward(context_, dy, s.H, s.W)};
  if (resampler->how == Resample::down) return {own->backward(context_, dy, 2 * s.H, 2 * s.W)};
  return {resample_backward(context_, resampler->how, own->backward(context_, dy, s.H, s.W))};
}

void UNet::check(const Shape& s, std::size_t timesteps) const {
  require(s.C == config_.in_channels, "U-Net: input ", s, " has ", s.C, " channels, expected ",
          config_.in_channels);
  require(s.H % stride() == 0 && s.W % stride() == 0 && s.H > 0 && s.W > 0, "U-Net: image of ", s.H, "x", s.W,
          " pixels; both sides must be multiples of ", stride());
  require(int(timesteps) == s.N, "U-Net: ", timesteps, " timesteps for ", s.N, " samples");
}

Tensor UNet::forward(const Tensor& x, std::span<const float> timesteps, Saved* saved) {
  check(x.shape(), timesteps.size());
  Tensor times = context_.planar({x.shape().N, 1, 1, 1});
  upload_times(times, timesteps);
  return run(x, times, saved ? &saved_as<Tape>(*saved, "U-Net") : nullptr);
}

// The raw output for images and scaled timesteps on the device.
Tensor UNet::run(const Tensor& x, const Tensor& times, Tape* tape) {
  const Range range("U-Net");
  const Shape s = x.shape();
  if (tape) {  // what an earlier forward left, and no backward took, goes back to the pool
    tape->image = s;
    tape->clear();
  }
  const bool training = tape && tape->training;
  skips_.clear();
  project(embed(times, tape));
  Sum h{.value = context_.features({s.N, padded_channels(s.C), s.H, s.W})};
  convert_layout(context_.queue, h.value, x);
  std::size_t at = 0;
  bool skip = false;  // what the stage before made goes to the way up, too
  for (const Stage& stage : stages_) {
    if (stage.skip_channels) {  // a residual block reads the two as one
      h.second = std::move(skips_.back());
      skips_.pop_back();
    }
    for (std::size_t i = 0; i < stage.layers.size(); ++i) {
      const Range of_layer(stage.names[i].c_str());
      // The stage's first layer completes what it is given.
      Feature* const kept = i == 0 && skip ? &skips_.emplace_back() : nullptr;
      h = forward(stage.layers[i], std::move(h), kept, tape ? &tape->layers[at++] : nullptr, training);
      if (!probe_) continue;
      h = {.value = complete(context_, std::move(h))};
      probe_(stage.names[i], h.value);
    }
    skip = stage.pushes_skip;
  }
  // The head is its map's only reader: a bias alone need not be written into it.
  Feature kept;
  Tensor stats, bias = h.plus ? Tensor() : std::exchange(h.bias, {});
  Feature normed = norm_out_->forward(context_, *conv_out_, h, kept, stats, {nullptr, bias.data()});
  h = {};
  const Tensor wide = conv_out_->forward(context_, normed);
  normed = {};
  if (probe_) probe_("out", wide);
  if (tape) {
    tape->head_x = std::move(kept);
    tape->head_bias = std::move(bias);
    tape->head_stats = std::move(stats);
  }
  Tensor out = context_.planar({s.N, config_.out_channels, s.H, s.W});
  convert_layout(context_.queue, out, wide);
  return out;
}

Tensor UNet::backward_head(const Tensor& dout, Tape& tape, Gradients* gradients) {
  const Shape c = dout.shape(), image = tape.image;
  require(bool(tape.head_x), "U-Net: a backward without a forward before it");
  require(c.N == image.N && c.H == image.H && c.W == image.W && c.C <= config_.out_channels,
          "U-Net: cotangent ", c, " does not belong to an output of ", config_.out_channels,
          " channels for input ", image);
  Tensor dy = context_.features({c.N, padded_channels(config_.out_channels), c.H, c.W});
  convert_layout(context_.queue, dy, dout);  // channels without a cotangent get 0
  const NormInputs with{nullptr, tape.head_bias.data()};
  if (gradients)
    conv_out_->add_gradients(context_, *gradients, dy,
                             norm_out_->again(context_, tape.head_x, tape.head_stats, with));
  Tensor dh = norm_out_
                  ->backward(context_, {conv_out_->backward(context_, dy, c.H, c.W)}, tape.head_x,
                             tape.head_stats, with, {}, gradients)
                  .first;
  tape.head_x = {};
  tape.head_bias = tape.head_stats = {};
  return dh;
}

Tensor UNet::backward(const Tensor& dout, Tape& tape, const ResBlock::Training* training, bool input) {
  const Range range("U-Net backward");
  Tensor dh = backward_head(dout, tape, training ? &training->gradients : nullptr);
  std::size_t at = tape.layers.size();
  dskips_.clear();
  for (auto stage = stages_.rbegin(); stage != stages_.rend(); ++stage) {
    if (stage->pushes_skip && !std::prev(stage)->adds_branch) {
      add(context_.queue, dh, dh, context_.wide(dskips_.back()));
      dskips_.pop_back();
    }
    Tensor plus;
    if (const auto next = std::next(stage);
        stage->adds_branch && next != stages_.rend() && next->pushes_skip) {
      plus = context_.wide(dskips_.back());
      dskips_.pop_back();
    }
    for (auto layer = stage->layers.rbegin(); layer != stage->layers.rend(); ++layer) {
      --at;
      const bool first = std::next(layer) == stage->layers.rend();
      const Range of_layer(stage->names[std::size_t(stage->layers.rend() - layer) - 1].c_str());
      Gradient dx = backward(*layer, dh, tape.layers[at], training, input || at > 0, first ? plus : Tensor());
      dh = std::move(dx.first);
      if (dx.second) dskips_.push_back(context_.keep(dx.second));
    }
  }
  if (!input) return {};
  Tensor dx = context_.planar(tape.image);
  convert_layout(context_.queue, dx, dh);
  return dx;
}

Tensor UNet::backward(const Tensor& dout, Saved& saved) {
  Tape& tape = saved_as<Tape>(saved, "U-Net");
  return tape.pass ? replay_->backward(dout, tape) : backward(dout, tape, nullptr, true);
}

Tensor UNet::backward(const Tensor& dout, Saved& saved, Gradients& gradients, bool input) {
  Tape& tape = saved_as<Tape>(saved, "U-Net");
  require(tape.training, "U-Net: gradients of parameters need a training state");
  require(bool(tape.head_x), "U-Net: a backward without a forward before it");
  Tensor dembedding = context_.planar(tape.embedding.shape());
  fill(context_.queue, dembedding, 0);
  const ResBlock::Training training{gradients, tape.embedding, dembedding};
  Tensor dx = backward(dout, tape, &training, input);
  backward_embedding(tape, dembedding, gradients);
  tape.clear();
  return dx;
}

std::vector<Parameter> UNet::list_parameters() {
  replay_ = std::make_unique<Replay>(*this);  // who asks may move them, and graphs know where they were
  std::vector<Parameter> all;
  time_in_->list_parameters(all);
  time_out_->list_parameters(all);
  const Shape table = label_embedding_.shape();
  if (config_.num_classes) all.push_back({"label_emb.weight", {table.H, table.W}, &label_embedding_, {}});
  for (Stage& stage : stages_)
    for (Layer& layer : stage.layers) {
      if (auto* convolution = std::get_if<Conv2d>(&layer)) convolution->list_parameters(all);
      if (auto* block = std::get_if<ResBlock>(&layer)) block->list_parameters(all);
      if (auto* attention = std::get_if<AttentionBlock>(&layer)) attention->list_parameters(all);
      auto* resampler = std::get_if<Resampler>(&layer);
      if (resampler && resampler->convolution) resampler->convolution->list_parameters(all);
    }
  norm_out_->list_parameters(all);
  conv_out_->list_parameters(all);
  return all;
}

}  // namespace tweedie

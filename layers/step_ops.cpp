#include "layers/step_ops.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tweedie {
namespace {

using Kind = ModulePlan::Kind;

double size(const Shape& s) { return double(s.size()); }

/// Where a convolution's bias is added: by itself, by the norm that reads what it wrote without completing
/// that, or by the norm that completes the sum (where the convolution would need a pass for it: on CUDA).
enum class Bias { added, left_to_reader, in_sum };

/// What a map still lacks when its reader gets it (layers/basic.hpp, Sum); empty shapes: nothing.
struct Lacking {
  bool bias = false;
  Shape plus{};
  Resample resample = Resample::none;  ///< of plus
  int first = 0;                       ///< channels before those of a second map; 0: there is none
};

/// A module of the network with the shapes at its ends, as the way back needs them.
struct Visit {
  const ModulePlan* module;
  Shape before, after;
};

class Lister {
 public:
  Lister(const UNetConfig& config, bool channels_last)
      : config_(config), plan_(plan_blocks(config)), channels_last_(channels_last) {}

  std::vector<StepOp> list(const Shape& image) {
    forward(image);
    backward_ = true;
    backward(image);
    return std::move(ops_);
  }

 private:
  StepOp& add(const char* kernel, const Shape& x, const Shape& y, double maps) {
    StepOp op;
    op.layer = layer_;
    op.kernel = kernel;
    op.x = x;
    op.y = y;
    op.maps = maps;
    op.backward = backward_;
    return ops_.emplace_back(std::move(op));
  }
  /// A kernel that reads x once and writes y once.
  StepOp& map(const char* kernel, const Shape& x, const Shape& y) {
    return add(kernel, x, y, size(x) + size(y));
  }

  void linear(int N, int in, int out) {
    StepOp& op = map("linear_maps", {N, in, 1, 1}, {N, out, 1, 1});
    op.parameters = double(in) * out;
    op.operations = 2.0 * N * in * out;
  }

  /// x is the shape before the convolution in both directions.
  Shape convolution(const Shape& x, int out, int kernel, int stride, bool back, Bias bias = Bias::added,
                    bool accumulate = false) {
    ConvolutionProblem p;
    p.g = {padded_channels(x.C), padded_channels(out), kernel, stride, kernel / 2};
    p.x = {x.N, p.g.in, x.H, x.W};
    const Shape y = p.y();
    StepOp& op = add(back ? "convolution_backward_data" : "convolution", back ? y : p.x, back ? p.x : y,
                     size(p.x) + size(y) + (accumulate ? size(back ? p.x : y) : 0));
    op.g = p.g;
    const bool in_sum = bias == Bias::in_sum && channels_last_;
    if (in_sum) lacking_.bias = true;
    op.bias = bias != Bias::left_to_reader && !in_sum && !back;
    op.accumulate = accumulate;
    op.parameters = double(p.g.in) * p.g.out * p.g.taps();
    op.operations = 2.0 * size(y) * p.g.in * p.g.taps();
    return y;
  }

  /// y is x, or has other sides where the norm resamples. A sum is completed.
  void norm(const Shape& x, const Shape& y, bool silu, bool modulated) {
    StepOp& op = map("group_norm", x, y);
    op.silu = silu;
    op.modulated = modulated;
    const Lacking lacked = std::exchange(lacking_, {});
    op.split = lacked.first;
    op.pluses = lacked.plus.N > 0;
    op.resample = lacked.resample;
    op.forms = lacked.bias || op.pluses > 0;
    const Shape formed{x.N, op.split > 0 ? op.split : x.C, x.H, x.W};
    op.maps += size(lacked.plus) + (op.forms ? size(formed) : 0);
  }
  /// A sum is completed by itself, for readers that are no norms.
  void complete(const Shape& x) {
    const Lacking lacked = std::exchange(lacking_, {});
    if (lacked.plus.N > 0) resample(lacked.resample, lacked.plus, x);
    if (lacked.plus.N > 0)
      sum_and_bias(x);
    else if (lacked.bias)
      map("add_bias", x, x);
  }
  /// A first map that is added lies as dy does, a second as x.
  void norm_backward(const Shape& dy, const Shape& x, bool silu, bool modulated, int pluses) {
    const double added = pluses > 0 ? size(dy) + (pluses - 1) * size(x) : 0;
    StepOp& op = add("group_norm_backward", dy, x, size(dy) + 2 * size(x) + added);
    op.silu = silu;
    op.modulated = modulated;
    op.pluses = pluses;
  }

  void resample(Resample how, const Shape& before, const Shape& after) {
    if (how == Resample::up) map("upsample_nearest2", before, after);
    if (how == Resample::down) map("average_pool2", before, after);
  }
  void resample_backward(Resample how, const Shape& before, const Shape& after) {
    if (how == Resample::up) map("upsample_nearest2_backward", after, before);
    if (how == Resample::down) map("average_pool2_backward", after, before);
  }

  /// y += x, or y += x + bias.
  void sum(const Shape& x) { add("axpby", x, x, 3 * size(x)); }
  void sum_and_bias(const Shape& x) { add("add_bias", x, x, 3 * size(x)).accumulate = true; }
  /// Of `products` matrices (T, T) a head, the weights formed again among them.
  void attend(const char* kernel, const Shape& x, const Shape& y, double maps, int heads, int products) {
    StepOp& op = add(kernel, x, y, maps);
    op.heads = heads;
    op.operations = 2.0 * products * double(x.plane()) * size(with(x, std::min(x.C, y.C)));
  }
  void convert(const Shape& x) {
    if (!channels_last_) map("convert_layout", x, x);
  }

  // ---- modules, both ways ----
  void residual(const Visit& v) {
    const ModulePlan& m = *v.module;
    const Shape in = with(v.after, m.in);
    norm(v.before, in, true, false);
    const int split = ops_.back().split;
    const Shape h = convolution(in, m.out, 3, 1, false, Bias::left_to_reader);
    if (!config_.use_scale_shift_norm) map("add_bias", h, h);
    norm(h, h, true, config_.use_scale_shift_norm);
    convolution(h, m.out, 3, 1, false, Bias::left_to_reader);
    if (m.in == m.out) {
      lacking_ = {true, v.before, m.how, 0};
      return;
    }
    convolution(in, m.out, 1, 1, false, Bias::in_sum, true);
    if (!split) return;
    ops_.back().kernel = "convolution_of_parts";
    ops_.back().split = split;
  }
  /// `plus`: the gradient of another reader of its input is added in passing. `first`: channels of the first
  /// of two maps that its input was made of, or 0.
  void residual_backward(const Visit& v, bool plus, int first) {
    const ModulePlan& m = *v.module;
    const Shape in = with(v.after, m.in);
    convolution(v.after, m.out, 3, 1, true);
    norm_backward(v.after, v.after, true, config_.use_scale_shift_norm, 0);
    convolution(in, m.out, 3, 1, true);
    // Where the gradient lies as one, the skip's share is added to it in its place.
    const bool as_one = m.how == Resample::none && (!first || (in.N == 1 && !channels_last_));
    const bool skip = m.in != m.out, later = skip && as_one;
    if (skip && !later) convolution(in, m.out, 1, 1, true);
    norm_backward(in, v.before, true, false, (plus ? 1 : 0) + (later ? 0 : 1));
    if (later)
      convolution(in, m.out, 1, 1, true, Bias::added, true);
    else
      ops_.back().split = first;
  }

  void attention(const Visit& v) {
    const Shape x = v.after, qkv = with(x, 3 * x.C);
    norm(x, x, false, false);
    convert(convolution(x, qkv.C, 1, 1, false));
    attend("attention", qkv, x, size(qkv) + size(x), v.module->heads, 2);
    convert(x);
    convolution(x, x.C, 1, 1, false, Bias::left_to_reader);
    lacking_ = {true, x, Resample::none, 0};
  }
  void attention_backward(const Visit& v) {
    const Shape x = v.after, qkv = with(x, 3 * x.C);
    convolution(x, x.C, 1, 1, true);
    convert(x);
    attend("attention_backward", x, qkv, 2 * size(qkv) + size(x), v.module->heads, 5);
    convert(qkv);
    convolution(x, qkv.C, 1, 1, true);
    norm_backward(x, x, false, false, 1);
  }

  void run(const Visit& v) {
    const ModulePlan& m = *v.module;
    layer_ = m.name;
    if (m.kind == Kind::residual) return residual(v);
    if (m.kind == Kind::attention) return attention(v);
    complete(v.before);
    if (m.kind == Kind::convolution) convolution(v.before, m.out, 3, 1, false, Bias::in_sum);
    if (m.kind == Kind::upsample) resample(m.how, v.before, with(v.after, m.in));
    if (m.kind == Kind::upsample && config_.conv_resample)
      convolution(with(v.after, m.in), m.out, 3, 1, false, Bias::in_sum);
    if (m.kind != Kind::downsample) return;
    if (config_.conv_resample)
      convolution(v.before, m.out, 3, 2, false, Bias::in_sum);
    else
      resample(m.how, v.before, v.after);
  }
  void run_back(const Visit& v, bool plus, int first) {
    const ModulePlan& m = *v.module;
    layer_ = m.name;
    if (m.kind == Kind::convolution) convolution(v.before, m.out, 3, 1, true);
    if (m.kind == Kind::residual) residual_backward(v, plus, first);
    if (m.kind == Kind::attention) attention_backward(v);
    if (m.kind == Kind::upsample && config_.conv_resample)
      convolution(with(v.after, m.in), m.out, 3, 1, true);
    if (m.kind == Kind::upsample) resample_backward(m.how, v.before, with(v.after, m.in));
    if (m.kind != Kind::downsample) return;
    if (config_.conv_resample)
      convolution(v.before, m.out, 3, 2, true);
    else
      resample_backward(m.how, v.before, v.after);
  }

  void time_embedding(int N) {
    const int width = config_.model_channels;
    layer_ = "time_embed";
    map("timestep_embedding", {N, 1, 1, 1}, {N, width, 1, 1});
    linear(N, width, 4 * width);
    map("silu", {N, 4 * width, 1, 1}, {N, 4 * width, 1, 1});
    linear(N, 4 * width, 4 * width);
    map("silu", {N, 4 * width, 1, 1}, {N, 4 * width, 1, 1});
    int projected = 0;  // for all residual blocks at once
    for (const StagePlan& stage : plan_)
      for (const ModulePlan& m : stage.modules)
        if (m.kind == Kind::residual) projected += config_.use_scale_shift_norm ? 2 * m.out : m.out;
    linear(N, 4 * width, projected);
  }

  void forward(const Shape& image) {
    time_embedding(image.N);
    Shape at = with(image, padded_channels(image.C));
    layer_ = "in";
    map("convert_layout", image, at);
    for (const StagePlan& stage : plan_) {
      if (stage.skip_channels) lacking_.first = at.C;
      at.C += stage.skip_channels;
      for (const ModulePlan& m : stage.modules) {
        Visit v{&m, at, with(at, m.out)};
        if (m.how == Resample::up) v.after.H *= 2, v.after.W *= 2;
        if (m.how == Resample::down) v.after.H /= 2, v.after.W /= 2;
        run(v);
        visits_.push_back(v);
        at = v.after;
      }
    }
    layer_ = "out";
    if (lacking_.plus.N == 0) lacking_.bias = false;  // the head's norm adds it without writing it
    norm(at, at, true, false);
    map("convert_layout", convolution(at, config_.out_channels, 3, 1, false),
        with(image, config_.out_channels));
  }

  void backward(const Shape& image) {
    const Shape last = visits_.back().after;
    layer_ = "out";
    map("convert_layout", with(image, image.C), with(image, padded_channels(config_.out_channels)));
    convolution(last, config_.out_channels, 3, 1, true);
    norm_backward(last, last, true, false, 0);
    auto visit = visits_.rbegin();
    for (auto stage = plan_.rbegin(); stage != plan_.rend(); ++stage) {
      layer_ = stage->modules.back().name;
      if (stage->pushes_skip && !std::prev(stage)->adds_branch) sum(visit->after);
      const auto before = std::next(stage);
      const bool plus = before != plan_.rend() && before->pushes_skip && stage->adds_branch;
      for (std::size_t i = stage->modules.size(); i-- > 0; ++visit)
        run_back(*visit, plus && i == 0,
                 i == 0 && stage->skip_channels ? visit->before.C - stage->skip_channels : 0);
    }
    layer_ = "in";
    map("convert_layout", with(image, padded_channels(image.C)), image);
  }

  static Shape with(Shape s, int channels) {
    s.C = channels;
    return s;
  }

  const UNetConfig& config_;
  const std::vector<StagePlan> plan_;
  const bool channels_last_;
  bool backward_ = false;
  std::string layer_;
  Lacking lacking_;
  std::vector<Visit> visits_;
  std::vector<StepOp> ops_;
};

}  // namespace

bool StepOp::same_work(const StepOp& o) const {
  return kernel == o.kernel && x == o.x && y == o.y && g == o.g && split == o.split && silu == o.silu &&
         modulated == o.modulated && accumulate == o.accumulate && bias == o.bias && forms == o.forms &&
         pluses == o.pluses && resample == o.resample && heads == o.heads;
}

std::vector<StepOp> step_ops(const UNetConfig& config, const Shape& image, bool channels_last) {
  return Lister(config, channels_last).list(image);
}

}  // namespace tweedie

#include "tools/bench/step_op_call.hpp"

#include <map>
#include <memory>

#include "kernels/activation.hpp"
#include "kernels/attention.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/group_norm.hpp"
#include "kernels/layout.hpp"
#include "kernels/linear.hpp"
#include "kernels/resample.hpp"
#include "kernels/timestep_embedding.hpp"
#include "tools/bench/case_tensors.hpp"

namespace tweedie::bench {
namespace {

using Call = std::function<void()>;

/// The maps as a network holds them: in blocks where channels come in sixteens, else planar.
Tensor feature(Bench& bench, const Shape& s) {
  const bool vector = s.H == 1 && s.W == 1;
  return values(bench, s, s.C % 16 == 0 && !vector ? cases::backend_block : 1);
}

/// What a call works on; one struct for all, as only few are alive at a time.
struct CallTensors {
  Tensor y, x, stats, a, b, c, first, second, plus, dx, dsecond;
};

/// The map of `s` in two parts where the call has it so, in t.first and t.second; else t.first is all of it.
void split(Bench& bench, const StepOp& op, const Shape& s, CallTensors& t) {
  Shape first = s, second = s;
  if (op.split) first.C = op.split;
  second.C -= first.C;
  t.first = feature(bench, first);
  if (op.split) t.second = feature(bench, second);
}

Call of_convolution(Bench& bench, const StepOp& op) {
  auto t = std::make_shared<CallTensors>();
  Context& context = bench.context();
  t->x = feature(bench, op.x);
  t->y = feature(bench, op.y);
  t->a = context.planar({1, 1, 1, int(convolution_packed_size(bench.queue(), op.g))});
  if (op.bias) t->b = values(bench, {1, op.g.out, 1, 1});
  const std::vector<float> weights =
      context.download(context.normal({op.g.out, op.g.in, op.g.kernel.h, op.g.kernel.w}));
  convolution_pack(bench.queue(), t->a, weights.data(), op.g);
  if (op.backward)
    return [&bench, t, g = op.g, more = op.accumulate] {
      convolution_backward_data(bench.queue(), t->y, t->x, t->a, g, more);
    };
  if (op.split) {
    split(bench, op, op.x, *t);
    return [&bench, t, g = op.g] {
      convolution_of_parts(bench.queue(), t->y, t->first, t->second, t->a, t->b.data(), g);
    };
  }
  return [&bench, t, g = op.g, more = op.accumulate] {
    convolution(bench.queue(), t->y, t->x, t->a, t->b.data(), g, more);
  };
}

/// What a norm forms its x of, in t: the first part in its own place.
GroupNormSource source_of(Bench& bench, const StepOp& op, CallTensors& t) {
  Shape plus = t.first.shape();
  if (op.resample == Resample::up) plus = {plus.N, plus.C, plus.H / 2, plus.W / 2};
  if (op.resample == Resample::down) plus = {plus.N, plus.C, 2 * plus.H, 2 * plus.W};
  if (op.pluses) t.plus = feature(bench, plus);
  return {t.first, t.b.data(), t.plus, op.resample, t.second};
}

/// Backward x and y of the norm are op.y and op.x.
Call of_group_norm(Bench& bench, const StepOp& op) {
  auto t = std::make_shared<CallTensors>();
  Queue& q = bench.queue();
  const Shape &s = op.backward ? op.y : op.x, &after = op.backward ? op.x : op.y;
  split(bench, op, s, *t);
  t->y = feature(bench, after);
  t->stats = room(bench, {s.N, 32, 1, 2});
  t->a = values(bench, {1, s.C, 1, 1});
  t->b = values(bench, {1, s.C, 1, 1});
  if (op.modulated) t->c = values(bench, {s.N, 2 * s.C, 1, 1});
  GroupNormParameters p;
  p.gamma = t->a.data();
  p.beta = t->b.data();
  p.scale_shift = t->c.data();
  p.silu = op.silu;
  if (after.H != s.H) p.resample = after.H > s.H ? Resample::up : Resample::down;
  if (op.forms)
    return
        [&q, t, p, from = source_of(bench, op, *t)] { group_norm_of(q, t->y, t->stats, t->first, from, p); };
  group_norm(q, t->y, t->stats, {t->first, t->second}, p);  // the statistics that the way back reads
  if (!op.backward) return [&q, t, p] { group_norm(q, t->y, t->stats, {t->first, t->second}, p); };
  t->dx = feature(bench, t->first.shape());
  if (op.split) t->dsecond = feature(bench, t->second.shape());
  if (op.pluses > 1) t->plus = feature(bench, s);
  return [&q, t, p, pluses = op.pluses] {
    const View<const float> dy = t->y, none;
    group_norm_backward(q, t->dx, dy, {t->first, t->second}, t->stats, p, pluses > 0 ? dy : none, {}, t->plus,
                        t->dsecond);
  };
}

Call of_linear(Bench& bench, const StepOp& op) {
  auto t = std::make_shared<CallTensors>();
  t->x = values(bench, op.x);
  t->y = room(bench, op.y);
  t->a = values(bench, {1, 1, op.y.C, op.x.C});
  t->b = values(bench, {1, op.y.C, 1, 1});
  return [&bench, t] {
    const LinearWeights map{t->a.data(), t->b.data(), t->y.data(), t->y.shape().C};
    linear_maps(bench.queue(), {&map, 1}, t->x);
  };
}

/// Channels-last. The result is op.y; backward x is its gradient.
Call of_attention(Bench& bench, const StepOp& op) {
  auto t = std::make_shared<CallTensors>();
  t->x = values(bench, op.x, op.x.C);
  t->y = room(bench, op.y, op.y.C);
  const AttentionForm form{op.heads};
  if (!op.backward) return [&bench, t, form] { attention(bench.queue(), t->y, t->x, form); };
  t->a = values(bench, op.y, op.y.C);
  return [&bench, t, form] { attention_backward(bench.queue(), t->y, t->x, t->a, form); };
}

/// Kernels of one map that give another; attention's conversions are to channels-last.
Call of_map(Bench& bench, const StepOp& op, void (*kernel)(Queue&, View<float>, View<const float>)) {
  auto t = std::make_shared<CallTensors>();
  const bool last = op.kernel == "convert_layout" && op.x == op.y;
  t->x = feature(bench, op.x);
  t->y = last ? values(bench, op.y, op.y.C) : feature(bench, op.y);
  return [&bench, t, kernel] { kernel(bench.queue(), t->y, t->x); };
}

}  // namespace

std::function<void()> call_of(Bench& bench, const StepOp& op) {
  using Map = void (*)(Queue&, View<float>, View<const float>);
  static const std::map<std::string, Map> maps = {
      {"upsample_nearest2", upsample_nearest2},
      {"upsample_nearest2_backward", upsample_nearest2_backward},
      {"average_pool2", average_pool2},
      {"average_pool2_backward", average_pool2_backward},
      {"convert_layout", convert_layout},
      {"silu", silu},
      {"timestep_embedding",
       [](Queue& q, View<float> y, View<const float> t) { timestep_embedding(q, y, t); }},
      {"axpby", [](Queue& q, View<float> y, View<const float> x) { axpby(q, y, 1.f, y, 1.f, x); }},
      {"add_bias", [](Queue& q, View<float> y, View<const float> x) { add_bias(q, y, x, x.data); }},
      {"add_bias added", [](Queue& q, View<float> y, View<const float> x) { add_bias(q, y, y, x.data, x); }},
  };
  const std::string& k = op.kernel;
  if (k.starts_with("convolution")) return of_convolution(bench, op);
  if (k == "group_norm" || k == "group_norm_backward") return of_group_norm(bench, op);
  if (k == "linear_maps") return of_linear(bench, op);
  if (op.heads) return of_attention(bench, op);
  const auto found = maps.find(k == "add_bias" && op.accumulate ? "add_bias added" : k);
  if (found == maps.end()) throw Error(message("the kernel ", k, " of a step cannot be called by itself"));
  return of_map(bench, op, found->second);
}

}  // namespace tweedie::bench

#include "kernels/convolution.hpp"

#include <omp.h>

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/concat.hpp"
#include "kernels/for_each_index.hpp"
#include "kernels/onednn.hpp"
#include "kernels/onednn_bf16.hpp"
#include "kernels/packed_weights.hpp"
#include "kernels/timer.hpp"
#include "kernels/winograd.hpp"

namespace tweedie {
namespace {

using onednn::Method;
using onednn::WeightsOrder;

// Winograd's F(4x4, 3x3) needs 36 multiplications for 16 outputs instead of 144. Two rules say where it pays:
// winograd::pays for ours, forward and backward, and one here for oneDNN's gradient by the weights. They know
// shapes only, as a choice by the clock could differ from run to run, and results with it. `tweedie-bench
// --filter convolution` holds ours against the best of oneDNN, its own Winograd included.

bool square_3(const ConvolutionProblem& p) { return p.g.kernel == 3 && p.g.stride == 1 && p.g.pad == 1; }

std::int64_t tiles(const ConvolutionProblem& p) {
  return std::int64_t(p.x.N) * ((p.x.H + 3) / 4) * ((p.x.W + 3) / 4);
}

// oneDNN's gradient by the weights. Measured with 2.6 on AVX-512 against direct: 1.1 to 1.2 times as fast at
// 36 tiles, 1.4 at 64, 2 where maps are large; slower below, and where only 16 channels are summed over.
bool weights_winograd_pays(const ConvolutionProblem& p) {
  return square_3(p) && tiles(p) >= 36 && 2 * p.x.N * p.x.plane() >= 16 * tiles(p) &&
         std::min(p.g.in, p.g.out) >= 32;
}

class CpuConvolutions {
 public:
  explicit CpuConvolutions(Queue&) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

  const dnnl::engine& engine() const { return engine_; }
  dnnl::stream& stream() { return stream_; }
  /// The loops of our own Winograd where it is to be used, else null.
  const winograd::Kernels* own(const ConvolutionProblem& problem) const {
    return winograd_ && winograd::fits(*winograd_, problem) && winograd::pays(*winograd_, problem) ? winograd_
                                                                                                   : nullptr;
  }
  onednn::Convolution& plan(const ConvolutionProblem& problem) {
    const auto found = plans_.find(problem);
    return found != plans_.end() ? found->second : plans_.emplace(problem, make(problem)).first->second;
  }
  onednn::WeightsGradient& weights_plan(const ConvolutionProblem& problem) {
    const auto found = weights_plans_.find(problem);
    if (found != weights_plans_.end()) return found->second;
    onednn::WeightsGradient plan(engine_, problem,
                                 weights_winograd_pays(problem) ? Method::winograd : Method::direct);
    if (!plan) plan = onednn::WeightsGradient(engine_, problem, Method::direct);
    require(bool(plan), "convolution_backward_weights: oneDNN has none for x ", problem.x, ", ",
            problem.g.out, " output channels, kernel ", problem.g.kernel);
    return weights_plans_.emplace(problem, std::move(plan)).first->second;
  }
  onednn::Bf16Convolution& bf16_plan(const ConvolutionProblem& problem) {
    const auto found = bf16_plans_.find(problem);
    if (found != bf16_plans_.end()) return found->second;
    onednn::Bf16Convolution plan(engine_, problem);
    require(bool(plan), "convolution: oneDNN has none in bf16 for x ", problem.x, ", ", problem.g.out,
            " output channels, kernel ", problem.g.kernel);
    return bf16_plans_.emplace(problem, std::move(plan)).first->second;
  }

 private:
  onednn::Convolution make(const ConvolutionProblem& problem) const {
    onednn::Convolution direct(engine_, problem, Method::direct);
    require(bool(direct), "convolution: oneDNN has none for x ", problem.x, ", ", problem.g.out,
            " output channels, kernel ", problem.g.kernel, ", stride ", problem.g.stride, ", padding ",
            problem.g.pad);
    return direct;
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  const winograd::Kernels* winograd_ = winograd::kernels_for(onednn::channel_block());
  std::unordered_map<ConvolutionProblem, onednn::Convolution, ConvolutionProblem::Hash> plans_;
  std::unordered_map<ConvolutionProblem, onednn::WeightsGradient, ConvolutionProblem::Hash> weights_plans_;
  std::unordered_map<ConvolutionProblem, onednn::Bf16Convolution, ConvolutionProblem::Hash> bf16_plans_;
};

// ---- execution ------------------------------------------------------------------------------------------

std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

void run(Queue& q, const ConvolutionProblem& problem, float* to, const void* from, const float* packed,
         const float* bias);

// dx += W^T dy of a 1x1 kernel, as the convolution with W^T: oneDNN's way back overwrites. dx (C channels)
// has those from `first` on.
void run_transposed(Queue& q, const ConvolutionProblem& problem, float* dx, int first, int C, const void* dy,
                    const float* packed) {
  const ConvolutionGeometry& g = problem.g;
  float* const transposed =
      static_cast<float*>(q.scratch(std::size_t(convolution_packed_size(q, g)) * sizeof(float)));
  transpose_blocks(transposed, packed, g, true);
  run(q, {{g.out, C, 1, 1, 0}, problem.y(), false, true, false, false, problem.precision, problem.operand},
      dx, dy, transposed + std::int64_t(first) * g.out, nullptr);
}

void run(Queue& q, const ConvolutionProblem& problem, float* to, const void* from, const float* packed,
         const float* bias) {
#if TWEEDIE_CUDA
  if (q.on_cuda()) return cuda::convolution(q, problem, to, static_cast<const float*>(from), packed, bias);
#endif
  if (problem.backward && problem.accumulate)
    return run_transposed(q, problem, to, 0, problem.g.in, from, packed);
  auto& convolutions = q.state<CpuConvolutions>();
  if (problem.precision == Precision::bf16) {
    onednn::Bf16Convolution& plan = convolutions.bf16_plan(problem);
    return plan.execute(convolutions.stream(), to, from, packed, bias, nullptr,
                        q.workspace(plan.workspace_bytes()));
  }
  if (const winograd::Kernels* own = convolutions.own(problem)) {
    const int threads = omp_get_max_threads();
    return winograd::convolution(*own, problem, to, from, packed, bias,
                                 q.workspace(winograd::workspace_bytes(*own, problem, threads)), threads);
  }
  onednn::Convolution& plan = convolutions.plan(problem);
  const WeightsOrder order = plan.order();
  const std::size_t scratch_bytes = aligned(plan.scratch_bytes());
  const std::size_t weights_bytes = order == WeightsOrder::packed ? 0 : plan.weights_bytes();
  char* const workspace = static_cast<char*>(q.workspace(scratch_bytes + weights_bytes));
  const float* weights = packed;
  if (order != WeightsOrder::packed) {
    float* const reordered = reinterpret_cast<float*>(workspace + scratch_bytes);
    const bool swap = order == WeightsOrder::swapped;
    if (order == WeightsOrder::other)
      plan.reorder(convolutions.stream(), reordered, packed, workspace);
    else
      transpose_blocks(reordered, packed, problem.g, swap);
    weights = reordered;
  }
  plan.execute(convolutions.stream(), to, static_cast<const float*>(from), weights, bias, workspace);
}

// oneDNN overwrites, and we add: the gradient is made in the workspace first.
void run_weights(Queue& q, const ConvolutionProblem& problem, float* dpacked, float* dbias, const float* x,
                 const float* dy) {
#if TWEEDIE_CUDA
  if (q.on_cuda()) return cuda::convolution_backward_weights(q, problem, dpacked, dbias, x, dy);
#endif
  auto& convolutions = q.state<CpuConvolutions>();
  if (problem.precision == Precision::bf16) {
    onednn::Bf16Convolution& plan = convolutions.bf16_plan(problem);
    return plan.execute(convolutions.stream(), dpacked, x, dy, nullptr, dbias,
                        q.workspace(plan.workspace_bytes()));
  }
  onednn::WeightsGradient& plan = convolutions.weights_plan(problem);
  const std::int64_t count = convolution_packed_size(q, problem.g);
  const std::size_t scratch_bytes = aligned(plan.scratch_bytes());
  const std::size_t weights_bytes = aligned(std::size_t(count) * sizeof(float));
  const std::size_t bias_bytes = aligned(std::size_t(problem.g.out) * sizeof(float));
  const std::size_t reordered_bytes = plan.needs_reorder() ? aligned(plan.weights_bytes()) : 0;
  char* const workspace =
      static_cast<char*>(q.workspace(scratch_bytes + weights_bytes + bias_bytes + reordered_bytes));
  float* const weights = reinterpret_cast<float*>(workspace + scratch_bytes);
  float* const bias = reinterpret_cast<float*>(workspace + scratch_bytes + weights_bytes);
  float* const reordered = reinterpret_cast<float*>(workspace + scratch_bytes + weights_bytes + bias_bytes);
  plan.execute(convolutions.stream(), weights, bias, x, dy, reordered, workspace);
  for_each_index(count, [=](std::int64_t i) { dpacked[i] += weights[i]; });
  if (dbias) for_each_index(problem.g.out, [=](std::int64_t i) { dbias[i] += bias[i]; });
}

// ---- the contract ---------------------------------------------------------------------------------------

void check_geometry(const char* op, const ConvolutionGeometry& g) {
  require(g.in > 0 && g.in % 16 == 0 && g.out > 0 && g.out % 16 == 0, op,
          ": channels must be multiples of 16, got ", g.in, " -> ", g.out);
  const auto sound = [](int kernel, int stride, int pad) {
    return kernel > 0 && stride > 0 && pad >= 0 && pad < kernel;
  };
  require(sound(g.kernel.h, g.stride.h, g.pad.h) && sound(g.kernel.w, g.stride.w, g.pad.w), op, ": kernel ",
          g.kernel, ", stride ", g.stride, ", padding ", g.pad, " make no convolution");
}

void check_shapes(const char* op, const Queue& q, const Shape& x, int x_block, const Shape& y, int y_block,
                  const View<const float>& packed, const ConvolutionGeometry& g) {
  check_geometry(op, g);
  require(x.C == g.in, op, ": the input has ", x.C, " channels, the weights take ", g.in);
  require(x.H + 2 * g.pad.h >= g.kernel.h && x.W + 2 * g.pad.w >= g.kernel.w, op, ": a kernel of ", g.kernel,
          " does not fit into ", x, " padded by ", g.pad);
  const Shape expected{x.N, g.out, g.output_rows(x.H), g.output_columns(x.W)};
  require(y == expected, op, ": the output of ", x, " is ", expected, ", not ", y);
  const int in_block = convolution_block(q.device(), g.in), out_block = convolution_block(q.device(), g.out);
  require(x_block == in_block && y_block == out_block, op, ": channel blocks must be ", in_block, " and ",
          out_block, " on ", name(q.device()), ", got ", x_block, " and ", y_block);
  require(packed.size() == convolution_packed_size(q, g), op, ": ", convolution_packed_size(q, g),
          " packed weights expected, got ", packed.size());
}

double best_seconds_cpu(Queue& q, const ConvolutionProblem& problem, int repeats) {
  auto& convolutions = q.state<CpuConvolutions>();
  const auto filled = [](std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.01f * float(i % 7);
    return values;
  };
  std::vector<float> x = filled(problem.x.size()), y = filled(problem.y().size());
  double best = std::numeric_limits<double>::infinity();
  for (Method method : {Method::direct, Method::winograd, Method::winograd_prepared}) {
    onednn::Convolution plan(convolutions.engine(), problem, method);
    if (!plan) continue;
    const std::vector<float> weights = filled(std::int64_t(plan.weights_bytes() / sizeof(float)) + 1);
    void* const workspace = q.workspace(plan.scratch_bytes());
    for (int repeat = 0; repeat <= repeats; ++repeat) {
      Stopwatch watch(q);
      if (problem.backward)
        plan.execute(convolutions.stream(), x.data(), y.data(), weights.data(), nullptr, workspace);
      else
        plan.execute(convolutions.stream(), y.data(), x.data(), weights.data(), nullptr, workspace);
      if (repeat > 0) best = std::min(best, watch.seconds());  // the first one warms up
    }
  }
  return best;
}

}  // namespace

std::size_t ConvolutionProblem::Hash::operator()(const ConvolutionProblem& p) const {
  std::size_t hash = p.backward + 2 * p.accumulate + 4 * p.bias + 8 * p.weights +
                     16 * std::size_t(p.precision) + 64 * std::size_t(p.operand);
  for (int field : {p.g.in, p.g.out, p.g.kernel.h, p.g.kernel.w, p.g.stride.h, p.g.stride.w, p.g.pad.h,
                    p.g.pad.w, p.x.N, p.x.H, p.x.W})
    hash = hash * 1000003 + std::size_t(field);
  return hash;
}

int convolution_block(Device device, int channels) {
  return device == Device::cuda ? channels : onednn::channel_block();
}

std::int64_t convolution_packed_size(const Queue&, const ConvolutionGeometry& g) {
  return std::int64_t(g.out) * g.in * g.taps();
}

void convolution_pack(Queue& q, View<float> packed, const float* weights, const ConvolutionGeometry& g) {
  check_geometry("convolution_pack", g);
  require(packed.size() == convolution_packed_size(q, g), "convolution_pack: room for ",
          convolution_packed_size(q, g), " weights expected, got ", packed.size());
#if TWEEDIE_CUDA
  if (q.on_cuda()) return cuda::convolution_pack(q, packed.data, weights, g);
#endif
  for_each_weight(g, [&](std::int64_t to, std::int64_t from) { packed.data[to] = weights[from]; });
}

void convolution_unpack(Queue& q, float* weights, View<const float> packed, const ConvolutionGeometry& g) {
  check_geometry("convolution_unpack", g);
  require(packed.size() == convolution_packed_size(q, g),
          "convolution_unpack: ", convolution_packed_size(q, g), " packed weights expected, got ",
          packed.size());
#if TWEEDIE_CUDA
  if (q.on_cuda()) return cuda::convolution_unpack(q, weights, packed.data, g);
#endif
  for_each_weight(g, [&](std::int64_t from, std::int64_t to) { weights[to] = packed.data[from]; });
}

namespace {

// What cannot be read as it is stored is a mistake of the caller, who would not want a copy.
void check_operand(const char* op, Queue& q, const ConvolutionGeometry& g, const Shape& x, bool backward,
                   Storage operand) {
  require(operand == Storage::fp32 || convolution_operand(q, g, x, backward) == Storage::bf16, op,
          ": a convolution of ", x, " with a kernel of ", g.kernel, " does not read bf16 here");
}

}  // namespace

// On CUDA none: cuDNN 9.19 has no engine of bf16 operands and an fp32 result (asked for sm_80 and sm_90).
Storage convolution_operand(Queue& q, const ConvolutionGeometry& g, Shape x, bool backward) {
  if (q.storage() == Storage::fp32 || q.on_cuda()) return Storage::fp32;
  const ConvolutionProblem problem{g, x, backward, false, false, false, q.multiplied(), Storage::bf16};
  const bool reads =
      problem.precision == Precision::bf16 || q.state<CpuConvolutions>().own(problem) != nullptr;
  return reads ? Storage::bf16 : Storage::fp32;
}

void convolution(Queue& q, View<float> y, const MapView& x, View<const float> packed, const float* bias,
                 const ConvolutionGeometry& g, bool accumulate) {
  check_shapes("convolution", q, x.shape, x.b, y.shape, y.b, packed, g);
  check_operand("convolution", q, g, x.shape, false, x.storage);
  if (x.size() == 0) return;
  run(q, {g, x.shape, false, accumulate, bias != nullptr, false, q.multiplied(), x.storage}, y.data, x.data,
      packed.data, bias);
}

void convolution_of_parts(Queue& q, View<float> y, View<const float> first, View<const float> second,
                          View<const float> packed, const float* bias, const ConvolutionGeometry& g) {
  require(first.C() % 16 == 0 && first.C() + second.C() == g.in, "convolution_of_parts: ", first.shape,
          " and ", second.shape, " do not make up ", g.in, " channels");
  require(packed.size() == convolution_packed_size(q, g),
          "convolution_of_parts: ", convolution_packed_size(q, g), " packed weights expected, got ",
          packed.size());
  ConvolutionGeometry of_first = g, of_second = g;
  of_first.in = first.C();
  of_second.in = second.C();
  const int count = int(convolution_packed_size(q, of_first)), rest = int(packed.size()) - count;
  const View<float> weights(static_cast<float*>(q.scratch(std::size_t(packed.size()) * sizeof(float))),
                            {1, 1, 1, count});
  const View<float> others(weights.data + count, {1, 1, 1, rest});
  // Packed weights lie by results, or blocks of them, then by sources.
  const int rows = q.on_cuda() ? g.out * g.taps() : g.out / onednn::channel_block();
  split_channels(q, {weights.data, {rows, count / rows, 1, 1}}, {others.data, {rows, rest / rows, 1, 1}},
                 {packed.data, {rows, int(packed.size()) / rows, 1, 1}});
  convolution(q, y, first, weights, bias, of_first, true);
  convolution(q, y, second, others, nullptr, of_second, true);
}

void convolution_backward_data(Queue& q, View<float> dx, const MapView& dy, View<const float> packed,
                               const ConvolutionGeometry& g, bool accumulate) {
  check_shapes("convolution_backward_data", q, dx.shape, dx.b, dy.shape, dy.b, packed, g);
  require(!accumulate || q.on_cuda() || (g.kernel == 1 && g.stride == 1),
          "convolution_backward_data: on the CPU only 1x1 kernels without stride accumulate, not ", g.kernel,
          " with stride ", g.stride);
  check_operand("convolution_backward_data", q, g, dx.shape, true, dy.storage);
  if (dx.size() == 0) return;
  run(q, {g, dx.shape, true, accumulate, false, false, q.multiplied(), dy.storage}, dx.data, dy.data,
      packed.data, nullptr);
}

void convolution_backward_data_in_parts(Queue& q, View<float> dx, View<float> dx_second, const MapView& dy,
                                        View<const float> packed, const ConvolutionGeometry& g,
                                        bool accumulate) {
  const Shape all{dx.N(), dx.C() + dx_second.C(), dx.H(), dx.W()};
  check_shapes("convolution_backward_data_in_parts", q, all, dx.b, dy.shape, dy.b, packed, g);
  require(!q.on_cuda() && dx_second.b == dx.b && dx.C() % 16 == 0 &&
              dx_second.shape == Shape{all.N, all.C - dx.C(), all.H, all.W},
          "convolution_backward_data_in_parts: ", dx.shape, " and ", dx_second.shape, " on ",
          name(q.device()));
  require(!accumulate || (g.kernel == 1 && g.stride == 1),
          "convolution_backward_data_in_parts: only 1x1 kernels without stride accumulate");
  check_operand("convolution_backward_data_in_parts", q, g, all, true, dy.storage);
  if (all.size() == 0) return;
  const ConvolutionProblem problem{g, all, true, accumulate, false, false, q.multiplied(), dy.storage};
  if (accumulate) {
    run_transposed(q, problem, dx.data, 0, dx.C(), dy.data, packed.data);
    return run_transposed(q, problem, dx_second.data, dx.C(), dx_second.C(), dy.data, packed.data);
  }
  if (const winograd::Kernels* own = q.state<CpuConvolutions>().own(problem)) {
    const int threads = omp_get_max_threads();
    return winograd::convolution(*own, problem, dx.data, dy.data, packed.data, nullptr,
                                 q.workspace(winograd::workspace_bytes(*own, problem, threads)), threads,
                                 dx_second.data, dx.C());
  }
  const View<float> joined(static_cast<float*>(q.scratch(std::size_t(all.size()) * sizeof(float))), all,
                           dx.b);
  run(q, problem, joined.data, dy.data, packed.data, nullptr);
  split_channels(q, dx, dx_second, joined);
}

void convolution_backward_weights(Queue& q, View<float> dpacked, float* dbias, View<const float> x,
                                  View<const float> dy, const ConvolutionGeometry& g) {
  check_shapes("convolution_backward_weights", q, x.shape, x.b, dy.shape, dy.b, dpacked, g);
  if (x.size() == 0) return;
  ConvolutionProblem problem{g, x.shape};
  problem.accumulate = problem.weights = true;
  problem.bias = dbias != nullptr;
  problem.precision = q.multiplied();
  run_weights(q, problem, dpacked.data, dbias, x.data, dy.data);
}

std::string convolution_implementation(Queue& q, const ConvolutionGeometry& g, Shape x, bool backward) {
  check_geometry("convolution_implementation", g);
  const ConvolutionProblem problem{g, x, backward, false, false, false, q.multiplied()};
#if TWEEDIE_CUDA
  if (q.on_cuda()) return cuda::convolution_implementation(q, problem);
#endif
  if (problem.precision == Precision::bf16)
    return q.state<CpuConvolutions>().bf16_plan(problem).implementation();
  auto& convolutions = q.state<CpuConvolutions>();
  if (const winograd::Kernels* own = convolutions.own(problem))
    return std::string("winograd_4x3:") + own->name;
  return convolutions.plan(problem).implementation();
}

double convolution_best_seconds(Queue& q, const ConvolutionGeometry& g, Shape x, bool backward, int repeats,
                                bool planar) {
  check_geometry("convolution_best_seconds", g);
  require(!planar || q.on_cuda(), "convolution_best_seconds: planar tensors are timed on CUDA only");
#if TWEEDIE_CUDA
  if (q.on_cuda())
    return cuda::convolution_best_seconds(q, {g, x, backward, false, false, false, q.multiplied()}, repeats,
                                          planar);
#endif
  return best_seconds_cpu(q, {g, x, backward}, repeats);
}

}  // namespace tweedie

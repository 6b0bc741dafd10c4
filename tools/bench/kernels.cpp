#include "tools/bench/kernels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/activation.hpp"
#include "kernels/attention.hpp"
#include "kernels/concat.hpp"
#include "kernels/convolution.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/group_norm.hpp"
#include "kernels/layout.hpp"
#include "kernels/matmul.hpp"
#include "kernels/pixel_shuffle.hpp"
#include "kernels/random.hpp"
#include "kernels/reduce.hpp"
#include "kernels/resample.hpp"
#include "kernels/timer.hpp"
#include "kernels/timestep_embedding.hpp"
#include "tests/cases/attention.hpp"
#include "tests/cases/concat.hpp"
#include "tests/cases/convolution.hpp"
#include "tests/cases/elementwise.hpp"
#include "tests/cases/group_norm.hpp"
#include "tests/cases/layout.hpp"
#include "tests/cases/matmul.hpp"
#include "tests/cases/pixel_shuffle.hpp"
#include "tests/cases/resample.hpp"
#include "tests/cases/timestep_embedding.hpp"
#include "tools/bench/case_tensors.hpp"
#include "tools/bench/measurement_kernels.hpp"

namespace tweedie::bench {
namespace {

using Source = View<const float>;

// ---- maps over elements, sums and random numbers ---------------------------------------------------------
struct Maps {
  Tensor y, x, z, v, w;
  Tensor bias;
  TensorOf<double> squares;
};

struct Map {
  const char* name;
  int arrays;  ///< read and written, as large as the map
  void (*call)(Queue& q, Maps& m);
};

constexpr Map maps[] = {
    {"fill", 1, [](Queue& q, Maps& m) { fill(q, m.y, 0.5f); }},
    {"copy", 2, [](Queue& q, Maps& m) { copy(q, m.y, m.x); }},
    {"axpby", 3, [](Queue& q, Maps& m) { axpby(q, m.y, 0.5f, m.x, 0.25f, m.z); }},
    {"axpbypcz", 4, [](Queue& q, Maps& m) { axpbypcz(q, m.y, 0.5f, m.x, 0.25f, m.z, 2.f, m.w); }},
    {"clamp", 2, [](Queue& q, Maps& m) { clamp(q, m.y, m.x, -1, 1); }},
    {"clamp_backward", 3, [](Queue& q, Maps& m) { clamp_backward(q, m.y, m.z, m.x, -1, 1); }},
    {"add_bias", 2, [](Queue& q, Maps& m) { add_bias(q, m.y, m.x, m.bias.data()); }},
    {"silu", 2, [](Queue& q, Maps& m) { silu(q, m.y, m.x); }},
    {"silu_backward", 3, [](Queue& q, Maps& m) { silu_backward(q, m.y, m.z, m.x); }},
    {"leaky_relu", 2, [](Queue& q, Maps& m) { leaky_relu(q, m.y, m.x, 0.1f); }},
    {"leaky_relu_backward", 3, [](Queue& q, Maps& m) { leaky_relu_backward(q, m.y, m.z, m.x, 0.1f); }},
    {"tanh_forward", 2, [](Queue& q, Maps& m) { tanh_forward(q, m.y, m.x); }},
    {"tanh_backward", 3, [](Queue& q, Maps& m) { tanh_backward(q, m.y, m.z, m.x); }},
    {"divide_by_norm", 2, [](Queue& q, Maps& m) { divide_by_norm(q, m.y, m.x, m.squares, -1); }},
    {"ancestral_learned", 5,
     [](Queue& q, Maps& m) { ancestral_learned(q, m.y, 0.5f, m.x, 0.25f, m.z, m.v, m.w, -4, -5); }},
    {"sum_squares", 1, [](Queue& q, Maps& m) { sum_squares(q, m.squares, m.x); }},
    {"dot", 2, [](Queue& q, Maps& m) { dot(q, m.squares, m.x, m.z); }},
    {"normal", 1, [](Queue& q, Maps& m) { normal(q, m.y, 1, 0); }},
    {"uniform", 1, [](Queue& q, Maps& m) { uniform(q, m.y, 1, 0); }},
};

void bench_maps(Bench& bench) {
  bool any = false;
  for (const Map& map : maps) any = bench.wants(map.name) || any;
  if (!any) return;
  for (const auto& [shape, b] : cases::maps_unet) {
    Maps m{room(bench, shape, b),
           values(bench, shape, b),
           values(bench, shape, b),
           values(bench, shape, b),
           values(bench, shape, b),
           values(bench, {1, shape.C, 1, 1}),
           bench.context().per_sample(shape.N)};
    sum_squares(bench.queue(), m.squares, m.x);
    for (const Map& map : maps)
      bench.row(map.name, text(shape, m.x.b()), {bytes({map.arrays * shape.size()})},
                [&] { map.call(bench.queue(), m); });
  }
}

void bench_embeddings(Bench& bench) {
  if (!bench.wants("timestep_embedding")) return;
  for (const auto& [N, D] : cases::embeddings_unet) {
    Tensor y = room(bench, {N, D, 1, 1}), t = values(bench, {N, 1, 1, 1});
    bench.row("timestep_embedding", text(y.shape()), {bytes({N, N * D})},
              [&] { timestep_embedding(bench.queue(), y, t); });
  }
}

// ---- what a U-Net consists of ----------------------------------------------------------------------------
void bench_group_norm(Bench& bench) {
  if (!wants_any(bench, {"group_norm", "group_norm_backward"})) return;
  Queue& q = bench.queue();
  for (const cases::GroupNormCase& row : cases::group_norms_unet) {
    const Shape& shape = row.shape;
    Tensor y = room(bench, shape, row.b), x = values(bench, shape, row.b), dy = values(bench, shape, row.b);
    Tensor stats = room(bench, {shape.N, row.groups, 1, 2}), gamma = values(bench, {1, shape.C, 1, 1}),
           beta = values(bench, {1, shape.C, 1, 1}),
           scale_shift = values(bench, {shape.N, 2 * shape.C, 1, 1});
    GroupNormParameters p;
    p.gamma = gamma.data();
    p.beta = beta.data();
    if (row.modulated) p.scale_shift = scale_shift.data();
    p.groups = row.groups;
    p.silu = row.silu;
    const std::string name =
        text(shape, x.b()) + (row.modulated ? " modulated" : "") + (row.silu ? " silu" : "");
    group_norm(q, y, stats, x, p);  // the statistics that backward reads
    bench.row("group_norm", name, {bytes({2 * shape.size()})}, [&] { group_norm(q, y, stats, x, p); });
    bench.row("group_norm_backward", name, {bytes({3 * shape.size()})},
              [&] { group_norm_backward(q, y, dy, x, stats, p); });
  }
}

// Products of (T, T) matrices a head: two, and backward five, the weights formed again among them.
void bench_attention(Bench& bench) {
  if (!wants_any(bench, {"attention", "attention_backward"})) return;
  Queue& q = bench.queue();
  for (const cases::AttentionCase& row : cases::attentions_unet) {
    const Shape shape = row.y(), wide = row.qkv();
    Tensor qkv = values(bench, wide, wide.C), dqkv = room(bench, wide, wide.C),
           y = room(bench, shape, shape.C), dy = values(bench, shape, shape.C);
    const std::string name = fmt::format("{} in {} heads", text(shape), row.heads);
    const double product = 2.0 * double(shape.plane()) * double(shape.size());
    bench.row("attention", name, {bytes({wide.size(), shape.size()}), 2 * product},
              [&] { attention(q, y, qkv, row.form()); });
    bench.row("attention_backward", name, {bytes({2 * wide.size(), shape.size()}), 5 * product},
              [&] { attention_backward(q, dqkv, dy, qkv, row.form()); });
  }
}

void bench_resample(Bench& bench) {
  struct Direction {
    const char* name;
    bool grows;
    void (*call)(Queue& q, View<float> y, Source x);
  };
  constexpr Direction directions[] = {
      {"upsample_nearest2", true, upsample_nearest2},
      {"upsample_nearest2_backward", false, upsample_nearest2_backward},
      {"average_pool2", false, average_pool2},
      {"average_pool2_backward", true, average_pool2_backward},
  };
  for (const Direction& direction : directions) {
    if (!bench.wants(direction.name)) continue;
    for (const auto& [s, b] : cases::resamples_unet) {
      Tensor small = values(bench, s, b), large = values(bench, {s.N, s.C, 2 * s.H, 2 * s.W}, b);
      Tensor &y = direction.grows ? large : small, &x = direction.grows ? small : large;
      bench.row(direction.name, text(x.shape(), x.b()), {bytes({5 * s.size()})},
                [&] { direction.call(bench.queue(), y, x); });
    }
  }
}

void bench_pixel_shuffle(Bench& bench) {
  if (!wants_any(bench, {"pixel_shuffle2", "pixel_shuffle2_backward"})) return;
  Queue& q = bench.queue();
  for (const auto& [s, channels, small_b, large_b] : cases::pixel_shuffles_unet) {
    Tensor small = values(bench, s, small_b),
           large = values(bench, {s.N, channels, 2 * s.H, 2 * s.W}, large_b);
    const Work work{bytes({s.size(), large.shape().size()})};
    const std::string name = fmt::format("{} to {} b={}", text(s, small.b()), channels, large.b());
    bench.row("pixel_shuffle2", name, work, [&] { pixel_shuffle2(q, large, small); });
    bench.row("pixel_shuffle2_backward", name, work, [&] { pixel_shuffle2_backward(q, small, large); });
  }
}

void bench_concat(Bench& bench) {
  if (!wants_any(bench, {"concat_channels", "split_channels"})) return;
  for (const auto& [N, C_a, C_b, H, W, blocks] : cases::concats_unet) {
    Tensor a = values(bench, {N, C_a, H, W}, blocks), b = values(bench, {N, C_b, H, W}, blocks),
           y = values(bench, {N, C_a + C_b, H, W}, blocks);
    const std::string name = fmt::format("{} of {} + {}", text(y.shape(), y.b()), C_a, C_b);
    const Work work{bytes({2 * y.shape().size()})};
    bench.row("concat_channels", name, work, [&] { concat_channels(bench.queue(), y, a, b); });
    bench.row("split_channels", name, work, [&] { split_channels(bench.queue(), a, b, y); });
  }
}

void bench_layout(Bench& bench) {
  if (!bench.wants("convert_layout")) return;
  for (const cases::LayoutCase& row : cases::layouts_unet) {
    Tensor x = values(bench, {row.N, row.C_from, row.H, row.W}, row.b_from),
           y = room(bench, {row.N, row.C_to, row.H, row.W}, row.b_to);
    const std::int64_t read = std::min(x.shape().size(), y.shape().size());
    bench.row("convert_layout", fmt::format("{} to C={} b={}", text(x.shape(), x.b()), row.C_to, y.b()),
              {bytes({read, y.shape().size()})}, [&] { convert_layout(bench.queue(), y, x); });
  }
}

// "winograd_4x3:avx512_core, 1.38 times as fast as the library's best", and on CUDA how cuDNN would do on
// planar tensors. Each round times both, so that a busy machine slows both; of the rounds the shortest times
// count.
std::string against_library(Bench& bench, const ConvolutionGeometry& g, const Shape& x, bool backward,
                            const std::function<void()>& call) {
  constexpr int rounds = 5;
  Queue& q = bench.queue();
  const auto time_ours = [&] {
    if (q.on_cuda()) return bench.measure(call, 0).min();  // with cold caches, as the library's
    Stopwatch watch(q);
    call();
    return watch.seconds();
  };
  double ours = std::numeric_limits<double>::infinity(), best = ours, planar = ours;
  for (int round = 0; round < rounds; ++round) {
    ours = std::min(ours, time_ours());
    best = std::min(best, convolution_best_seconds(q, g, x, backward, 1));
    if (q.on_cuda()) planar = std::min(planar, convolution_best_seconds(q, g, x, backward, 1, true));
  }
  return fmt::format(
      "{}, {:.2f} times as fast as the library's best{}", convolution_implementation(q, g, x, backward),
      best / ours,
      q.on_cuda() ? fmt::format(", {:.2f} times as fast as its best on NCHW", planar / ours) : "");
}

void bench_convolution(Bench& bench) {
  if (!wants_any(bench, {"convolution", "convolution_backward_data"})) return;
  Queue& q = bench.queue();
  Context& context = bench.context();
  for (const auto& [N, H, W, g] : cases::convolutions_unet) {
    const Shape shape{N, g.in, H, W}, to{N, g.out, g.output_rows(H), g.output_columns(W)};
    Tensor x = values(bench, shape, cases::backend_block), y = values(bench, to, cases::backend_block);
    Tensor packed = context.planar({1, 1, 1, int(convolution_packed_size(q, g))});
    Tensor bias = values(bench, {1, g.out, 1, 1});
    const std::vector<float> weights =
        context.download(context.normal({g.out, g.in, g.kernel.h, g.kernel.w}));
    convolution_pack(q, packed, weights.data(), g);
    const std::string name = fmt::format("{} to {}, {}x{}", text(shape), g.out, g.kernel.h, g.kernel.w);
    const Work work{bytes({shape.size(), to.size(), std::int64_t(weights.size())}),
                    2.0 * double(to.size()) * g.in * g.taps()};
    const auto forward = [&] { convolution(q, y, x, packed, bias.data(), g); };
    const auto backward = [&] { convolution_backward_data(q, x, y, packed, g); };
    bench.row("convolution", name, work, forward,
              [&] { return against_library(bench, g, shape, false, forward); });
    bench.row("convolution_backward_data", name, work, backward,
              [&] { return against_library(bench, g, shape, true, backward); });
  }
}

void bench_matmul(Bench& bench) {
  if (!bench.wants("matmul")) return;
  for (const auto& [batch, m, n, k, a_transposed, b_transposed] : cases::matmuls_unet) {
    Tensor a = values(bench, {batch, 1, a_transposed ? k : m, a_transposed ? m : k}),
           b = values(bench, {batch, 1, b_transposed ? n : k, b_transposed ? k : n}),
           c = room(bench, {batch, 1, m, n});
    const auto matrices = [](auto* data, const Shape& s, bool transposed) {
      return Matrices<std::remove_pointer_t<decltype(data)>>{data, s.H, s.W, s.W, s.sample(), transposed};
    };
    const auto left = matrices(std::as_const(a).data(), a.shape(), a_transposed);
    const auto right = matrices(std::as_const(b).data(), b.shape(), b_transposed);
    const auto result = matrices(c.data(), c.shape(), false);
    bench.row("matmul",
              fmt::format("{} x ({}, {}){} ({}, {}){}", batch, a.shape().H, a.shape().W,
                          a_transposed ? "^T" : "", b.shape().H, b.shape().W, b_transposed ? "^T" : ""),
              {bytes({a.shape().size(), b.shape().size(), c.shape().size()}), 2.0 * batch * m * n * k},
              [&, count = batch] { matmul(bench.queue(), result, left, right, count); });
  }
}

}  // namespace

Json bench_kernels(Context& context, const KernelOptions& options) {
  Bench bench(context, options);
  bench_maps(bench);
  bench_group_norm(bench);
  bench_attention(bench);
  bench_resample(bench);
  bench_pixel_shuffle(bench);
  bench_concat(bench);
  bench_layout(bench);
  bench_convolution(bench);
  bench_matmul(bench);
  bench_embeddings(bench);
  bench_measurement_kernels(bench);
  bench_blind_kernels(bench);
  return bench.report();
}

}  // namespace tweedie::bench

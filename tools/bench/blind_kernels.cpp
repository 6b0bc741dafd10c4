// Kernels of blind problems: displacements, kernels that move.
#include "kernels/complex.hpp"
#include "kernels/correlate_dense.hpp"
#include "kernels/simplex.hpp"
#include "kernels/warp.hpp"
#include "tests/cases/complex.hpp"
#include "tests/cases/correlate_dense.hpp"
#include "tests/cases/simplex.hpp"
#include "tests/cases/warp.hpp"
#include "tools/bench/case_tensors.hpp"
#include "tools/bench/measurement_kernels.hpp"

namespace tweedie::bench {
namespace {

void bench_warp(Bench& bench) {
  if (!wants_any(bench, {"warp", "warp_backward_image", "warp_backward_displacement"})) return;
  Queue& q = bench.queue();
  for (const cases::WarpCase& c : cases::warps_unet) {
    const Shape field{c.fields, 2, c.x.H, c.x.W};
    Tensor x = values(bench, c.x), y = values(bench, c.x), phi = values(bench, field),
           dphi = room(bench, field);
    const Work work{bytes({2 * c.x.size(), field.size()})};
    bench.row("warp", text(c.x), work, [&] { warp(q, y, x, phi); });
    bench.row("warp_backward_image", text(c.x), work, [&] { warp_backward_image(q, x, y, phi); });
    bench.row("warp_backward_displacement", text(c.x), {bytes({2 * c.x.size(), 2 * field.size()})},
              [&] { warp_backward_displacement(q, dphi, y, x, phi); });
  }
}

void bench_correlate_dense(Bench& bench) {
  if (!wants_any(bench,
                 {"correlate_dense", "correlate_dense_backward_image", "correlate_dense_backward_kernel"}))
    return;
  Queue& q = bench.queue();
  for (const cases::DenseCase& c : cases::dense_unet) {
    const Shape small{c.x.N, c.x.C, c.x.H - c.k.H + 1, c.x.W - c.k.W + 1};
    Tensor x = values(bench, c.x), y = values(bench, small), k = values(bench, c.k), dk = room(bench, c.k);
    const std::string what = text(c.x) + " by " + text(c.k);
    const Work work{bytes({c.x.size(), small.size()}), 2.0 * double(small.size()) * double(c.k.plane())};
    bench.row("correlate_dense", what, work, [&] { correlate_dense(q, y, x, k); });
    bench.row("correlate_dense_backward_image", what, work,
              [&] { correlate_dense_backward_image(q, x, y, k); });
    bench.row("correlate_dense_backward_kernel", what, work,
              [&] { correlate_dense_backward_kernel(q, dk, y, x); });
  }
}

void bench_simplex(Bench& bench) {
  if (!wants_any(bench, {"normalise_to_simplex", "normalise_to_simplex_backward", "project_to_simplex"}))
    return;
  Queue& q = bench.queue();
  for (const Shape& s : cases::simplexes_unet) {
    Tensor x = values(bench, s), y = values(bench, s), z = room(bench, s);
    TensorOf<double> totals = bench.context().per_sample(s.N);
    const Work work{bytes({2 * s.size()})};
    bench.row("normalise_to_simplex", text(s), work, [&] { normalise_to_simplex(q, y, totals, x); });
    bench.row("normalise_to_simplex_backward", text(s), {bytes({3 * s.size()})},
              [&] { normalise_to_simplex_backward(q, z, x, y, totals.view()); });
    bench.row("project_to_simplex", text(s), work, [&] { project_to_simplex(q, z, x); });
  }
}

void bench_spectra(Bench& bench) {
  if (!wants_any(bench, {"correlate_spectra"})) return;
  for (const auto& [inner, outer] : cases::frames_unet) {
    const Shape one{1, 1, outer.H, outer.W};
    TensorOf<std::complex<float>> a = bench.context().spectrum(outer), b = bench.context().spectrum(outer),
                                  z = bench.context().spectrum(one);
    for (auto* spectrum : {&a, &b})
      bench.context().normal(
          View<float>(reinterpret_cast<float*>(spectrum->data()), {outer.N, outer.C, outer.H, 2 * outer.W}));
    bench.row("correlate_spectra", text(outer), {bytes({4 * outer.size(), 2 * one.size()})},
              [&] { correlate_spectra(bench.queue(), z, a, b); });
  }
}

}  // namespace

void bench_blind_kernels(Bench& bench) {
  bench_warp(bench);
  bench_correlate_dense(bench);
  bench_simplex(bench);
  bench_spectra(bench);
}

}  // namespace tweedie::bench

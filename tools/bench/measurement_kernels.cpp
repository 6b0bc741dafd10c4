#include "tools/bench/measurement_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>
#include <utility>

#include "kernels/axis_filter.hpp"
#include "kernels/complex.hpp"
#include "kernels/correlate.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/fft.hpp"
#include "kernels/radon.hpp"
#include "kernels/total_variation.hpp"
#include "tests/cases/axis_filter.hpp"
#include "tests/cases/complex.hpp"
#include "tests/cases/correlate.hpp"
#include "tests/cases/elementwise.hpp"
#include "tests/cases/fft.hpp"
#include "tests/cases/radon.hpp"
#include "tests/cases/total_variation.hpp"
#include "tools/bench/case_tensors.hpp"

namespace tweedie::bench {
namespace {

using Spectrum = TensorOf<std::complex<float>>;

void bench_masks(Bench& bench) {
  if (!bench.wants("multiply")) return;
  for (const auto& [shape, mask_shape] : cases::masks_unet) {
    Tensor y = room(bench, shape), x = values(bench, shape), mask = values(bench, mask_shape);
    bench.row("multiply", text(shape), {bytes({2 * shape.size(), mask_shape.size()})},
              [&] { multiply(bench.queue(), y, x, mask); });
  }
}

/// `taps` entries a row around the place the row corresponds to.
SparseRows filter_rows(int rows, int columns, int taps) {
  SparseRows m{rows, columns, {0}, {}, {}};
  for (int row = 0; row < rows; ++row) {
    const int first = row * columns / rows - taps / 2;
    for (int tap = 0; tap < taps; ++tap) {
      m.index.push_back(std::clamp(first + tap, 0, columns - 1));
      m.weight.push_back(1.f / float(taps));
    }
    m.start.push_back(int(m.index.size()));
  }
  return m;
}

template <class T>
TensorOf<T> upload(Bench& bench, const std::vector<T>& host) {
  TensorOf<T> x(bench.context().pool, {1, 1, 1, int(host.size())});
  copy_from_host(bench.queue(), x.data(), host.data(), host.size() * sizeof(T));
  return x;
}

void bench_axis_filter(Bench& bench) {
  if (!bench.wants("axis_filter")) return;
  for (const auto& [shape, out, taps, axis] : cases::axis_filters_unet) {
    const bool along_rows = axis == Axis::rows;
    Shape to = shape;
    (along_rows ? to.H : to.W) = out;
    const SparseRows m = filter_rows(out, along_rows ? shape.H : shape.W, taps);
    const TensorOf<int> start = upload(bench, m.start), index = upload(bench, m.index);
    const TensorOf<float> weight = upload(bench, m.weight);
    const SparseRowsView view{m.rows, m.columns, start.data(), index.data(), weight.data()};
    Tensor x = values(bench, shape), y = room(bench, to);
    bench.row("axis_filter",
              fmt::format("{} to {} {}, {} taps", text(shape), out, along_rows ? "rows" : "columns", taps),
              {bytes({shape.size(), to.size()}), 2.0 * double(to.size()) * taps},
              [&, along = axis] { axis_filter(bench.queue(), y, x, view, along); });
  }
}

void bench_correlate(Bench& bench) {
  if (!bench.wants("correlate")) return;
  for (const auto& [shape, count, reach] : cases::correlates_unet) {
    // Multiples of two irrational numbers modulo 1 are spread evenly over a square.
    const auto place = [side = 2 * reach + 1](int k, double step) {
      return int((k * step - std::floor(k * step)) * side) - side / 2;
    };
    std::vector<int> down, right;
    for (int k = 0; k < count; ++k) down.push_back(place(k, 0.75488)), right.push_back(place(k, 0.56984));
    const TensorOf<int> dh = upload(bench, down), dw = upload(bench, right);
    const Tensor weight = values(bench, {1, 1, 1, count});
    const TapsView taps{count, dh.data(), dw.data(), weight.data()};
    Tensor x = values(bench, shape), y = room(bench, shape);
    bench.row("correlate", fmt::format("{}, {} taps, {} pixels around", text(shape), count, reach),
              {bytes({2 * shape.size()}), 2.0 * double(shape.size()) * count},
              [&] { correlate(bench.queue(), y, x, taps, Direction::correlate); });
  }
}

void bench_radon(Bench& bench) {
  if (!wants_any(bench, {"radon", "radon_adjoint", "backproject"})) return;
  Queue& q = bench.queue();
  for (const auto& [shape, angles, detectors] : cases::radons_unet) {
    std::vector<double> radians;
    for (int a = 0; a < angles; ++a) radians.push_back(std::numbers::pi * a / angles);
    const auto on_device = upload(bench, radon_angles(shape.H, shape.W, detectors, 1, radians));
    const RadonView rays{shape.H, shape.W, detectors, angles, on_device.data()};
    Tensor x = values(bench, shape), y = values(bench, {shape.N, shape.C, angles, detectors});
    const std::string what = fmt::format("{}, {} angles of {}", text(shape), angles, detectors);
    // Each pixel and angle: 2 detectors of weight, seldom 1 or 3; each a position, a weight, a sum.
    const Work work{bytes({shape.size(), y.shape().size()}), 12.0 * double(shape.size()) * angles};
    bench.row("radon", what, work, [&] { radon(q, y, x, rays); });
    bench.row("radon_adjoint", what, work, [&] { radon_adjoint(q, x, y, rays); });
    bench.row("backproject", what, work, [&] { backproject(q, x, y, rays); });
  }
}

/// Normal values, as those of tensors.
Spectrum spectrum(Bench& bench, const Shape& shape) {
  Spectrum z = bench.context().spectrum(shape);
  bench.context().normal(
      View<float>(reinterpret_cast<float*>(z.data()), {shape.N, shape.C, shape.H, 2 * shape.W}));
  return z;
}

void bench_fft(Bench& bench) {
  if (!wants_any(bench, {"fft2", "ifft2", "fft2_real", "ifft2_real"})) return;
  Queue& q = bench.queue();
  for (const Shape& shape : cases::ffts_unet) {
    const Shape half{shape.N, shape.C, shape.H, shape.W / 2 + 1};
    Tensor image = values(bench, shape);
    Spectrum x = spectrum(bench, shape), y = bench.context().spectrum(shape),
             z = bench.context().spectrum(half);
    const Work complex{bytes({4 * shape.size()})}, real{bytes({shape.size(), 2 * half.size()})};
    bench.row("fft2", text(shape), complex, [&] { fft2(q, y, x); });
    bench.row("ifft2", text(shape), complex, [&] { ifft2(q, y, x); });
    bench.row("fft2_real", text(shape), real, [&] { fft2_real(q, z, image); });
    fft2_real(q, z, image);  // the inverse asks for the spectrum of a real image
    bench.row("ifft2_real", text(shape), real, [&] { ifft2_real(q, image, z); });
  }
}

void bench_complex(Bench& bench) {
  if (!wants_any(bench, {"pad_to_complex", "crop_real", "centred_magnitude", "centred_magnitude_backward",
                         "multiply_spectrum"}))
    return;
  Queue& q = bench.queue();
  for (const auto& [inner, outer] : cases::frames_unet) {
    const Shape plane{1, 1, outer.H, outer.W};
    Tensor x = values(bench, inner), magnitude = values(bench, outer);
    Spectrum y = bench.context().spectrum(outer), z = spectrum(bench, outer), k = spectrum(bench, plane);
    const std::string frame = fmt::format("{} in {}", text(inner), text(outer));
    const std::int64_t small = inner.size(), large = outer.size();
    bench.row("pad_to_complex", frame, {bytes({small, 2 * large})},
              [&] { pad_to_complex(q, y, x, 0.5f, 0.5f); });
    bench.row("crop_real", frame, {bytes({3 * small})}, [&] { crop_real(q, x, z, 0.5f); });
    bench.row("centred_magnitude", text(outer), {bytes({3 * large})},
              [&] { centred_magnitude(q, magnitude, z, 0.5f); });
    bench.row("centred_magnitude_backward", text(outer), {bytes({5 * large})},
              [&] { centred_magnitude_backward(q, y, magnitude, z, 0.5f); });
    bench.row("multiply_spectrum", text(outer), {bytes({4 * large, 2 * plane.size()})},
              [&] { multiply_spectrum(q, y, z, k, true); });
  }
}

void bench_total_variation(Bench& bench) {
  if (!wants_any(bench, {"differences", "differences_backward", "difference_norms", "shrink_differences"}))
    return;
  Queue& q = bench.queue();
  for (const Shape& shape : cases::differences_unet) {
    Tensor x = values(bench, shape), g = values(bench, {shape.N, 2 * shape.C, shape.H, shape.W}),
           z = values(bench, g.shape());
    const Work work{bytes({3 * shape.size()})};
    bench.row("differences", text(shape), work, [&] { differences(q, g, x); });
    bench.row("differences_backward", text(shape), work, [&] { differences_backward(q, x, z); });
    bench.row("difference_norms", text(shape), work, [&] { difference_norms(q, x, z); });
    bench.row("shrink_differences", text(shape), {bytes({4 * shape.size()})},
              [&] { shrink_differences(q, g, z, 0.5f); });
  }
}

}  // namespace

void bench_measurement_kernels(Bench& bench) {
  bench_masks(bench);
  bench_axis_filter(bench);
  bench_correlate(bench);
  bench_radon(bench);
  bench_fft(bench);
  bench_complex(bench);
  bench_total_variation(bench);
}

}  // namespace tweedie::bench

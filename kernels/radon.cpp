#include "kernels/radon.hpp"

#include <algorithm>
#include <cmath>

namespace tweedie {
namespace {

// Below this many rays' steps waking the other threads costs more than the work.
constexpr std::int64_t worth_threads = 1 << 15;
constexpr int candidates = radon_candidates;
// Zeros around each row that is read, so that reading past an end needs no branch.
constexpr int image_margin = 3, detector_margin = 2 * candidates;

/// Both ways to walk through a plane: rows as they are, then columns as rows; each begins with one zero and
/// ends with two.
void pad_plane(float* to, const float* from, int H, int W) {
  for (int h = 0; h < H; ++h, to += W + image_margin) {
    to[0] = to[W + 1] = to[W + 2] = 0;
    std::copy_n(from + std::int64_t(h) * W, W, to + 1);
  }
  for (int w = 0; w < W; ++w, to += H + image_margin) {
    to[0] = to[H + 1] = to[H + 2] = 0;
    for (int h = 0; h < H; ++h) to[h + 1] = from[std::int64_t(h) * W + w];
  }
}

/// All rays of one angle through one plane; `padded` holds its steps, each of `across` pixels.
void project(float* y, const float* padded, const RadonAngle& angle, int steps, int across, int detectors) {
  std::fill_n(y, detectors, 0.f);
  for (int v = 0; v < steps; ++v) {
    const float* const row = padded + std::int64_t(v) * (across + image_margin) + 1;
    const float base = std::fma(angle.per_step, float(v), angle.start), last = float(across);
    for (int d = 0; d < detectors; ++d) {
      float at = std::fma(angle.per_detector, float(d), base);
      at = at < -1.f ? -1.f : at;
      at = at > last ? last : at;
      const float below = std::floor(at);
      const int i = int(below);
      const float sum = std::fma(1.f - (at - below), row[i], y[d]);
      y[d] = std::fma(1.f - (below + 1.f - at), row[i + 1], sum);
    }
  }
  for (int d = 0; d < detectors; ++d) y[d] *= angle.length;
}

/// One row of pixels, h, gathers from one angle's detectors, which have zeros on both sides.
void gather(float* x, const float* measured, const RadonAngle& angle, int h, int W, int detectors,
            bool interpolated) {
  const float inverse = std::fabs(angle.per_pixel);
  const float reach = interpolated ? 1.f : inverse, slope = interpolated ? inverse : 1.f;
  const float length = interpolated ? 1.f : angle.length;
  const bool rows = angle.steps_rows != 0;
  for (int w = 0; w < W; ++w) {
    const float u = float(rows ? w : h);
    const float base = std::fma(angle.per_step, float(rows ? h : w), angle.start);
    float first = std::ceil(std::fma(u - base, angle.per_pixel, -(reach + radon_slack)));
    first = first < float(-candidates) ? float(-candidates) : first;
    first = first > float(detectors) ? float(detectors) : first;
    float part = 0;
    for (int k = 0; k < candidates; ++k) {
      const float d = first + float(k);
      const float weight = std::fma(-slope, std::fabs(u - std::fma(angle.per_detector, d, base)), 1.f);
      part = std::fma(weight < 0.f ? 0.f : weight, measured[int(d)], part);
    }
    x[w] = std::fma(length, part, x[w]);
  }
}

void check(const char* op, const View<const float>& image, const View<const float>& measured,
           const RadonView& r) {
  require(image.b == 1 && measured.b == 1, op, ": the layout must be planar (b = 1), got b=", image.b,
          " and b=", measured.b);
  const Shape expected{image.N(), image.C(), r.angles, r.detectors};
  require(image.H() == r.H && image.W() == r.W && measured.shape == expected, op, ": rays of ", r.H, "x", r.W,
          " images, ", r.angles, " angles and ", r.detectors, " detectors do not join ", image.shape, " and ",
          measured.shape);
}

void backproject(Queue& q, View<float> x, View<const float> y, const RadonView& r, bool interpolated) {
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::backproject(q, x, y, r, interpolated);
  const std::int64_t views = std::int64_t(y.N()) * y.C() * r.angles, rows = std::int64_t(x.N()) * x.C() * r.H;
  const int padded = r.detectors + detector_margin;
  auto* const scratch =
      static_cast<float*>(q.scratch(std::size_t(views) * std::size_t(padded) * sizeof(float)));
  for (std::int64_t view = 0; view < views; ++view) {
    float* const to = scratch + view * padded;
    std::fill_n(to, padded, 0.f);
    std::copy_n(y.data + view * r.detectors, r.detectors, to + candidates);
  }
#pragma omp parallel for schedule(static) if (x.size() * r.angles >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    float* const to = x.data + row * r.W;
    std::fill_n(to, r.W, 0.f);
    for (int a = 0; a < r.angles; ++a)
      gather(to, scratch + (row / r.H * r.angles + a) * padded + candidates, r.angle[a], int(row % r.H), r.W,
             r.detectors, interpolated);
  }
}

}  // namespace

std::vector<RadonAngle> radon_angles(int H, int W, int detectors, double pixel,
                                     const std::vector<double>& radians, double axis) {
  constexpr int most = 16384;
  require(H > 0 && W > 0 && H <= most && W <= most, "radon: images of ", H, "x", W, " pixels; expected 1 to ",
          most, " each way");
  require(detectors > 0 && detectors <= most, "radon: ", detectors, " detectors; expected 1 to ", most);
  require(std::isfinite(axis) && std::abs(axis) <= most, "radon: an axis ", axis,
          " detectors from their middle; expected at most ", most);
  std::vector<RadonAngle> angles;
  for (const double t : radians) {
    require(std::isfinite(t), "radon: an angle of ", t, " radians");
    const double c = std::cos(t), s = std::sin(t);
    const double middle_h = (H - 1) / 2.0, middle_w = (W - 1) / 2.0, middle_d = (detectors - 1) / 2.0 + axis;
    const bool rows = std::abs(c) >= std::abs(s);
    // From x cos t + y sin t = s with w = x + middle_w and h = middle_h - y, solved for w, or for h.
    const double per_detector = rows ? 1 / c : -1 / s;
    const double per_step = rows ? s / c : c / s;
    const double start = rows ? middle_w - per_step * middle_h : middle_h - per_step * middle_w;
    angles.push_back({float(per_detector), float(per_step), float(start - per_detector * middle_d),
                      float(pixel * std::abs(per_detector)), float(1 / per_detector), rows ? 1 : 0});
  }
  return angles;
}

void radon(Queue& q, View<float> y, View<const float> x, const RadonView& r) {
  check("radon", x, y, r);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::radon(q, y, x, r);
  const std::int64_t planes = std::int64_t(x.N()) * x.C(), upright = std::int64_t(r.H) * (r.W + image_margin),
                     both = upright + std::int64_t(r.W) * (r.H + image_margin);
  auto* const scratch = static_cast<float*>(q.scratch(std::size_t(planes * both) * sizeof(float)));
  const bool threads = y.size() * std::max(r.H, r.W) >= worth_threads;
#pragma omp parallel for schedule(static) if (threads)
  for (std::int64_t plane = 0; plane < planes; ++plane)
    pad_plane(scratch + plane * both, x.data + plane * x.shape.plane(), r.H, r.W);
#pragma omp parallel for schedule(static) if (threads)
  for (std::int64_t view = 0; view < planes * r.angles; ++view) {
    const RadonAngle& angle = r.angle[view % r.angles];
    const bool rows = angle.steps_rows != 0;
    project(y.data + view * r.detectors, scratch + view / r.angles * both + (rows ? 0 : upright), angle,
            rows ? r.H : r.W, rows ? r.W : r.H, r.detectors);
  }
}

void radon_adjoint(Queue& q, View<float> x, View<const float> y, const RadonView& r) {
  check("radon_adjoint", x, y, r);
  backproject(q, x, y, r, false);
}

void backproject(Queue& q, View<float> x, View<const float> y, const RadonView& r) {
  check("backproject", x, y, r);
  backproject(q, x, y, r, true);
}

}  // namespace tweedie

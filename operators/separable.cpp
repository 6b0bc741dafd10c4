#include "operators/separable.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "operators/pseudo_inverse.hpp"
#include "operators/separable_spectral.hpp"

namespace tweedie {
namespace {

// Appends a row given as column -> weight; columns in order, so that a run of neighbours is a run in memory.
void append(SparseRows& m, const std::map<int, double>& row) {
  if (m.start.empty()) m.start.push_back(0);
  for (const auto& [column, weight] : row)
    if (weight != 0) {
      m.index.push_back(column);
      m.weight.push_back(float(weight));
    }
  m.start.push_back(int(m.index.size()));
  ++m.rows;
}

std::vector<double> dense(const SparseRows& m) {
  std::vector<double> values(std::size_t(m.rows) * std::size_t(m.columns), 0.0);
  for (int row = 0; row < m.rows; ++row)
    for (int k = m.start[std::size_t(row)]; k < m.start[std::size_t(row) + 1]; ++k)
      values[std::size_t(row) * std::size_t(m.columns) + std::size_t(m.index[std::size_t(k)])] +=
          double(m.weight[std::size_t(k)]);
  return values;
}

double cubic(double x) {
  x = std::abs(x);
  if (x <= 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
  if (x <= 2) return -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2;
  return 0;
}

}  // namespace

SeparableOperator::SeparableOperator(Context& context, Maker along_h, Maker along_w, bool independent_rows)
    : context_(context),
      independent_rows_(independent_rows),
      along_h_{std::move(along_h), 0, {}, {}, {}},
      along_w_{std::move(along_w), 0, {}, {}, {}} {}

void SeparableOperator::prepare(Matrix& axis, int pixels, bool with_inverse) {
  if (axis.pixels == pixels && (!with_inverse || axis.inverse.rows() == pixels)) return;
  const SparseRows m = axis.make(pixels);
  if (axis.pixels != pixels) {
    axis.forward = DeviceRows(context_, m);
    axis.transposed = DeviceRows(context_, m.transposed());
    axis.inverse = DeviceRows();
    axis.pixels = pixels;
  }
  if (with_inverse) axis.inverse = DeviceRows(context_, pseudo_inverse_rows(m));
}

Shape SeparableOperator::output_shape(const Shape& image) const {
  // The matrices that `apply` has made are asked first: solvers ask for the shape in every step.
  const auto rows = [](const Matrix& axis, int pixels) {
    return axis.pixels == pixels ? axis.forward.view().rows : axis.make(pixels).rows;
  };
  return {image.N, image.C, rows(along_h_, image.H), rows(along_w_, image.W)};
}

Tensor SeparableOperator::apply(const Tensor& x) {
  const Shape s = x.shape();
  prepare(along_h_, s.H, false);
  prepare(along_w_, s.W, false);
  const SparseRowsView h = along_h_.forward.view(), w = along_w_.forward.view();
  Tensor half = context_.planar({s.N, s.C, s.H, w.rows});
  axis_filter(context_.queue, half, x, w, Axis::columns);
  Tensor y = context_.planar({s.N, s.C, h.rows, w.rows});
  axis_filter(context_.queue, y, half, h, Axis::rows);
  return y;
}

Tensor SeparableOperator::back(const Tensor& y, const Shape& image, DeviceRows Matrix::*rows) {
  const SparseRowsView h = (along_h_.*rows).view(), w = (along_w_.*rows).view();
  const Shape s = y.shape();
  require(s == Shape{image.N, image.C, h.columns, w.columns}, "measurement ", s,
          " does not belong to images ", image);
  Tensor half = context_.planar({s.N, s.C, image.H, s.W});
  axis_filter(context_.queue, half, y, h, Axis::rows);
  Tensor x = context_.planar(image);
  axis_filter(context_.queue, x, half, w, Axis::columns);
  return x;
}

Tensor SeparableOperator::adjoint(const Tensor& y, const Shape& image) {
  prepare(along_h_, image.H, false);
  prepare(along_w_, image.W, false);
  return back(y, image, &Matrix::transposed);
}

Tensor SeparableOperator::pseudo_inverse(const Tensor& y, const Shape& image) {
  require(independent_rows_, "this operator has no pseudo-inverse here");
  prepare(along_h_, image.H, true);
  prepare(along_w_, image.W, true);
  return back(y, image, &Matrix::inverse);
}

Spectral* SeparableOperator::spectral(const Shape& image) {
  return spectral_.get(image, [this](const Shape& s) {
    const auto svd = [](const SparseRows& m) { return singular_values(dense(m), m.rows, m.columns); };
    return std::make_unique<SeparableSpectral>(context_, s, svd(along_h_.make(s.H)), svd(along_w_.make(s.W)));
  });
}

int fold(int i, int n, Boundary boundary) {
  if (boundary == Boundary::circular) return ((i % n) + n) % n;
  if (n == 1) return 0;
  const int period = 2 * (n - 1);
  i = ((i % period) + period) % period;
  return i < n ? i : period - i;
}

SparseRows correlation_rows(int pixels, const std::vector<double>& taps, Boundary boundary) {
  require(taps.size() % 2 == 1, "blur: a kernel of ", taps.size(), " taps; expected an odd number");
  const int radius = int(taps.size()) / 2;
  SparseRows m;
  m.columns = pixels;
  for (int i = 0; i < pixels; ++i) {
    std::map<int, double> row;
    for (int k = -radius; k <= radius; ++k)
      row[fold(i + k, pixels, boundary)] += taps[std::size_t(k + radius)];
    append(m, row);
  }
  return m;
}

std::vector<double> gaussian_taps(int kernel_size, double sigma) {
  require(kernel_size > 0, "Gaussian blur: kernel_size ", kernel_size, "; expected a number of pixels");
  require(sigma > 0, "Gaussian blur: a standard deviation of ", sigma, " pixels; expected a positive number");
  const int radius = int(4 * sigma + 0.5), centre = kernel_size / 2;
  double sum = 0;
  for (int k = -radius; k <= radius; ++k) sum += std::exp(-0.5 * k * k / (sigma * sigma));
  std::vector<double> taps(std::size_t(kernel_size), 0.0);
  for (int i = 0; i < kernel_size; ++i)
    for (int k = -radius; k <= radius; ++k) {
      // scipy's "reflect" mirrors with the edge repeated.
      int at = (((i + k) % (2 * kernel_size)) + 2 * kernel_size) % (2 * kernel_size);
      if (at >= kernel_size) at = 2 * kernel_size - 1 - at;
      if (at == centre) taps[std::size_t(i)] += std::exp(-0.5 * k * k / (sigma * sigma)) / sum;
    }
  return taps;
}

SparseRows bicubic_rows(int pixels, int factor) {
  require(factor >= 1 && factor <= 1024, "super-resolution: scale factor ", factor, "; expected 1 to 1024");
  const double scale = 1.0 / factor, width = 4.0 * factor;
  const int results = (pixels + factor - 1) / factor;
  SparseRows m;
  m.columns = pixels;
  for (int o = 1; o <= results; ++o) {
    const double shifted = o - (results - pixels * scale) / 2;
    const double match = shifted / scale + 0.5 * (1 - 1 / scale);  // 1-based position in the input
    const int left = int(std::floor(match - width / 2)), count = int(std::ceil(width)) + 2;
    std::map<int, double> row;
    double sum = 0;
    for (int k = 0; k < count; ++k) {
      const int at = left + k - 1;  // 0-based
      const double weight = scale * cubic(scale * (match - at - 1));
      int folded = ((at % (2 * pixels)) + 2 * pixels) % (2 * pixels);
      if (folded >= pixels) folded = 2 * pixels - 1 - folded;
      row[folded] += weight;
      sum += weight;
    }
    for (auto& [column, weight] : row) weight /= sum;
    append(m, row);
  }
  return m;
}

SparseRows average_rows(int pixels, int factor) {
  require(factor >= 1 && pixels % factor == 0, "super-resolution: ", pixels, " pixels are not a multiple of ",
          factor);
  SparseRows m;
  m.columns = pixels;
  for (int o = 0; o < pixels / factor; ++o) {
    std::map<int, double> row;
    for (int k = 0; k < factor; ++k) row[o * factor + k] = 1.0 / factor;
    append(m, row);
  }
  return m;
}

Boundary boundary_of(const Settings& settings) {
  return settings.text("boundary") == "reflect" ? Boundary::reflect : Boundary::circular;
}

Shape enlarged_by_scale_factor(const Settings& s, const Shape& measured) {
  const std::int64_t factor = s.integer("scale_factor"), H = measured.H * factor, W = measured.W * factor;
  require(std::max(H, W) < 1 << 20, s.what(), ": of an image of ", W, " x ", H,
          " pixels; expected sides below ", 1 << 20);
  return {measured.N, measured.C, int(H), int(W)};
}

namespace {

std::unique_ptr<ForwardOperator> make_super_resolution(Context& context, const Settings& s,
                                                       const OperatorData&) {
  return std::make_unique<SeparableOperator>(
      context,
      [factor = s.integer("scale_factor"), average = s.text("kernel") == "average"](int pixels) {
        return average ? average_rows(pixels, factor) : bicubic_rows(pixels, factor);
      },
      true);
}

constexpr Setting super_resolution_settings[] = {
    scale_factor_setting,
    Setting::text("kernel", "bicubic", "bicubic, average", "bicubic is antialiased").spelled("--reduction"),
};

std::unique_ptr<ForwardOperator> make_gaussian_blur(Context& context, const Settings& s,
                                                    const OperatorData&) {
  const int size = s.integer("kernel_size");
  require(size % 2 == 1, s.what(), ": kernel_size ", size, "; expected an odd number of pixels");
  const std::vector<double> taps = gaussian_taps(size, s.number("intensity"));
  const auto rows = [taps, rule = boundary_of(s), what = s.what()](int pixels) {
    require(int(taps.size()) / 2 < pixels, what, ": a kernel of ", taps.size(), " pixels needs images of ",
            taps.size() / 2 + 1, " or more, this side has ", pixels, "; see kernel_size (--kernel-size)");
    return correlation_rows(pixels, taps, rule);
  };
  return std::make_unique<SeparableOperator>(context, rows);
}

constexpr Setting gaussian_blur_settings[] = {
    Setting::whole("kernel_size", 61, 1, 4095, "odd number of pixels"),
    Setting::positive("intensity", 3, "standard deviation in pixels").spelled("--blur-sigma"),
    boundary_setting,
};

}  // namespace

// in_shape: the DPS repository's; ours takes the shape of the image.
const OperatorKind super_resolution_kind{.name = "super_resolution",
                                         .what = "reduction by --factor",
                                         .make = make_super_resolution,
                                         .settings = super_resolution_settings,
                                         .steps = {1.0, 1.0, 0.3, 0.09},
                                         .ignored = "in_shape",
                                         .image_shape = enlarged_by_scale_factor};

const OperatorKind gaussian_blur_kind{.name = "gaussian_blur",
                                      .what = "blur by a Gaussian of --blur-sigma",
                                      .make = make_gaussian_blur,
                                      .settings = gaussian_blur_settings,
                                      .steps = {1.0, 0.4, 0.3, 0.09, 0.14}};

}  // namespace tweedie

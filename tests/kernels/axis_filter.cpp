#include "kernels/axis_filter.hpp"

#include "tests/cases/axis_filter.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {
namespace {

using Values = std::vector<float>;

/// `taps` entries in each row at scattered columns, in no order and sometimes twice the same; every fifth row
/// is left empty, as a crop would.
SparseRows scattered(int rows, int columns, int taps) {
  SparseRows m;
  m.rows = rows;
  m.columns = columns;
  m.start = {0};
  const Values weights = random_values(std::int64_t(rows) * taps, 6);
  for (int row = 0; row < rows; ++row) {
    for (int k = 0; row % 5 != 4 && k < taps; ++k) {
      m.index.push_back((row * columns / rows + k * k * 3) % columns);
      m.weight.push_back(weights[std::size_t(row * taps + k)]);
    }
    m.start.push_back(int(m.index.size()));
  }
  return m;
}

/// The matrix on a device.
struct DeviceRows {
  DeviceRows(Queue& q, const SparseRows& m)
      : start(q, m.start), index(q, m.index), weight(q, m.weight), rows(m.rows), columns(m.columns) {}
  SparseRowsView view() const { return {rows, columns, start.data(), index.data(), weight.data()}; }
  DeviceArray<int> start, index;
  DeviceArray<float> weight;
  int rows, columns;
};

Shape filtered(Shape shape, int pixels, Axis axis) {
  (axis == Axis::rows ? shape.H : shape.W) = pixels;
  return shape;
}

Values filter(Queue& q, const Values& x, Shape from, const SparseRows& m, Axis axis) {
  const Shape to = filtered(from, m.rows, axis);
  return under_all_warp_orders(q, [&] {
    const DeviceRows matrix(q, m);
    DeviceArray<float> in(q, x), out(q, to.size());
    axis_filter(q, out.view(to), in.view(from), matrix.view(), axis);
    check_equal("input left alone", in.host(), x);
    return out.host();
  });
}

/// The formula, through a dense matrix.
std::vector<double> reference(const Values& x, Shape from, const SparseRows& m, Axis axis) {
  std::vector<double> dense(std::size_t(m.rows) * m.columns);
  for (int row = 0; row < m.rows; ++row)
    for (int k = m.start[std::size_t(row)]; k < m.start[std::size_t(row) + 1]; ++k)
      dense[std::size_t(row * m.columns + m.index[std::size_t(k)])] += m.weight[std::size_t(k)];
  const Shape to = filtered(from, m.rows, axis);
  const View<const float> in(x.data(), from);
  std::vector<double> y;
  for (int n = 0; n < to.N; ++n)
    for (int c = 0; c < to.C; ++c)
      for (int h = 0; h < to.H; ++h)
        for (int w = 0; w < to.W; ++w) {
          double sum = 0;
          for (int k = 0; k < m.columns; ++k)
            sum += dense[std::size_t((axis == Axis::rows ? h : w) * m.columns + k)] *
                   x[std::size_t(axis == Axis::rows ? in.offset(n, c, k, w) : in.offset(n, c, h, k))];
          y.push_back(sum);
        }
  return y;
}

}  // namespace

TEST_CASE("axis_filter: the product with a dense matrix, and the transpose as adjoint") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::AxisFilterCase& row : cases::axis_filters_small) {
      const int pixels = row.axis == Axis::rows ? row.x.H : row.x.W;
      const SparseRows m = scattered(row.out, pixels, row.taps), transposed = m.transposed();
      const Shape to = filtered(row.x, row.out, row.axis);
      const Values x = random_values(row.x.size(), 1);
      const std::string what = message("axis_filter on ", name(device), ' ', row.x, " to ", to);
      // One rounding for each tap.
      check_close(what, filter(q, x, row.x, m, row.axis), reference(x, row.x, m, row.axis), row.taps * 6e-8);
      if (x.empty()) continue;
      check_vjp(
          what, [&](const Values& at) { return filter(q, at, row.x, m, row.axis); },
          [&](const Values& dy) { return filter(q, dy, to, transposed, row.axis); }, x, 1e-5, 1);
    }
  }
}

TEST_CASE("axis_filter: images large enough for threads and for striding, the same bits on every backend") {
  const Shape from{2, 3, 211, 229};
  const Values x = random_values(from.size(), 1);
  for (const Axis axis : {Axis::rows, Axis::columns}) {
    const SparseRows m = scattered(223, axis == Axis::rows ? from.H : from.W, 7);
    Queue cpu(Device::cpu);
    const Values expected = filter(cpu, x, from, m, axis);
    check_close("large", expected, reference(x, from, m, axis), 7 * 6e-8);
    for (const Device device : backends()) {
      Queue q(device);
      check_equal(name(device), filter(q, x, from, m, axis), expected);
    }
  }
}

TEST_CASE("SparseRows: the transpose holds the same entries, in order") {
  SparseRows m;
  m.rows = 3;
  m.columns = 4;
  m.start = {0, 2, 2, 5};
  m.index = {3, 1, 0, 3, 1};
  m.weight = {1, 2, 3, 4, 5};
  const SparseRows t = m.transposed();
  CHECK(t.rows == 4);
  CHECK(t.columns == 3);
  CHECK(t.start == std::vector<int>{0, 1, 3, 3, 5});
  CHECK(t.index == std::vector<int>{2, 0, 2, 0, 2});
  CHECK(t.weight == Values{3, 2, 5, 1, 4});
}

TEST_CASE("axis_filter: mistakes are named") {
  for (const Device device : backends()) {
    Queue q(device);
    const DeviceRows m(q, scattered(2, 3, 1));
    DeviceArray<float> y(q, 24), x(q, 36);
    CHECK_THROWS_WITH_AS(axis_filter(q, y.view({1, 2, 2, 6}), x.view({1, 2, 6, 3}), m.view(), Axis::rows),
                         "axis_filter: a 2 x 3 matrix along H does not map (1, 2, 6, 3) to (1, 2, 2, 6)",
                         Error);
    CHECK_THROWS_WITH_AS(axis_filter(q, y.view({1, 2, 2, 6}), x.view({1, 2, 3, 6}), m.view(), Axis::columns),
                         "axis_filter: a 2 x 3 matrix along W does not map (1, 2, 3, 6) to (1, 2, 2, 6)",
                         Error);
    CHECK_THROWS_WITH_AS(axis_filter(q, y.view({1, 2, 3, 4}), x.view({1, 2, 3, 6}), m.view(), Axis::rows),
                         "axis_filter: a 2 x 3 matrix along H does not map (1, 2, 3, 6) to (1, 2, 3, 4)",
                         Error);
    CHECK_THROWS_WITH_AS(
        axis_filter(q, y.view({1, 2, 2, 6}, 2), x.view({1, 2, 3, 6}, 2), m.view(), Axis::rows),
        "axis_filter: the layout must be planar (b = 1), got b=2 and b=2", Error);
  }
}

}  // namespace tweedie::test

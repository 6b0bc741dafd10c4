#include "kernels/elementwise.hpp"

#include <limits>
#include <memory>

#include "tests/cases/elementwise.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {
namespace {

using Values = std::vector<float>;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

/// Everything a map over one to four alike inputs needs: its kernel, and the same formula in double.
struct Map {
  const char* name;
  int inputs;
  double tolerance;
  void (*kernel)(Queue&, View<float>, const std::vector<View<const float>>&);
  double (*formula)(const double* in);
};

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// A tolerance of k * 6e-8 allows k roundings of the largest result: one for each operation of the formula,
// two for each exponential (and on a GPU one for each argument's rounding).
constexpr double rounding = 6e-8;
const Map maps[] = {
    {"copy", 1, 0, [](Queue& q, View<float> y, const auto& in) { copy(q, y, in[0]); },
     [](const double* in) { return in[0]; }},
    {"axpby", 2, 2 * rounding,
     [](Queue& q, View<float> y, const auto& in) { axpby(q, y, 0.75f, in[0], -1.5f, in[1]); },
     [](const double* in) { return 0.75 * in[0] - 1.5 * in[1]; }},
    {"axpby of one term", 2, rounding,
     [](Queue& q, View<float> y, const auto& in) { axpby(q, y, 0, in[0], -1.5f, in[1]); },
     [](const double* in) { return -1.5 * in[1]; }},
    {"axpbypcz", 3, 3 * rounding,
     [](Queue& q, View<float> y, const auto& in) { axpbypcz(q, y, 0.75f, in[0], -1.5f, in[1], 3.f, in[2]); },
     [](const double* in) { return 0.75 * in[0] - 1.5 * in[1] + 3 * in[2]; }},
    {"add", 2, rounding, [](Queue& q, View<float> y, const auto& in) { add(q, y, in[0], in[1]); },
     [](const double* in) { return in[0] + in[1]; }},
    {"clamp", 1, 0, [](Queue& q, View<float> y, const auto& in) { clamp(q, y, in[0], -0.5f, 1.25f); },
     [](const double* in) { return std::min(std::max(in[0], -0.5), 1.25); }},
    {"clamp_backward", 2, 0,
     [](Queue& q, View<float> y, const auto& in) { clamp_backward(q, y, in[0], in[1], -0.5f, 1.25f); },
     [](const double* in) { return in[1] >= -0.5 && in[1] <= 1.25 ? in[0] : 0; }},
    {"silu", 1, 4 * rounding, [](Queue& q, View<float> y, const auto& in) { silu(q, y, in[0]); },
     [](const double* in) { return in[0] * logistic(in[0]); }},
    {"silu_backward", 2, 8 * rounding,
     [](Queue& q, View<float> y, const auto& in) { silu_backward(q, y, in[0], in[1]); },
     [](const double* in) {
       const double s = logistic(in[1]);
       return in[0] * s * (1 + in[1] * (1 - s));
     }},
    {"ancestral_learned", 4, 12 * rounding,
     [](Queue& q, View<float> y, const auto& in) {
       ancestral_learned(q, y, 0.3f, in[0], 0.7f, in[1], in[2], in[3], -2.f, -3.5f);
     },
     [](const double* in) {
       const double f = (in[2] + 1) / 2;
       return 0.3f * in[0] + 0.7f * in[1] + std::exp(f / 2 * -2. + (1 - f) / 2 * -3.5) * in[3];
     }},
};

/// The kernel on fresh device memory; `in_place` = which input y is, or -1.
Values run(Queue& q, const Map& map, const cases::MapCase& row, const std::vector<Values>& inputs,
           int in_place) {
  return under_all_warp_orders(q, [&] {
    std::vector<std::unique_ptr<DeviceArray<float>>> arrays;
    std::vector<View<const float>> views;
    for (const Values& values : inputs) {
      arrays.push_back(std::make_unique<DeviceArray<float>>(q, values));
      views.push_back(arrays.back()->view(row.shape, row.b));
    }
    DeviceArray<float> separate(q, row.shape.size());
    DeviceArray<float>& y = in_place < 0 ? separate : *arrays[std::size_t(in_place)];
    map.kernel(q, y.view(row.shape, row.b), views);
    for (std::size_t k = 0; k < inputs.size(); ++k)
      if (int(k) != in_place)
        check_equal(message(map.name, " left input ", k, " alone"), arrays[k]->host(), inputs[k]);
    return y.host();
  });
}

}  // namespace

TEST_CASE("elementwise: maps equal their formula in double, also in place") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const Map& map : maps)
      for (const cases::MapCase& row : cases::maps_small) {
        const std::size_t size = std::size_t(row.shape.size());
        std::vector<Values> inputs;
        for (int k = 0; k < map.inputs; ++k)
          inputs.push_back(random_values(std::int64_t(size), 11 + unsigned(k), -3, 3));
        std::vector<double> expected(size);
        for (std::size_t i = 0; i < size; ++i) {
          double in[4] = {};
          for (std::size_t k = 0; k < inputs.size(); ++k) in[k] = inputs[k][i];
          expected[i] = map.formula(in);
        }
        for (int in_place = -1; in_place < map.inputs; ++in_place)
          check_close(
              message(map.name, " on ", name(device), ' ', row.shape, " b=", row.b, " y=input ", in_place),
              run(q, map, row, inputs, in_place), expected, map.tolerance);
      }
  }
}

TEST_CASE("elementwise: large arrays, shared among CPU threads and longer than one wave of a GPU's") {
  // 1.07 million elements in groups of four: more than 1024 blocks of 256 threads take at once. The planar
  // one has planes of that size.
  for (const cases::MapCase& row :
       {cases::MapCase{{1, 24, 211, 211}, 24}, cases::MapCase{{1, 1, 1034, 1034}}}) {
    const Shape& shape = row.shape;
    const int b = row.b;
    const Values x = random_values(shape.size(), 3, -3, 3), z = random_values(shape.size(), 4, -3, 3);
    const Values bias = random_values(shape.C, 5);
    const double square = 4;
    std::vector<double> sum(x.size()), active(x.size()), biased(x.size()), product(x.size()),
        scaled(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      sum[i] = 2. * x[i] - 0.5 * z[i];
      active[i] = x[i] * logistic(x[i]);
      biased[i] = double(x[i]) + bias[i % std::size_t(b)];  // one block of channels
      product[i] = double(x[i]) * z[i];
      scaled[i] = 3 * x[i] / std::sqrt(square);
    }
    for (const Device device : backends()) {
      Queue q(device);
      const DeviceArray<float> device_x(q, x), device_z(q, z), device_bias(q, bias), y(q, shape.size());
      const DeviceArray<double> squares(q, std::vector<double>{square});
      const View<float> to = y.view(shape, b);
      const View<const float> from = device_x.view(shape, b), other = device_z.view(shape, b);
      const std::string where = message(" on ", name(device), ' ', shape, " b=", b);
      axpby(q, to, 2, from, -0.5f, other);
      check_close("axpby" + where, y.host(), sum, 2 * rounding);
      silu(q, to, from);
      check_close("silu" + where, y.host(), active, 4 * rounding);
      add_bias(q, to, from, device_bias.data());
      check_close("add_bias" + where, y.host(), biased, rounding);
      divide_by_norm(q, to, from, squares.view({1, 1, 1, 1}), 3);
      check_close("divide_by_norm" + where, y.host(), scaled, 2 * rounding);
      if (b != 1) continue;
      multiply(q, to, from, other);
      check_close("multiply" + where, y.host(), product, rounding);
    }
  }
}

TEST_CASE("elementwise: a bias and a second map in one pass, also in place") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::MapCase& row : cases::maps_small) {
      const Shape& s = row.shape;
      const Values x = random_values(s.size(), 3, -3, 3), plus = random_values(s.size(), 4, -3, 3),
                   bias = random_values(s.C, 5);
      std::vector<double> expected(x.size());
      for (std::size_t i = 0; i < x.size(); ++i)
        expected[i] = double(x[i]) + plus[i] + bias[i / std::size_t(s.plane()) % std::size_t(s.C)];
      for (const char* over : {"neither", "x", "plus"}) {
        const Values got = under_all_warp_orders(q, [&] {
          DeviceArray<float> in(q, to_blocks(x, s, row.b)), more(q, to_blocks(plus, s, row.b)),
              out(q, s.size()), biases(q, bias);
          DeviceArray<float>& y = over[0] == 'x' ? in : over[0] == 'p' ? more : out;
          add_bias(q, y.view(s, row.b), in.view(s, row.b), biases.data(), more.view(s, row.b));
          return from_blocks(y.host(), s, row.b);
        });
        check_close(message("add_bias of two maps on ", name(device), ' ', s, " b=", row.b, " over ", over),
                    got, expected, 2 * rounding);
      }
    }
  }
}

TEST_CASE("elementwise: fill") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::MapCase& row : cases::maps_small) {
      const Values got = under_all_warp_orders(q, [&] {
        DeviceArray<float> y(q, row.shape.size());
        fill(q, y.view(row.shape, row.b), -0.3f);
        return y.host();
      });
      check_equal("fill", got, Values(std::size_t(row.shape.size()), -0.3f));
    }
  }
}

TEST_CASE("elementwise: a coefficient of 0 drops its term") {
  const Shape shape{1, 1, 1, 5};
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> bad(q, Values{nan, infinity, -infinity, nan, 1}), good(q, Values{1, 2, 3, 4, 5}),
        y(q, shape.size());
    const auto n = bad.view(shape), g = good.view(shape), to = y.view(shape);
    const Values once{1, 2, 3, 4, 5}, doubled{2, 4, 6, 8, 10}, thrice{3, 6, 9, 12, 15}, zero(5, 0.f);
    axpby(q, to, 0, n, 2, g);
    check_equal("a = 0", y.host(), doubled);
    axpby(q, to, 1, g, 0, n);
    check_equal("b = 0", y.host(), once);
    axpby(q, to, 0, n, 0, n);
    check_equal("a = b = 0", y.host(), zero);
    axpbypcz(q, to, 0, n, 1, g, 2, g);
    check_equal("a = 0 of three", y.host(), thrice);
    axpbypcz(q, to, 1, g, 0, n, 2, g);
    check_equal("b = 0 of three", y.host(), thrice);
    axpbypcz(q, to, 1, g, 2, g, 0, n);
    check_equal("c = 0 of three", y.host(), thrice);
    axpbypcz(q, to, 0, n, 0, n, 2, g);
    check_equal("c alone", y.host(), doubled);
    axpbypcz(q, to, 0, n, 0, n, 0, n);
    check_equal("no term", y.host(), zero);
    axpby(q, to, 1, n, 1, g);
    CHECK(std::isnan(y.host()[0]));
  }
}

TEST_CASE("elementwise: clamps at their bounds and on NaN; SiLU far out") {
  const Shape shape{1, 1, 1, 7};
  const Values x{-1, 1, nan, -infinity, infinity, 0.5f, -1.0000001f};
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> in(q, x), ones(q, Values(7, 1.f)), y(q, 7);
    clamp(q, y.view(shape), in.view(shape), -1, 1);
    Values got = y.host();
    CHECK(std::isnan(got[2]));
    got[2] = 0;
    check_equal("clamp", got, Values{-1, 1, 0, -1, 1, 0.5f, -1});
    clamp_backward(q, y.view(shape), ones.view(shape), in.view(shape), -1, 1);
    check_equal("clamp_backward", y.host(), Values{1, 1, 0, 0, 0, 1, 0});

    DeviceArray<float> far(q, Values{-1000, 1000, -88, 88, -104, nan, 0}), slopes(q, 7);
    silu(q, y.view(shape), far.view(shape));
    silu_backward(q, slopes.view(shape), ones.view(shape), far.view(shape));
    const Values value = y.host(), slope = slopes.host();
    CHECK(value[0] == 0);
    CHECK(value[1] == 1000);
    CHECK(value[2] == doctest::Approx(-88 * std::exp(-88.)).epsilon(1e-5));
    CHECK(value[3] == 88);
    CHECK(std::abs(value[4]) < 1e-40f);
    CHECK(std::isnan(value[5]));
    CHECK(value[6] == 0);
    CHECK(slope[0] == 0);
    CHECK(slope[1] == 1);
    CHECK(std::abs(slope[4]) < 1e-40f);
    CHECK(std::isnan(slope[5]));
    CHECK(slope[6] == 0.5f);
  }
}

TEST_CASE("elementwise: silu_backward and clamp_backward are the derivatives") {
  const Shape shape{2, 3, 5, 7};
  for (const Device device : backends()) {
    Queue q(device);
    const Values x = random_values(shape.size(), 5, -4, 4);
    const DeviceArray<float> point(q, x);
    const auto run_on = [&](const Values& values, auto kernel) {
      DeviceArray<float> in(q, values), out(q, shape.size());
      kernel(out.view(shape), in.view(shape));
      return out.host();
    };
    // h^2/6 times a third derivative below 0.5, plus the rounding of float values of size 4 over 2h.
    check_vjp(
        "silu", [&](const Values& at) { return run_on(at, [&](auto y, auto in) { silu(q, y, in); }); },
        [&](const Values& w) {
          return run_on(w, [&](auto dx, auto dy) { silu_backward(q, dx, dy, point.view(shape)); });
        },
        x, 1e-4);
    // Linear on either side of the bounds; h is small enough that few points step across one.
    check_vjp(
        "clamp",
        [&](const Values& at) { return run_on(at, [&](auto y, auto in) { clamp(q, y, in, -1, 1); }); },
        [&](const Values& w) {
          return run_on(w, [&](auto dx, auto dy) { clamp_backward(q, dx, dy, point.view(shape), -1, 1); });
        },
        x, 2e-3, 1e-4);
  }
}

TEST_CASE("elementwise: views that start between 16-byte boundaries, as single samples can") {
  const Shape shape{1, 4, 8, 8}, one{1, 1, 1, 1};
  const std::int64_t size = shape.size();
  const Values x = random_values(size + 1, 1);
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> in(q, x), out(q, size + 1), bias(q, Values{1, 2, 3, 4});
    DeviceArray<double> squares(q, std::vector<double>{1});
    const View<const float> from(in.data() + 1, shape);
    const View<float> to(out.data() + 1, shape);
    const auto check = [&](const char* what, float factor, float offset, float per_channel) {
      Values expected, got = out.host();
      CHECK(std::isnan(got[0]));
      for (std::size_t i = 0; i < std::size_t(size); ++i)
        expected.push_back(factor * x[i + 1] + offset + per_channel * float(i / 64));
      check_equal(what, Values(got.begin() + 1, got.end()), expected);
    };
    axpby(q, to, 2, from, 0, from);
    check("axpby", 2, 0, 0);
    axpby(q, to, 2, from, 2, from);
    check("axpby of two", 4, 0, 0);
    divide_by_norm(q, to, from, squares.view(one), 4);
    check("divide_by_norm", 4, 0, 0);
    fill(q, to, 3);
    multiply(q, to, from, to);
    check("fill and multiply", 3, 0, 0);
    add_bias(q, to, from, bias.data());
    check("add_bias", 1, 1, 1);
  }
}

TEST_CASE("elementwise: mistakes are named") {
  const Shape s{1, 2, 3, 4}, t{1, 2, 4, 3};
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> a(q, 24), b(q, 24), bias(q, 2);
    DeviceArray<double> sums(q, 2);
    CHECK_THROWS_WITH_AS(axpby(q, a.view(s), 1, b.view(t), 1, b.view(s)),
                         "axpby: shapes or layouts differ: (1, 2, 3, 4) b=1 and (1, 2, 4, 3) b=1", Error);
    CHECK_THROWS_WITH_AS(silu(q, a.view(s), b.view(s, 2)),
                         "silu: shapes or layouts differ: (1, 2, 3, 4) b=1 and (1, 2, 3, 4) b=2", Error);
    CHECK_THROWS_WITH_AS(multiply(q, a.view(s, 2), b.view(s, 2), b.view(s)),
                         "multiply: the layout must be planar (b = 1), got b=2 and b=1", Error);
    CHECK_THROWS_WITH_AS(multiply(q, a.view(s), a.view(s), b.view(t)),
                         "multiply: a factor of shape (1, 2, 4, 3) does not broadcast to (1, 2, 3, 4)",
                         Error);
    CHECK_THROWS_WITH_AS(clamp(q, a.view(s), b.view(s), 1, -1), "clamp: the range [1, -1] is empty", Error);
    CHECK_THROWS_WITH_AS(divide_by_norm(q, a.view(s), b.view(s), sums.view({2, 1, 1, 1}), 1),
                         "divide_by_norm: the sums have shape (2, 1, 1, 1), expected (1, 1, 1, 1)", Error);
    CHECK_THROWS_WITH_AS(add_bias(q, a.view(s), b.view(s), nullptr), "add_bias: no bias given", Error);
    CHECK_THROWS_AS(copy(q, a.view(s), b.view(t)), Error);
    CHECK_THROWS_AS(add(q, a.view(s), b.view(s), b.view(t)), Error);
    CHECK_THROWS_AS(axpbypcz(q, a.view(s), 1, b.view(s), 1, b.view(s), 1, b.view(t)), Error);
    CHECK_THROWS_AS(clamp_backward(q, a.view(s), b.view(s), b.view(t), 0, 1), Error);
    CHECK_THROWS_AS(silu_backward(q, a.view(s), b.view(s), b.view(t)), Error);
    CHECK_THROWS_AS(ancestral_learned(q, a.view(s), 1, b.view(s), 1, b.view(s), b.view(s), b.view(t), 0, 0),
                    Error);
  }
}

}  // namespace tweedie::test

#include "kernels/reduce.hpp"

#include <omp.h>

#include <cstring>

#include "tests/cases/elementwise.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// The bits of doubles as floats, two for each, so that the comparisons of bits apply.
std::vector<float> bits(const std::vector<double>& values) {
  std::vector<float> halves(2 * values.size());
  if (!values.empty()) std::memcpy(halves.data(), values.data(), values.size() * sizeof(double));
  return halves;
}

std::vector<double> doubles(const std::vector<float>& halves) {
  std::vector<double> values(halves.size() / 2);
  if (!values.empty()) std::memcpy(values.data(), halves.data(), values.size() * sizeof(double));
  return values;
}

// Without z: sum_squares.
std::vector<double> run(Queue& q, const std::vector<float>& x, const std::vector<float>* z, Shape shape,
                        int b, int shift = 0) {
  const auto array = [&](std::vector<float> values) {
    values.insert(values.begin(), std::size_t(shift), std::nanf(""));
    return values;
  };
  const DeviceArray<float> first(q, array(x)), second(q, array(z ? *z : x));
  const DeviceArray<double> out(q, shape.N);
  const View<const float> view(first.data() + shift, shape, b), other(second.data() + shift, shape, b);
  if (z)
    dot(q, out.view({shape.N, 1, 1, 1}), view, other);
  else
    sum_squares(q, out.view({shape.N, 1, 1, 1}), view);
  return out.host();
}

// The sums in double may differ in the order of their terms: n * 2^-53 times the sum of magnitudes at worst,
// far less in practice.
void check_sums(const std::string& what, const std::vector<double>& got, const std::vector<float>& x,
                const std::vector<float>& z, Shape shape) {
  REQUIRE(got.size() == std::size_t(shape.N));
  for (int n = 0; n < shape.N; ++n) {
    long double sum = 0, magnitude = 0;
    for (std::int64_t i = n * shape.sample(); i < (n + 1) * shape.sample(); ++i) {
      sum += static_cast<long double>(x[std::size_t(i)]) * z[std::size_t(i)];
      magnitude += std::abs(static_cast<long double>(x[std::size_t(i)]) * z[std::size_t(i)]);
    }
    CHECK_MESSAGE(std::abs(got[std::size_t(n)] - sum) <= 1e-14 * magnitude, what, ", sample ", n, ": ",
                  got[std::size_t(n)], ", expected ", double(sum));
  }
}

// Values of mixed sizes: their sum in float would be wrong in the fourth digit, and in double it depends on
// the order of the terms.
std::vector<float> mixed_values(std::int64_t count) {
  std::vector<float> values = random_values(count, 1);
  for (std::size_t i = 0; i < values.size(); i += 5) values[i] *= 1000;
  return values;
}

void check_row(Queue& q, const cases::MapCase& row, int shift = 0) {
  const int b = cases::block(q.device(), row.b, row.shape.C);
  const std::vector<float> x = mixed_values(row.shape.size()), z = random_values(row.shape.size(), 2);
  const std::string name = message(row.shape, " b=", b);
  const auto value = [&](const std::vector<float>* other) {
    return doubles(under_all_warp_orders(q, [&] { return bits(run(q, x, other, row.shape, b, shift)); }));
  };
  check_sums("sum_squares " + name, value(nullptr), x, x, row.shape);
  check_sums("dot " + name, value(&z), x, z, row.shape);
}

}  // namespace

TEST_CASE("reduce: sums per sample against long double") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::MapCase& row : cases::maps_small) check_row(q, row);
    check_row(q, {{2, 3, 129, 131}});  // several chunks with a rest, enough for threads
    check_row(q, {{2, 4, 65, 64}}, 1);
    check_row(q, {{3, 0, 4, 4}});  // samples of nothing sum to 0
  }
}

TEST_CASE("add_pixel_sums: sums per channel, of each sample or of all, against long double") {
  for (const Device d : backends()) {
    Queue q(d);
    std::vector<cases::MapCase> rows(std::begin(cases::maps_small), std::end(cases::maps_small));
    rows.insert(rows.end(),
                {{{2, 48, 65, 67}, 16}, {{3, 96, 9, 7}, 96}, {{4, 33, 1, 1}, 1}, {{1, 70, 3, 3}, 35}});
    for (const cases::MapCase& row : rows)
      for (const bool together : {false, true}) {
        const Shape s = row.shape;
        const int b = cases::block(d, row.b, s.C), N = together ? 1 : s.N;
        const std::vector<float> x = random_values(s.size(), 3, -1, 2);
        const std::vector<float> before = random_values(std::int64_t(N) * s.C, 4);
        std::vector<double> expected(before.begin(), before.end());
        for (std::int64_t i = 0; i < s.size(); ++i)
          expected[std::size_t((together ? 0 : i / s.sample() * s.C) + i / s.plane() % s.C)] += x[i];
        const DeviceArray<float> from(q, to_blocks(x, s, b));
        const auto got = under_all_warp_orders(q, [&] {
          const DeviceArray<float> sums(q, before);
          add_pixel_sums(q, sums.view({N, s.C, 1, 1}), from.view(s, b));
          return sums.host();
        });
        // Float sums of 64 terms of up to 2, added in double: at most 64 * 2^-24 of their size.
        check_close(message("add_pixel_sums ", s, " b=", b, together ? " together" : ""), got, expected,
                    2e-6);
      }
  }
}

TEST_CASE("reduce: the same bits with any number of threads") {
  Queue q(Device::cpu);
  const Shape shape{2, 3, 129, 131};
  const std::vector<float> x = mixed_values(shape.size()), z = random_values(shape.size(), 2);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<double> alone = run(q, x, &z, shape, 1);
  for (const int threads : {2, 3}) {
    omp_set_num_threads(threads);
    check_equal("dot", bits(run(q, x, &z, shape, 1)), bits(alone));
  }
  omp_set_num_threads(before);
}

TEST_CASE("reduce: wrong shapes are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 4), z(q, 4);
    const DeviceArray<double> out(q, 2);
    CHECK_THROWS_WITH_AS(add_pixel_sums(q, z.view({1, 4, 1, 1}), x.view({2, 2, 1, 1})),
                         "add_pixel_sums: sums are (1, 4, 1, 1), expected (2 or 1, 2, 1, 1)", Error);
    CHECK_THROWS_WITH_AS(add_pixel_sums(q, z.view({2, 2, 1, 1}), x.view({1, 2, 2, 1})),
                         "add_pixel_sums: sums are (2, 2, 1, 1), expected (1 or 1, 2, 1, 1)", Error);
    CHECK_THROWS_WITH_AS(sum_squares(q, out.view({2, 1, 1, 1}), x.view({1, 4, 1, 1})),
                         "sum_squares: out is (2, 1, 1, 1), expected (1, 1, 1, 1)", Error);
    CHECK_THROWS_WITH_AS(dot(q, out.view({2, 1, 1, 1}), x.view({2, 2, 1, 1}), z.view({2, 1, 2, 1})),
                         "dot: shapes or layouts differ: (2, 1, 2, 1) b=1 and (2, 2, 1, 1) b=1", Error);
  }
}

#include "kernels/matmul.hpp"

#include <algorithm>

#include "tests/cases/matmul.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// A batch of matrices on the host, gaps between rows and matrices NaN: reading one shows in the result.
struct HostMatrices {
  int rows = 0, columns = 0;
  std::int64_t row_stride = 0, batch_stride = 0;
  std::vector<float> values;

  HostMatrices(int r, int c, int batch, unsigned seed, int row_gap = 0, int batch_gap = 0)
      : rows(r), columns(c), row_stride(c + row_gap), batch_stride(r * row_stride + batch_gap) {
    values.assign(std::size_t(batch * batch_stride), std::nanf(""));
    const std::vector<float> random = random_values(std::int64_t(batch) * r * c, seed);
    std::size_t next = 0;
    for (int k = 0; k < batch; ++k)
      for (int i = 0; i < r; ++i)
        for (int j = 0; j < c; ++j) values[index(k, i, j)] = random[next++];
  }
  std::size_t index(int k, int i, int j) const { return std::size_t(k * batch_stride + i * row_stride + j); }
  double at(int k, int i, int j, bool transposed) const {
    return transposed ? values[index(k, j, i)] : values[index(k, i, j)];
  }
  Matrices<float> on(const DeviceArray<float>& device, bool transposed = false) const {
    return {device.data(), rows, columns, row_stride, batch_stride, transposed};
  }
  Matrices<const float> input(const DeviceArray<float>& device, bool transposed = false) const {
    return {device.data(), rows, columns, row_stride, batch_stride, transposed};
  }
};

// What the formula gives, in double, and a bound of the error that K products and their sum, the factors
// alpha and beta and the last sum may have in float in any order: (K + 4) roundings of each term.
struct Reference {
  std::vector<double> values;
  double tolerance = 0;  // relative to the largest value, as check_close takes it
};

Reference reference(const HostMatrices& c, const HostMatrices& a, const HostMatrices& b, int batch,
                    bool a_transposed, bool b_transposed, double alpha, double beta) {
  Reference result;
  const int K = a_transposed ? a.rows : a.columns;
  double largest = 1e-30, terms = 0;
  for (int k = 0; k < batch; ++k)
    for (int i = 0; i < c.rows; ++i)
      for (int j = 0; j < c.columns; ++j) {
        double sum = 0, magnitude = 0;
        for (int l = 0; l < K; ++l) {
          const double product = a.at(k, i, l, a_transposed) * b.at(k, l, j, b_transposed);
          sum += product;
          magnitude += std::abs(product);
        }
        double value = alpha * sum;
        magnitude *= std::abs(alpha);
        if (beta != 0) {
          value += beta * c.at(k, i, j, false);
          magnitude += std::abs(beta * c.at(k, i, j, false));
        }
        result.values.push_back(value);
        largest = std::max(largest, std::abs(value));
        terms = std::max(terms, magnitude);
      }
  result.tolerance = (K + 4) * std::ldexp(1.0, -24) * terms / largest;
  return result;
}

std::vector<float> elements(const HostMatrices& c, const std::vector<float>& all, int batch) {
  std::vector<float> out;
  for (int k = 0; k < batch; ++k)
    for (int i = 0; i < c.rows; ++i)
      for (int j = 0; j < c.columns; ++j) out.push_back(all[c.index(k, i, j)]);
  return out;
}

void check_matmul(Device device, HostMatrices c, const HostMatrices& a, const HostMatrices& b, int batch,
                  bool a_transposed, bool b_transposed, float alpha = 1, float beta = 0) {
  const std::string what =
      message("matmul on ", name(device), ", batch ", batch, ", c ", c.rows, " x ", c.columns, ", a ", a.rows,
              " x ", a.columns, a_transposed ? "^T" : "", ", b ", b.rows, " x ", b.columns,
              b_transposed ? "^T" : "", ", alpha ", alpha, ", beta ", beta);
  const Reference expected = reference(c, a, b, batch, a_transposed, b_transposed, alpha, beta);
  if (beta == 0) std::fill(c.values.begin(), c.values.end(), std::nanf(""));  // must not be read
  Queue q(device);
  DeviceArray<float> a_device(q, a.values), b_device(q, b.values);
  std::vector<float> all;
  const std::vector<float> got = under_all_warp_orders(q, [&] {
    DeviceArray<float> c_device(q, c.values);
    matmul(q, c.on(c_device), a.input(a_device, a_transposed), b.input(b_device, b_transposed), batch, alpha,
           beta);
    all = c_device.host();
    return elements(c, all, batch);
  });
  check_close(what, got, expected.values, expected.tolerance);
  const auto numbers = std::count_if(all.begin(), all.end(), [](float value) { return !std::isnan(value); });
  CHECK_MESSAGE(std::size_t(numbers) == got.size(), what, ": wrote between the rows of c");
}

// Dense or with gaps, from the sizes of the product.
void check_shape(Device device, int batch, int m, int n, int k, bool a_transposed, bool b_transposed, int gap,
                 float alpha = 1, float beta = 0) {
  const HostMatrices a(a_transposed ? k : m, a_transposed ? m : k, batch, 1, gap, 2 * gap);
  const HostMatrices b(b_transposed ? n : k, b_transposed ? k : n, batch, 2, 2 * gap, 3 * gap);
  check_matmul(device, HostMatrices(m, n, batch, 3, 3 * gap, gap), a, b, batch, a_transposed, b_transposed,
               alpha, beta);
}

}  // namespace

TEST_CASE("matmul: values of the shared cases") {
  for (const Device device : backends())
    for (const auto& row : cases::matmuls_small) {
      check_shape(device, row.batch, row.m, row.n, row.k, row.a_transposed, row.b_transposed, 0);
      check_shape(device, row.batch, row.m, row.n, row.k, row.a_transposed, row.b_transposed, 3);
    }
}

TEST_CASE("matmul: all four combinations of transposes, factors and gaps") {
  for (const Device device : backends())
    for (const bool a_transposed : {false, true})
      for (const bool b_transposed : {false, true})
        for (const float alpha : {1.f, -0.37f, 0.f})
          for (const float beta : {0.f, 1.f, 0.83f})
            for (const int gap : {0, 5})
              check_shape(device, 3, 13, 7, 19, a_transposed, b_transposed, gap, alpha, beta);
}

TEST_CASE("matmul: products large enough to be shared among threads") {
  // Loops in double over these take long enough that only a batch of one is worth it.
  for (const Device device : backends()) {
    check_shape(device, 1, 257, 129, 301, false, true, 0);
    check_shape(device, 1, 251, 241, 257, true, false, 1);
    check_shape(device, 1, 1, 1024, 512, false, true, 0, 1, 1);
    check_shape(device, 1, 4, 512, 1024, false, false, 0);
    check_shape(device, 4, 1024, 1, 65, false, false, 0);
  }
}

TEST_CASE("matmul: heads that interleave in rows of 3C") {
  // The attention layout: q, k and v of head h side by side in each row, T rows of 3 C floats.
  constexpr int T = 21, heads = 3, channels = 16, C = heads * channels;
  const std::vector<float> rows = random_values(T * 3 * C, 5);
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> qkv(q, rows), scores(q, heads * T * T), mixed(q, T * C);
    const auto head = [&](int which) {
      return Matrices<const float>{qkv.data() + which * channels, T, channels, 3 * C, 3 * channels};
    };
    Matrices<const float> keys = head(1);
    keys.transposed = true;
    const Matrices<float> weights{scores.data(), T, T, T, T * T};
    matmul(q, weights, head(0), keys, heads, 0.25f);
    matmul(q, {mixed.data(), T, channels, C, channels}, {scores.data(), T, T, T, T * T}, head(2), heads);

    std::vector<double> expected_scores, expected_mixed(T * C);
    const auto at = [&](int t, int h, int which, int c) {
      return double(rows[std::size_t(t * 3 * C + (h * 3 + which) * channels + c)]);
    };
    for (int h = 0; h < heads; ++h)
      for (int i = 0; i < T; ++i)
        for (int j = 0; j < T; ++j) {
          double sum = 0;
          for (int c = 0; c < channels; ++c) sum += at(i, h, 0, c) * at(j, h, 1, c);
          expected_scores.push_back(0.25 * sum);
          for (int c = 0; c < channels; ++c)
            expected_mixed[std::size_t(i * C + h * channels + c)] += 0.25 * sum * at(j, h, 2, c);
        }
    // Roundings of 2^-24, 20 in a score and 25 more after it; the terms' magnitudes add up to about twice the
    // largest result.
    check_close("scores", scores.host(), expected_scores, 20 * 2 * std::ldexp(1.0, -24));
    check_close("mixed", mixed.host(), expected_mixed, 45 * 2 * std::ldexp(1.0, -24));
  }
}

TEST_CASE("matmul: batch stride 0 shares one matrix") {
  constexpr int batch = 3, m = 6, n = 5, k = 11;
  for (const Device device : backends()) {
    Queue q(device);
    const HostMatrices a(m, k, batch, 1), b(k, n, 1, 2);
    HostMatrices shared = b;
    shared.batch_stride = 0;
    DeviceArray<float> a_device(q, a.values), b_device(q, b.values), c_device(q, batch * m * n);
    const HostMatrices c(m, n, batch, 3);
    matmul(q, c.on(c_device), a.input(a_device), shared.input(b_device), batch);
    const Reference expected = reference(c, a, shared, batch, false, false, 1, 0);
    check_close("shared b", c_device.host(), expected.values, expected.tolerance);

    const HostMatrices b_many(k, n, batch, 4);
    HostMatrices a_shared(m, k, 1, 5);
    a_shared.batch_stride = 0;
    DeviceArray<float> a_one(q, a_shared.values), b_all(q, b_many.values), d_device(q, batch * m * n);
    matmul(q, c.on(d_device), a_shared.input(a_one), b_many.input(b_all), batch);
    const Reference other = reference(c, a_shared, b_many, batch, false, false, 1, 0);
    check_close("shared a", d_device.host(), other.values, other.tolerance);
  }
}

TEST_CASE("matmul: fp32 is not rounded to shorter factors") {
  // 1 + 2^-12 needs 12 bits after the point, TF32 keeps 10 and bfloat16 7: each would give K, not K (1 +
  // 2^-12)^2.
  constexpr int n = 64;
  const float value = 1.f + std::ldexp(1.f, -12);
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> a(q, std::vector<float>(n * n, value)), c(q, n * n);
    matmul(q, {c.data(), n, n, n, 0}, {a.data(), n, n, n, 0}, {a.data(), n, n, n, 0});
    const std::vector<double> expected(n * n, n * double(value) * double(value));
    check_close("fp32", c.host(), expected, (n + 1) * std::ldexp(1.0, -24));
  }
}

TEST_CASE("matmul: the same bits each time, and again after other shapes") {
  for (const Device device : backends()) {
    Queue q(device);
    const HostMatrices a(67, 129, 2, 1), b(129, 33, 2, 2), c(67, 33, 2, 3);
    DeviceArray<float> a_device(q, a.values), b_device(q, b.values), c_device(q, c.values);
    const auto run = [&] {
      matmul(q, c.on(c_device), a.input(a_device), b.input(b_device), 2);
      return c_device.host();
    };
    const std::vector<float> first = run();
    matmul(q, {c_device.data(), 3, 5, 5, 0}, {a_device.data(), 3, 4, 4, 0}, {b_device.data(), 4, 5, 5, 0});
    check_equal("repeated", run(), first);
  }
}

TEST_CASE("matmul: nothing to do") {
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> c(q, 4);
    matmul(q, {c.data(), 0, 4, 4, 0}, {c.data(), 0, 2, 2, 0}, {c.data(), 2, 4, 4, 0});
    matmul(q, {c.data(), 2, 2, 2, 0}, {c.data(), 2, 2, 2, 0}, {c.data(), 2, 2, 2, 0}, 0);
    for (const float value : c.host()) CHECK(std::isnan(value));
  }
}

TEST_CASE("matmul: what does not fit is refused") {
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> memory(q, 64);
    const Matrices<float> c{memory.data(), 2, 3, 3, 6};
    const Matrices<const float> a{memory.data() + 16, 2, 4, 4, 8}, b{memory.data() + 32, 4, 3, 3, 12};
    const auto refused = [&](Matrices<float> c_, Matrices<const float> a_, Matrices<const float> b_,
                             int batch, const char* part) {
      CHECK_THROWS_WITH_AS(matmul(q, c_, a_, b_, batch), doctest::Contains(part), Error);
    };
    Matrices<float> wrong_c = c;
    wrong_c.transposed = true;
    refused(wrong_c, a, b, 1, "transposed result");
    wrong_c = c;
    wrong_c.batch_stride = 0;
    refused(wrong_c, a, b, 2, "batch stride 0");
    wrong_c = c;
    wrong_c.row_stride = 2;
    refused(wrong_c, a, b, 1, "c: row stride 2");
    Matrices<const float> wrong = a;
    wrong.transposed = true;
    refused(c, wrong, b, 1, "shapes differ");
    wrong = a;
    wrong.row_stride = std::int64_t(1) << 31;
    refused(c, wrong, b, 1, "a: row stride 2147483648");
    wrong = b;
    wrong.batch_stride = -12;
    refused(c, a, wrong, 2, "b: negative batch stride");
    wrong = b;
    wrong.rows = 5;
    refused(c, a, wrong, 1, "shapes differ");
    refused(c, {memory.data(), 2, 0, 4, 0}, {memory.data(), 0, 3, 3, 0}, 1, "inner dimension is 0");
    refused(c, a, b, -1, "batch -1");
  }
}

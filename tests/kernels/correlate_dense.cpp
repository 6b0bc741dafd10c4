#include "kernels/correlate_dense.hpp"

#include "tests/cases/correlate_dense.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Values = std::vector<float>;
using Op = void (*)(Queue&, View<float>, View<const float>, View<const float>);

Shape output(const cases::DenseCase& c) { return {c.x.N, c.x.C, c.x.H - c.k.H + 1, c.x.W - c.k.W + 1}; }

Values run(Queue& q, Op op, const Shape& to, const Values& a, const Shape& of_a, const Values& b,
           const Shape& of_b) {
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> first(q, a), second(q, b), out(q, to.size());
    op(q, out.view(to), first.view(of_a), second.view(of_b));
    return out.host();
  });
}

/// f(y's, x's, k's offset) of every product.
template <class F>
void for_each_product(const cases::DenseCase& c, F f) {
  const Shape s = output(c);
  const View<const float> y(nullptr, s), x(nullptr, c.x), k(nullptr, c.k);
  for (int n = 0; n < s.N; ++n)
    for (int ch = 0; ch < s.C; ++ch)
      for (int h = 0; h < s.H; ++h)
        for (int w = 0; w < s.W; ++w)
          for (int i = 0; i < c.k.H; ++i)
            for (int j = 0; j < c.k.W; ++j)
              f(std::size_t(y.offset(n, ch, h, w)), std::size_t(x.offset(n, ch, h + i, w + j)),
                std::size_t(k.offset(c.k.N == 1 ? 0 : n, 0, i, j)));
}

}  // namespace

TEST_CASE("correlate_dense: the sum over taps, and its adjoints in the image and in the kernel") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::DenseCase& c : cases::dense_small) {
      const Shape s = output(c);
      const Values x = random_values(c.x.size(), 1), k = random_values(c.k.size(), 2),
                   dy = random_values(s.size(), 3);
      std::vector<double> y(dy.size(), 0.0), dx(x.size(), 0.0), dk(k.size(), 0.0);
      for_each_product(c, [&](std::size_t to, std::size_t from, std::size_t tap) {
        y[to] += double(x[from]) * k[tap];
        dx[from] += double(dy[to]) * k[tap];
        dk[tap] += double(dy[to]) * x[from];
      });
      const std::string what = message("correlate_dense on ", name(device), ' ', c.x, " by ", c.k);
      // One rounding for each of up to 20 taps, of sums that partly cancel; dk is summed in double.
      check_close(what, run(q, correlate_dense, s, x, c.x, k, c.k), y, 2e-6);
      check_close(what + " dx", run(q, correlate_dense_backward_image, c.x, dy, s, k, c.k), dx, 2e-6);
      check_close(what + " dk", run(q, correlate_dense_backward_kernel, c.k, dy, s, x, c.x), dk, 6e-8);
    }
  }
}

TEST_CASE("correlate_dense: images and their gradients have the same bits on every backend") {
  const cases::DenseCase c{{2, 3, 301, 229}, {2, 1, 3, 4}};
  const Shape s = output(c);
  const Values x = random_values(c.x.size(), 1), k = random_values(c.k.size(), 2),
               dy = random_values(s.size(), 3);
  Queue cpu(Device::cpu);
  for (const Device device : backends()) {
    Queue q(device);
    check_equal("forward", run(q, correlate_dense, s, x, c.x, k, c.k),
                run(cpu, correlate_dense, s, x, c.x, k, c.k));
    check_equal("dx", run(q, correlate_dense_backward_image, c.x, dy, s, k, c.k),
                run(cpu, correlate_dense_backward_image, c.x, dy, s, k, c.k));
  }
}

TEST_CASE("correlate_dense: mistakes are named") {
  for (const Device device : backends()) {
    Queue q(device);
    const DeviceArray<float> x(q, 24), k(q, 6), y(q, 6);
    CHECK_THROWS_WITH_AS(correlate_dense(q, y.view({1, 1, 2, 3}), x.view({1, 1, 4, 6}), k.view({1, 1, 2, 3})),
                         doctest::Contains("expected (1, 1, 3, 4)"), Error);
    CHECK_THROWS_WITH_AS(correlate_dense(q, y.view({1, 1, 2, 3}), x.view({1, 1, 4, 6}), k.view({3, 1, 2, 1})),
                         doctest::Contains("expected (1 or 1, 1, rows, columns)"), Error);
  }
}

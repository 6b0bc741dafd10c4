#include "kernels/hartley.hpp"

#include <cmath>
#include <numbers>

#include "kernels/fft.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;
using Complex = std::complex<float>;

namespace {

// One pixel, single rows and columns, odd and even sides; the last has enough for threads.
constexpr Shape shapes[] = {{1, 1, 1, 1}, {2, 1, 1, 6}, {1, 2, 5, 1},
                            {3, 2, 5, 7}, {2, 3, 6, 8}, {0, 1, 4, 4}};
constexpr Shape large{2, 3, 90, 71};

float root(const Shape& s) { return float(1 / std::sqrt(double(s.plane()))); }

std::vector<double> by_definition(const std::vector<float>& x, const Shape& s) {
  std::vector<double> c;
  for (int plane = 0; plane < s.N * s.C; ++plane)
    for (int k = 0; k < s.H; ++k)
      for (int l = 0; l < s.W; ++l) {
        double sum = 0;
        for (int h = 0; h < s.H; ++h)
          for (int w = 0; w < s.W; ++w) {
            const double turn = 2 * std::numbers::pi * (double(k * h) / s.H + double(l * w) / s.W);
            sum += double(x[std::size_t((plane * s.H + h) * s.W + w)]) * (std::cos(turn) + std::sin(turn));
          }
        c.push_back(sum / std::sqrt(double(s.plane())));
      }
  return c;
}

std::vector<float> transformed(Queue& q, const std::vector<float>& x, const Shape& s) {
  const Shape half{s.N, s.C, s.H, s.W / 2 + 1};
  const DeviceArray<float> in(q, x);
  const DeviceArray<Complex> z(q, half.size());
  if (s.size()) fft2_real(q, z.view(half), in.view(s));
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> c(q, s.size());
    hartley_from_half(q, c.view(s), z.view(half), root(s));
    return c.host();
  });
}

std::vector<float> back(Queue& q, const std::vector<float>& c, const Shape& s) {
  const Shape half{s.N, s.C, s.H, s.W / 2 + 1};
  const DeviceArray<float> in(q, c);
  return under_all_warp_orders(q, [&] {
    const DeviceArray<Complex> z(q, half.size());
    const DeviceArray<float> x(q, s.size());
    half_from_hartley(q, z.view(half), in.view(s), 1 / root(s));
    if (s.size()) ifft2_real(q, x.view(s), z.view(half));
    return x.host();
  });
}

}  // namespace

TEST_CASE("hartley: coefficients are sums over cosine plus sine, and give the plane back") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const Shape& s : shapes) {
      CAPTURE(s);
      const std::vector<float> x = random_values(s.size(), 1);
      const std::vector<float> c = transformed(q, x, s);
      check_close("coefficients", c, by_definition(x, s), 1e-6);
      check_close("back", back(q, c, s), x, 1e-6);
      check_close("its own inverse", transformed(q, c, s), x, 1e-6);
    }
    const std::vector<float> x = random_values(large.size(), 1);
    check_close("large", transformed(q, transformed(q, x, large), large), x, 2e-6);
  }
}

TEST_CASE("hartley: what does not fit is refused") {
  Queue q(Device::cpu);
  std::vector<float> c(12);
  std::vector<Complex> z(12);
  CHECK_THROWS_AS(hartley_from_half(q, {c.data(), {1, 1, 3, 4}}, {z.data(), {1, 1, 3, 4}}, 1), Error);
  CHECK_THROWS_AS(half_from_hartley(q, {z.data(), {1, 1, 4, 3}}, {c.data(), {1, 1, 3, 4}}, 1), Error);
}

#include "kernels/complex.hpp"

#include "tests/cases/complex.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;
using Complex = std::complex<float>;

namespace {

std::vector<Complex> complexes(std::int64_t count, unsigned seed) {
  const std::vector<float> values = random_values(2 * count, seed);
  std::vector<Complex> z;
  for (std::size_t i = 0; i < std::size_t(count); ++i) z.emplace_back(values[2 * i], values[2 * i + 1]);
  return z;
}
std::vector<float> parts(const std::vector<Complex>& z) {
  std::vector<float> values;
  for (const Complex& value : z) values.insert(values.end(), {value.real(), value.imag()});
  return values;
}
std::vector<Complex> paired(const std::vector<float>& values) {
  std::vector<Complex> z;
  for (std::size_t i = 0; i < values.size(); i += 2) z.emplace_back(values[i], values[i + 1]);
  return z;
}

View<const Complex> as_const(const View<Complex>& z) { return z; }

std::size_t at(const Shape& s, int plane, int h, int w) {
  return std::size_t((std::int64_t(plane) * s.H + h) * s.W + w);
}

// fftshift as numpy defines it: output i + n/2 (mod n) is input i.
std::vector<std::size_t> shifted(const Shape& s) {
  std::vector<std::size_t> source(std::size_t(s.size()));
  for (int plane = 0; plane < s.N * s.C; ++plane)
    for (int h = 0; h < s.H; ++h)
      for (int w = 0; w < s.W; ++w)
        source[at(s, plane, (h + s.H / 2) % s.H, (w + s.W / 2) % s.W)] = at(s, plane, h, w);
  return source;
}

std::vector<float> magnitudes(Queue& q, const std::vector<Complex>& z, const Shape& s, float factor) {
  return under_all_warp_orders(q, [&] {
    const DeviceArray<Complex> in(q, z);
    const DeviceArray<float> out(q, s.size());
    centred_magnitude(q, out.view(s), as_const(in.view(s)), factor);
    return out.host();
  });
}

std::vector<float> magnitude_gradient(Queue& q, const std::vector<float>& dy, const std::vector<Complex>& z,
                                      const Shape& s, float factor) {
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> in(q, dy);
    const DeviceArray<Complex> point(q, z);
    // In place: what is read is what is overwritten.
    centred_magnitude_backward(q, point.view(s), in.view(s), as_const(point.view(s)), factor);
    return parts(point.host());
  });
}

}  // namespace

TEST_CASE("complex: padding puts the image in the middle, cropping takes it from there") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const auto& [small, large] : cases::frames_small) {
      const std::vector<float> x = random_values(small.size(), 1);
      const std::vector<Complex> z = complexes(large.size(), 2);
      std::vector<double> padded(2 * std::size_t(large.size()), 0.0), cropped;
      for (int plane = 0; plane < small.N * small.C; ++plane)
        for (int h = 0; h < small.H; ++h)
          for (int w = 0; w < small.W; ++w) {
            const std::size_t outer =
                at(large, plane, h + (large.H - small.H) / 2, w + (large.W - small.W) / 2);
            padded[2 * outer] = 0.5 * x[at(small, plane, h, w)] + 0.25;
            cropped.push_back(3.0 * z[outer].real());
          }
      const std::string name = message(' ', small, " in ", large);
      // One fused multiply-add, one product: a rounding error each.
      check_close(
          "pad_to_complex" + name,
          under_all_warp_orders(
              q,
              [&, &inner = small, &outer = large] {
                const DeviceArray<float> in(q, x);
                const DeviceArray<Complex> out(q, std::vector<Complex>(std::size_t(outer.size()), {7, 7}));
                pad_to_complex(q, out.view(outer), in.view(inner), 0.5f, 0.25f);
                return parts(out.host());
              }),
          padded, 6e-8);
      check_close("crop_real" + name,
                  under_all_warp_orders(q,
                                        [&, &inner = small, &outer = large] {
                                          const DeviceArray<Complex> in(q, z);
                                          const DeviceArray<float> out(q, inner.size());
                                          crop_real(q, out.view(inner), as_const(in.view(outer)), 3.f);
                                          return out.host();
                                        }),
                  cropped, 6e-8);
    }
  }
}

TEST_CASE("complex: magnitudes come in the centred order") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::FrameCase& frame : cases::frames_small) {
      const Shape& s = frame.outer;
      const std::vector<Complex> z = complexes(s.size(), 3);
      std::vector<double> expected;
      for (const std::size_t source : shifted(s))
        expected.push_back(0.125 * std::abs(std::complex<double>(z[source])));
      check_close(message("centred_magnitude ", s), magnitudes(q, z, s, 0.125f), expected, 1e-7);
    }
  }
}

TEST_CASE("complex: the gradient of a magnitude is the phase, and 0 where there is none") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::FrameCase& frame : cases::frames_small) {
      const Shape& s = frame.outer;
      if (s.size() == 0) continue;
      std::vector<Complex> z = complexes(s.size(), 4);
      // Central differences of a norm need a point well away from 0; their error there goes with h^2 = 1e-6.
      for (Complex& value : z) value += value.real() < 0 ? -1.f : 1.f;
      check_vjp(
          message("centred_magnitude ", s),
          [&](const std::vector<float>& x) { return magnitudes(q, paired(x), s, 0.5f); },
          [&](const std::vector<float>& w) { return magnitude_gradient(q, w, z, s, 0.5f); }, parts(z), 1e-3,
          1e-3);
      z[0] = 0;
      const std::vector<float> gradient =
          magnitude_gradient(q, std::vector<float>(std::size_t(s.size()), 1.f), z, s, 0.5f);
      CHECK(gradient[0] == 0.f);
      CHECK(gradient[1] == 0.f);
    }
    // Squares of these leave the range of floats; their magnitudes do not.
    const std::vector<Complex> extreme{{3e-30f, 4e-30f}, {3e30f, 4e30f}};
    const std::vector<double> lengths{5e30, 5e-30};
    const std::vector<float> got = magnitudes(q, extreme, {1, 1, 1, 2}, 1);
    for (std::size_t i = 0; i < 2; ++i) CHECK(std::abs(got[i] / lengths[i] - 1) < 1e-6);
  }
}

TEST_CASE("complex: a product of spectra, and with the conjugate its adjoint") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::FrameCase& frame : cases::frames_small)
      for (const int kernels : {1, frame.outer.N}) {
        const Shape &s = frame.outer, plane{kernels, 1, s.H, s.W};
        const std::vector<Complex> x = complexes(s.size(), 5), k = complexes(plane.size(), 6);
        const auto product = [&](const std::vector<Complex>& value, bool conjugate) {
          return under_all_warp_orders(q, [&] {
            const DeviceArray<Complex> in(q, value), factor(q, k);
            multiply_spectrum(q, in.view(s), as_const(in.view(s)), as_const(factor.view(plane)), conjugate);
            return parts(in.host());
          });
        };
        std::vector<double> expected;
        for (std::size_t i = 0; i < x.size(); ++i) {
          const std::size_t n = kernels == 1 ? 0 : i / std::size_t(s.sample());
          const std::complex<double> y =
              std::complex<double>(x[i]) *
              std::complex<double>(k[n * std::size_t(s.plane()) + i % std::size_t(s.plane())]);
          expected.insert(expected.end(), {y.real(), y.imag()});
        }
        // Two products, two sums of values below 2.
        check_close(message("multiply_spectrum ", s), product(x, false), expected, 2e-7);
        if (s.size() > 0)
          check_vjp(
              message("multiply_spectrum ", s),
              [&](const std::vector<float>& v) { return product(paired(v), false); },
              [&](const std::vector<float>& w) { return product(paired(w), true); }, parts(x), 1e-5, 1);
      }
  }
}

TEST_CASE("complex: spectra correlated, summed over channels and over the samples that share a kernel") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::FrameCase& frame : cases::frames_small)
      for (const int kernels : {1, frame.outer.N}) {
        const Shape &s = frame.outer, summed{kernels, 1, s.H, s.W};
        const std::vector<Complex> a = complexes(s.size(), 5), b = complexes(s.size(), 6);
        std::vector<std::complex<double>> sums(std::size_t(summed.size()), 0.0);
        for (std::size_t i = 0; i < a.size(); ++i) {
          const std::size_t n = kernels == 1 ? 0 : i / std::size_t(s.sample());
          sums[n * std::size_t(s.plane()) + i % std::size_t(s.plane())] +=
              std::complex<double>(a[i]) * std::conj(std::complex<double>(b[i]));
        }
        std::vector<double> expected;
        for (const std::complex<double>& z : sums) expected.insert(expected.end(), {z.real(), z.imag()});
        const std::vector<float> got = under_all_warp_orders(q, [&] {
          const DeviceArray<Complex> in(q, a), with(q, b), out(q, complexes(summed.size(), 1));
          correlate_spectra(q, out.view(summed), as_const(in.view(s)), as_const(with.view(s)));
          return parts(out.host());
        });
        // Summed in double: one rounding.
        check_close(message("correlate_spectra ", s, " to ", kernels), got, expected, 6e-8);
      }
    const DeviceArray<Complex> z(q, complexes(8, 1));
    CHECK_THROWS_AS(correlate_spectra(q, z.view({2, 1, 1, 4}), as_const(z.view({1, 2, 1, 4})),
                                      as_const(z.view({1, 2, 1, 4}))),
                    Error);
  }
}

TEST_CASE("complex: a quotient of spectra held near another") {
  for (const Device d : backends()) {
    Queue q(d);
    const Shape s{2, 1, 5, 7};
    const std::vector<Complex> a = complexes(s.size(), 1), k = complexes(s.size(), 2);
    std::vector<Complex> below = complexes(s.size(), 3);
    for (Complex& value : below) value = {value.real() * value.real(), value.imag()};
    below[4] = {0, 1};
    for (const float weight : {0.f, 0.7f}) {
      std::vector<double> expected;
      for (std::size_t i = 0; i < a.size(); ++i) {
        const double real = double(below[i].real()) + weight;
        const std::complex<double> z =
            real > 0 ? (std::complex<double>(a[i]) + double(weight) * std::complex<double>(k[i])) / real
                     : 0.0;
        expected.insert(expected.end(), {z.real(), z.imag()});
      }
      const std::vector<float> got = under_all_warp_orders(q, [&] {
        const DeviceArray<Complex> in_place(q, a), divisor(q, below), near(q, k);
        held_quotient(q, in_place.view(s), as_const(in_place.view(s)), as_const(divisor.view(s)),
                      as_const(near.view(s)), weight);
        return parts(in_place.host());
      });
      // Compared one by one, for quotients by small numbers are large: two or three roundings each.
      for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(std::abs(got[i] - expected[i]) <= 3e-7 * std::max(1.0, std::abs(expected[i])));
    }
    const DeviceArray<Complex> z(q, complexes(8, 1));
    const View<const Complex> v = as_const(z.view({1, 1, 2, 4}));
    CHECK_THROWS_AS(held_quotient(q, z.view({1, 1, 2, 4}), v, v, as_const(z.view({1, 1, 4, 2})), 1), Error);
    CHECK_THROWS_WITH_AS(held_quotient(q, z.view({1, 1, 2, 4}), v, v, v, -1),
                         doctest::Contains("weight of -1"), Error);
  }
}

TEST_CASE("complex: wrong shapes are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 8);
    const DeviceArray<Complex> z(q, complexes(8, 1));
    CHECK_THROWS_WITH_AS(pad_to_complex(q, z.view({1, 1, 2, 4}), x.view({1, 1, 1, 8}), 1, 0),
                         "pad_to_complex: (1, 1, 1, 8) does not fit into (1, 1, 2, 4)", Error);
    CHECK_THROWS_WITH_AS(centred_magnitude(q, x.view({1, 1, 2, 4}), as_const(z.view({1, 1, 4, 2})), 1),
                         "centred_magnitude: shapes differ: (1, 1, 2, 4) and (1, 1, 4, 2)", Error);
    CHECK_THROWS_AS(crop_real(q, x.view({1, 2, 2, 2}, 2), as_const(z.view({1, 2, 2, 2})), 1), Error);
    CHECK_THROWS_AS(multiply_spectrum(q, z.view({1, 1, 2, 4}), as_const(z.view({1, 1, 2, 4})),
                                      as_const(z.view({1, 1, 4, 2})), false),
                    Error);
  }
}

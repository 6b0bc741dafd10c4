#include "kernels/fft.hpp"

#include <algorithm>
#include <numbers>

#include "tests/cases/fft.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;
using Complex = std::complex<float>;
using Wide = std::complex<double>;

namespace {

// Beside the shared rows: both sizes prime, one of them 1, and sizes with more than one kind of factor.
std::vector<Shape> shapes() {
  std::vector<Shape> all(std::begin(cases::ffts_small), std::end(cases::ffts_small));
  const Shape more[] = {{3, 1, 17, 31}, {1, 2, 1, 37}, {1, 2, 41, 1},
                        {1, 1, 24, 15}, {2, 1, 32, 2}, {1, 1, 2, 64}};
  all.insert(all.end(), std::begin(more), std::end(more));
  return all;
}

Shape half(const Shape& s) { return {s.N, s.C, s.H, s.W / 2 + 1}; }

// An FFT in float is off by about eps log2(n) of the largest value; primes are computed through longer
// transforms, which a factor of 4 covers.
double tolerance(const Shape& s) { return 4 * std::ldexp(1.0, -24) * (2 + std::log2(double(s.plane()))); }

std::vector<Complex> random_complex(std::int64_t count, unsigned seed) {
  const std::vector<float> values = random_values(2 * count, seed);
  std::vector<Complex> out;
  for (std::size_t i = 0; i < std::size_t(count); ++i) out.emplace_back(values[2 * i], values[2 * i + 1]);
  return out;
}

std::vector<float> parts(const std::vector<Complex>& values) {
  std::vector<float> out;
  for (const Complex& value : values) out.insert(out.end(), {value.real(), value.imag()});
  return out;
}
std::vector<double> parts(const std::vector<Wide>& values) {
  std::vector<double> out;
  for (const Wide& value : values) out.insert(out.end(), {value.real(), value.imag()});
  return out;
}
std::vector<Complex> complexes(const std::vector<float>& values) {
  std::vector<Complex> out;
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) out.emplace_back(values[i], values[i + 1]);
  return out;
}

// The formula: every output as a sum over every input, in double, for output columns below `columns`.
template <class T>
std::vector<Wide> dft(const std::vector<T>& x, const Shape& s, int sign, int columns) {
  const auto roots = [sign](int n) {  // exp(sign 2 pi i m / n)
    std::vector<Wide> all;
    for (int m = 0; m < n; ++m) all.push_back(std::polar(1.0, sign * 2 * std::numbers::pi * m / n));
    return all;
  };
  const std::vector<Wide> row = roots(s.H), column = roots(s.W);
  std::vector<Wide> out;
  for (std::int64_t plane = 0; plane < std::int64_t(s.N) * s.C; ++plane)
    for (int k = 0; k < s.H; ++k)
      for (int l = 0; l < columns; ++l) {
        Wide sum = 0;
        for (int u = 0; u < s.H; ++u)
          for (int v = 0; v < s.W; ++v)
            sum += Wide(x[std::size_t(plane * s.plane() + std::int64_t(u) * s.W + v)]) *
                   row[std::size_t(std::int64_t(k) * u % s.H)] *
                   column[std::size_t(std::int64_t(l) * v % s.W)];
        out.push_back(sum);
      }
  return out;
}

std::string named(const char* what, Device device, const Shape& s) {
  return message(what, " on ", name(device), ", ", s);
}

using Transform = void (*)(Queue&, View<Complex>, View<const Complex>);

std::vector<float> run(Queue& q, Transform transform, const std::vector<Complex>& x, const Shape& s,
                       bool in_place) {
  DeviceArray<Complex> from(q, x);
  if (in_place) {
    transform(q, from.view(s), from.view(s));
    return parts(from.host());
  }
  DeviceArray<Complex> to(q, std::int64_t(x.size()));
  transform(q, to.view(s), from.view(s));
  check_equal("x is not changed", parts(from.host()), parts(x));
  return parts(to.host());
}

std::vector<float> run_real(Queue& q, const std::vector<float>& x, const Shape& s) {
  DeviceArray<float> from(q, x);
  DeviceArray<Complex> to(q, half(s).size());
  fft2_real(q, to.view(half(s)), from.view(s));
  check_equal("x is not changed", from.host(), x);
  return parts(to.host());
}

std::vector<float> run_real_inverse(Queue& q, const std::vector<Complex>& x, const Shape& s) {
  DeviceArray<Complex> from(q, x);
  DeviceArray<float> to(q, s.size());
  ifft2_real(q, to.view(s), from.view(half(s)));
  check_equal("x is not changed", parts(from.host()), parts(x));
  return to.host();
}

}  // namespace

TEST_CASE("fft2 and ifft2: values") {
  for (const Device device : backends())
    for (const Shape& s : shapes()) {
      Queue q(device);
      const std::vector<Complex> x = random_complex(s.size(), 1);
      const std::vector<double> forward = parts(dft(x, s, -1, s.W));
      std::vector<double> inverse = parts(dft(x, s, 1, s.W));
      for (double& value : inverse) value /= double(s.plane());
      for (const bool in_place : {false, true}) {
        const auto all_orders = [&](Transform transform) {
          return under_all_warp_orders(q, [&] { return run(q, transform, x, s, in_place); });
        };
        check_close(named("fft2", device, s), all_orders(fft2), forward, tolerance(s));
        check_close(named("ifft2", device, s), all_orders(ifft2), inverse, tolerance(s));
      }
    }
}

TEST_CASE("fft2_real and ifft2_real: values") {
  for (const Device device : backends())
    for (const Shape& s : shapes()) {
      Queue q(device);
      const std::vector<float> x = random_values(s.size(), 2);
      const std::vector<Wide> spectrum = dft(x, s, -1, half(s).W);
      const auto forward = under_all_warp_orders(q, [&] { return run_real(q, x, s); });
      check_close(named("fft2_real", device, s), forward, parts(spectrum), tolerance(s));
      const std::vector<Complex> rounded(spectrum.begin(), spectrum.end());
      const auto inverse = under_all_warp_orders(q, [&] { return run_real_inverse(q, rounded, s); });
      check_close(named("ifft2_real", device, s), inverse, x, tolerance(s));
    }
}

TEST_CASE("fft: a large size through and back, with Parseval's identity") {
  for (const Device device : backends()) {
    Queue q(device);
    const Shape s{1, 3, 96, 160};
    const std::vector<float> x = random_values(s.size(), 3);
    const std::vector<float> spectrum = run_real(q, x, s);
    check_close(named("there and back", device, s), run_real_inverse(q, complexes(spectrum), s), x,
                tolerance(s));
    double image = 0, frequency = 0;
    for (const float value : x) image += double(value) * value;
    for (std::size_t i = 0; i < spectrum.size(); ++i) {
      const int column = int(i / 2) % half(s).W;
      const double weight = column == 0 || 2 * column == s.W ? 1 : 2;  // the other half is the conjugate
      frequency += weight * double(spectrum[i]) * spectrum[i];
    }
    // Squares of 46,080 values: their relative errors of 1e-7 average out.
    CHECK(frequency / double(s.plane()) == doctest::Approx(image).epsilon(1e-6));

    // One queue, in place and not: a plan made for one must not be used for the other.
    const std::vector<Complex> z = random_complex(s.size(), 4);
    for (const bool in_place : {false, true, false}) {
      const std::vector<float> there = run(q, fft2, z, s, in_place);
      check_close(named("there and back", device, s), run(q, ifft2, complexes(there), s, !in_place), parts(z),
                  tolerance(s));
    }
  }
}

TEST_CASE("fft: adjoints") {
  // With the real inner product: the adjoint of fft2 is HW ifft2; that of fft2_real is the real part of the
  // same on the half spectrum padded with zeros. check_vjp divides by the size of a random inner product, so
  // that what remains is the error of one transform, times a few.
  for (const Device device : backends())
    for (const Shape& s : {Shape{2, 1, 5, 7}, Shape{1, 2, 8, 6}, Shape{1, 1, 17, 31}}) {
      Queue q(device);
      const float pixels = float(s.plane());
      const auto adjoint = [&](std::vector<float> w) {
        for (float& value : w) value *= pixels;
        return run(q, ifft2, complexes(w), s, false);
      };
      const auto forward = [&](const std::vector<float>& x) { return run(q, fft2, complexes(x), s, false); };
      check_vjp(named("fft2", device, s), forward, adjoint, random_values(2 * s.size(), 5), 1e-5, 1);
      const auto inverse = [&](const std::vector<float>& x) { return run(q, ifft2, complexes(x), s, true); };
      const auto inverse_adjoint = [&](const std::vector<float>& w) {
        std::vector<float> out = run(q, fft2, complexes(w), s, true);
        for (float& value : out) value /= pixels;
        return out;
      };
      check_vjp(named("ifft2", device, s), inverse, inverse_adjoint, random_values(2 * s.size(), 6), 1e-5, 1);

      const auto real_adjoint = [&](const std::vector<float>& w) {
        const std::vector<Complex> spectrum = complexes(w);
        std::vector<Complex> padded(std::size_t(s.size()), Complex(0));
        for (std::size_t i = 0; i < spectrum.size(); ++i) {
          const std::size_t columns = std::size_t(half(s).W);
          padded[i / columns * std::size_t(s.W) + i % columns] = spectrum[i] * pixels;
        }
        const std::vector<float> full = run(q, ifft2, padded, s, false);
        std::vector<float> real;
        for (std::size_t i = 0; i < full.size(); i += 2) real.push_back(full[i]);
        return real;
      };
      const auto real_forward = [&](const std::vector<float>& x) { return run_real(q, x, s); };
      check_vjp(named("fft2_real", device, s), real_forward, real_adjoint, random_values(s.size(), 7), 1e-5,
                1);
    }
}

TEST_CASE("fft: views that start anywhere in a larger array") {
  // One number from the start is not aligned for vector loads, nor one float as cuFFT wants it, as happens to
  // the samples of a batch with an odd number of pixels. The queue sees aligned arrays first: their plan must
  // not be used for the others.
  const Shape s{1, 2, 48, 40};
  for (const Device device : backends()) {
    Queue q(device);
    const std::vector<Complex> x = random_complex(s.size(), 8);
    const std::vector<double> spectrum = parts(dft(x, s, -1, s.W));
    const std::vector<float> planes = random_values(s.size(), 9);
    for (const int start : {0, 1, 0}) {
      std::vector<Complex> shifted(std::size_t(start), Complex(0));
      shifted.insert(shifted.end(), x.begin(), x.end());
      DeviceArray<Complex> from(q, shifted), to(q, s.size() + start);
      const auto result = [&] {
        std::vector<Complex> all = to.host();
        all.erase(all.begin(), all.begin() + start);
        return parts(all);
      };
      fft2(q, {to.data() + start, s}, {from.data() + start, s});
      check_close(named("fft2, shifted", device, s), result(), spectrum, tolerance(s));
      ifft2(q, {to.data() + start, s}, {to.data() + start, s});
      check_close(named("ifft2, shifted", device, s), result(), parts(x), tolerance(s));

      std::vector<float> shifted_planes(std::size_t(start), 0.f);
      shifted_planes.insert(shifted_planes.end(), planes.begin(), planes.end());
      DeviceArray<float> real(q, shifted_planes), back(q, s.size() + start);
      DeviceArray<Complex> half_spectrum(q, half(s).size() + start);
      fft2_real(q, {half_spectrum.data() + start, half(s)}, {real.data() + start, s});
      ifft2_real(q, {back.data() + start, s}, {half_spectrum.data() + start, half(s)});
      std::vector<float> all = back.host();
      all.erase(all.begin(), all.begin() + start);
      check_close(named("real, shifted", device, s), all, planes, tolerance(s));
    }
  }
}

TEST_CASE("fft: the same bits each time, from new queues and old") {
  const Shape s{1, 3, 60, 44};
  const std::vector<Complex> x = random_complex(s.size(), 10);
  for (const Device device : backends()) {
    Queue q(device);
    const std::vector<float> first = run(q, ifft2, x, s, false);
    check_equal("repeated", run(q, ifft2, x, s, false), first);
    Queue other(device);
    check_equal("new queue", run(other, ifft2, x, s, false), first);
  }
}

TEST_CASE("fft: empty views are harmless, what does not fit is refused") {
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<Complex> z(q, 64);
    DeviceArray<float> x(q, 64);
    const Shape none{0, 3, 4, 4};
    fft2(q, {z.data(), none}, {z.data(), none});
    ifft2(q, {z.data(), none}, {z.data(), none});
    fft2_real(q, {z.data(), half(none)}, {x.data(), none});
    ifft2_real(q, {x.data(), none}, {z.data(), half(none)});
    for (const Complex& value : z.host()) CHECK(std::isnan(value.real()));

    const Shape s{1, 2, 3, 4};
    CHECK_THROWS_WITH_AS(fft2(q, {z.data(), s}, {z.data(), {1, 2, 4, 3}}),
                         doctest::Contains("shapes or layouts"), Error);
    CHECK_THROWS_WITH_AS(ifft2(q, {z.data(), s, 2}, {z.data(), s, 2}), doctest::Contains("expected planar"),
                         Error);
    CHECK_THROWS_WITH_AS(fft2_real(q, {z.data(), s}, {x.data(), s}),
                         doctest::Contains("half spectrum (1, 2, 3, 4), expected (1, 2, 3, 3)"), Error);
    CHECK_THROWS_WITH_AS(ifft2_real(q, {x.data(), {1, 2, 3, 6}}, {z.data(), half(s)}),
                         doctest::Contains("expected (1, 2, 3, 4)"), Error);
    CHECK_THROWS_WITH_AS(fft2_real(q, {z.data(), half(s)}, {x.data(), s, 2}), doctest::Contains("planar"),
                         Error);
  }
}

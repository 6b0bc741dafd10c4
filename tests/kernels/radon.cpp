#include "kernels/radon.hpp"

#include <numbers>

#include "tests/cases/radon.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {
namespace {

using Values = std::vector<float>;
constexpr double pixel = 0.125;

/// Angles from a little below 0 over half a turn, so that sines and cosines of both signs, rays along both
/// axes and at 45 degrees occur.
std::vector<double> spread(int angles) {
  std::vector<double> radians;
  for (int a = 0; a < angles; ++a) radians.push_back(std::numbers::pi * (a - 1) / std::max(angles, 4));
  return radians;
}

/// Rays in device memory.
class Rays {
 public:
  Rays(Queue& q, const cases::RadonCase& row, const std::vector<double>& radians)
      : q_(q), host_(radon_angles(row.x.H, row.x.W, row.detectors, pixel, radians)), row_(row) {
    device_ = static_cast<RadonAngle*>(q_.allocate(bytes()));
    copy_from_host(q_, device_, host_.data(), bytes());
  }
  ~Rays() {
    q_.synchronize();
    q_.deallocate(device_, bytes());
  }
  Rays(const Rays&) = delete;
  Rays& operator=(const Rays&) = delete;
  RadonView view() const { return {row_.x.H, row_.x.W, row_.detectors, int(host_.size()), device_}; }

 private:
  std::size_t bytes() const { return host_.size() * sizeof(RadonAngle); }
  Queue& q_;
  std::vector<RadonAngle> host_;
  cases::RadonCase row_;
  RadonAngle* device_;
};

Shape measured(const cases::RadonCase& row) { return {row.x.N, row.x.C, row.angles, row.detectors}; }

using Op = void (*)(Queue&, View<float>, View<const float>, const RadonView&);

Values run(Op op, Queue& q, const cases::RadonCase& row, const Values& in, Shape from, Shape to) {
  return under_all_warp_orders(q, [&] {
    const Rays rays(q, row, spread(row.angles));
    DeviceArray<float> x(q, in), y(q, to.size());
    op(q, y.view(to), x.view(from), rays.view());
    check_equal("input left alone", x.host(), in);
    return y.host();
  });
}
Values project(Queue& q, const cases::RadonCase& row, const Values& x) {
  return run(radon, q, row, x, row.x, measured(row));
}
Values adjoint(Queue& q, const cases::RadonCase& row, const Values& y) {
  return run(radon_adjoint, q, row, y, measured(row), row.x);
}
Values smear(Queue& q, const cases::RadonCase& row, const Values& y) {
  return run(backproject, q, row, y, measured(row), row.x);
}

/// A triangle of half width 1: linear interpolation.
double hat(double t) { return std::max(0.0, 1 - std::abs(t)); }

/// The weight of pixel (h, w) in the ray of angle t and signed distance s (pixels): where the ray meets the
/// pixel's row, or its column if that is what it is nearer to be perpendicular to.
double weight(int h, int w, Shape x, double t, double s) {
  const double px = w - (x.W - 1) / 2.0, py = (x.H - 1) / 2.0 - h, c = std::cos(t), n = std::sin(t);
  if (std::abs(c) >= std::abs(n)) return pixel / std::abs(c) * hat((s - py * n) / c - px);
  return pixel / std::abs(n) * hat((s - px * c) / n - py);
}

using Weight = std::function<double(int h, int w, double t, double s)>;

/// sum of weight(pixel, ray) x[pixel] for each ray, or of weight y[ray] for each pixel.
std::vector<double> summed(const cases::RadonCase& row, const Values& in, bool to_rays, const Weight& at) {
  const Shape m = measured(row), x = row.x;
  const std::vector<double> radians = spread(row.angles);
  std::vector<double> out(std::size_t((to_rays ? m : x).size()), 0.0);
  for (int plane = 0; plane < x.N * x.C; ++plane)
    for (int a = 0; a < m.H; ++a)
      for (int d = 0; d < m.W; ++d)
        for (int h = 0; h < x.H; ++h)
          for (int w = 0; w < x.W; ++w) {
            const std::size_t ray = std::size_t((plane * m.H + a) * m.W + d);
            const std::size_t spot = std::size_t((plane * x.H + h) * x.W + w);
            const double value = at(h, w, radians[std::size_t(a)], d - (m.W - 1) / 2.0);
            out[to_rays ? ray : spot] += value * in[to_rays ? spot : ray];
          }
  return out;
}

std::string describe(Device device, const cases::RadonCase& row) {
  return message(name(device), ' ', row.x, ", ", row.angles, " angles of ", row.detectors);
}

}  // namespace

TEST_CASE("radon: sums of weights in double, the adjoint, and interpolation on the detector") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::RadonCase& row : cases::radons_small) {
      const Values x = random_values(row.x.size(), 1), y = random_values(measured(row).size(), 2);
      const std::string what = describe(device, row);
      const Weight joseph = [&](int h, int w, double t, double s) { return weight(h, w, row.x, t, s); };
      // A position of some 50 pixels is made of four terms rounded to 2e-6 of a pixel; so is its weight.
      check_close("radon on " + what, project(q, row, x), summed(row, x, true, joseph), 1e-5);
      check_close("radon_adjoint on " + what, adjoint(q, row, y), summed(row, y, false, joseph), 1e-5);
      const Weight interpolated = [&](int h, int w, double t, double s) {
        return hat((w - (row.x.W - 1) / 2.0) * std::cos(t) + ((row.x.H - 1) / 2.0 - h) * std::sin(t) - s);
      };
      check_close("backproject on " + what, smear(q, row, y), summed(row, y, false, interpolated), 1e-5);
      if (x.empty()) continue;
      // The weights are the same floats both ways: only the sums are rounded.
      check_vjp(
          what, [&](const Values& at) { return project(q, row, at); },
          [&](const Values& dy) { return adjoint(q, row, dy); }, x, 1e-6, 1);
    }
  }
}

TEST_CASE("radon: both directions use the same floats for weights") {
  const cases::RadonCase row{{1, 1, 6, 9}, 11, 13};
  for (const Device device : backends()) {
    Queue q(device);
    const std::size_t pixels = std::size_t(row.x.size()), rays = std::size_t(measured(row).size());
    // One batch of all unit images, one of all unit measurements: the matrix, and its transpose.
    const cases::RadonCase images{{int(pixels), 1, row.x.H, row.x.W}, row.angles, row.detectors};
    const cases::RadonCase measurements{{int(rays), 1, row.x.H, row.x.W}, row.angles, row.detectors};
    Values unit(pixels * pixels, 0.f), unit_ray(rays * rays, 0.f);
    for (std::size_t i = 0; i < pixels; ++i) unit[i * pixels + i] = 1;
    for (std::size_t i = 0; i < rays; ++i) unit_ray[i * rays + i] = 1;
    const Values matrix = project(q, images, unit), back = adjoint(q, measurements, unit_ray);
    Values transposed(matrix.size());
    for (std::size_t i = 0; i < rays; ++i)
      for (std::size_t k = 0; k < pixels; ++k) transposed[k * rays + i] = back[i * pixels + k];
    check_equal(name(device), transposed, matrix);
  }
}

TEST_CASE("radon: enough work for threads and striding, the same bits on every backend") {
  const auto same = [](Op op, const cases::RadonCase& row, Shape from, Shape to) {
    const Values in = random_values(from.size(), 1);
    Queue cpu(Device::cpu);
    const Values expected = run(op, cpu, row, in, from, to);
    for (const Device device : backends()) {
      Queue q(device);
      check_equal(name(device), run(op, q, row, in, from, to), expected);
    }
  };
  const cases::RadonCase image{{1, 2, 61, 73}, 10, 97}, many_rays{{1, 1, 2, 3}, 530, 500};
  const cases::RadonCase many_pixels{{1, 1, 500, 530}, 1, 500};
  same(radon, image, image.x, measured(image));
  same(radon_adjoint, image, measured(image), image.x);
  same(backproject, image, measured(image), image.x);
  same(radon, many_rays, many_rays.x, measured(many_rays));
  same(radon_adjoint, many_pixels, measured(many_pixels), many_pixels.x);
}

TEST_CASE("radon: at 0 degrees columns are summed, at 90 rows, upwards being positive") {
  for (const Device device : backends()) {
    Queue q(device);
    const cases::RadonCase row{{1, 1, 2, 2}, 2, 2};
    const Rays rays(q, row, {0, std::numbers::pi / 2});
    DeviceArray<float> x(q, Values{1, 2, 3, 5}), y(q, 4);
    radon(q, y.view({1, 1, 2, 2}), x.view(row.x), rays.view());
    check_close(name(device), y.host(), Values{4 * pixel, 7 * pixel, 8 * pixel, 3 * pixel}, 1e-6);
  }
}

TEST_CASE("radon: mistakes are named") {
  CHECK_THROWS_WITH_AS(radon_angles(0, 3, 5, 1, {}),
                       "radon: images of 0x3 pixels; expected 1 to 16384 each way", Error);
  CHECK_THROWS_WITH_AS(radon_angles(3, 3, 0, 1, {}), "radon: 0 detectors; expected 1 to 16384", Error);
  CHECK_THROWS_WITH_AS(radon_angles(3, 3, 4, 1, {std::nan("")}), "radon: an angle of nan radians", Error);
  for (const Device device : backends()) {
    Queue q(device);
    const Rays rays(q, {{1, 1, 3, 4}, 2, 6}, {0, 1});
    DeviceArray<float> x(q, 12), y(q, 12);
    for (const Op op : {radon, radon_adjoint, static_cast<Op>(backproject)}) {
      const bool forward = op == static_cast<Op>(radon);
      const auto call = [&](Shape image, Shape rows, int b) {
        forward ? op(q, y.view(rows, b), x.view(image, b), rays.view())
                : op(q, x.view(image, b), y.view(rows, b), rays.view());
      };
      CHECK_THROWS_WITH_AS(call({1, 1, 3, 4}, {1, 1, 3, 4}, 1),
                           doctest::Contains("rays of 3x4 images, 2 angles and 6 detectors do not join "
                                             "(1, 1, 3, 4) and (1, 1, 3, 4)"),
                           Error);
      CHECK_THROWS_WITH_AS(call({1, 1, 4, 3}, {1, 1, 2, 6}, 1), doctest::Contains("do not join (1, 1, 4, 3)"),
                           Error);
      CHECK_THROWS_WITH_AS(call({1, 2, 3, 2}, {1, 2, 2, 3}, 2), doctest::Contains("planar (b = 1)"), Error);
    }
  }
}

}  // namespace tweedie::test

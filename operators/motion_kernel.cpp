#include "operators/motion_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/error.hpp"
#include "operators/draw.hpp"
#include "operators/kernel_blur.hpp"

namespace tweedie {
namespace {

constexpr double pi = std::numbers::pi;

struct Point {
  double x, y;
};

/// The camera's path, its mean at the origin, in pixels of an image of that diagonal.
std::vector<Point> walk(Draw& draw, double diagonal, double intensity) {
  const double length = 0.75 * diagonal * (draw.uniform() + draw.uniform(0, intensity * intensity));
  std::vector<double> steps;
  // Never an empty path, and one that ends: steps at intensity 1 are short, not 0.
  const double longest = std::max(1 - intensity, 0.1) * diagonal;
  double total = 0;
  do {
    const double step = longest * draw.beta_1(30);
    steps.push_back(step);
    total += step;
  } while (total < length && steps.size() < 10000);

  const double widest = draw.uniform(0, intensity * pi), jitter = draw.beta_2(20);
  double angle = draw.uniform(-widest, widest);
  std::vector<Point> path{{0, 0}};
  Point mean{0, 0};
  for (const double step : steps) {
    const Point next{path.back().x + step * std::cos(angle), path.back().y + step * std::sin(angle)};
    path.push_back(next);
    mean.x += next.x / double(steps.size() + 1);
    mean.y += next.y / double(steps.size() + 1);
    const double turn = draw.triangular(intensity * widest, widest);
    const bool flip = draw.uniform() < jitter;
    angle = (std::signbit(angle) != flip) ? -turn : turn;
  }
  const double rotation = draw.uniform(0, pi), c = std::cos(rotation), s = std::sin(rotation);
  for (Point& p : path) {
    const Point from{p.x - mean.x, p.y - mean.y};
    p = {c * from.x - s * from.y, s * from.x + c * from.y};
  }
  return path;
}

}  // namespace

std::vector<float> motion_kernel(int size, double intensity, std::uint64_t seed) {
  require(size >= 3, "motion blur: kernel_size ", size, "; expected 3 or more");
  require(intensity >= 0 && intensity <= 1, "motion blur: intensity ", intensity, "; expected 0 to 1");
  Draw draw(seed);
  const std::vector<Point> path = walk(draw, std::sqrt(2.0) * size, intensity);
  std::vector<double> image(std::size_t(size) * std::size_t(size), 0.0);
  // Each stretch is drawn as points a quarter of a pixel apart, each shared by the four pixels around it.
  const auto deposit = [&](double x, double y, double amount) {
    const int left = int(std::floor(x)), top = int(std::floor(y));
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j) {
        const int h = top + i, w = left + j;
        if (h < 0 || w < 0 || h >= size || w >= size) continue;  // the camera may shake beyond the kernel
        image[std::size_t(h * size + w)] += amount * (1 - std::abs(x - w)) * (1 - std::abs(y - h));
      }
  };
  const double centre = size / 2;
  for (std::size_t i = 1; i < path.size(); ++i) {
    const Point a = path[i - 1], b = path[i];
    const double length = std::hypot(b.x - a.x, b.y - a.y);
    const int points = std::max(1, int(std::ceil(4 * length)));
    for (int k = 0; k < points; ++k) {
      const double t = (k + 0.5) / points;
      deposit(centre + a.x + t * (b.x - a.x), centre + a.y + t * (b.y - a.y), length / points);
    }
  }
  // The pen's width and the softening: measured in pixels of the kernel, together about size / 75.
  const double sigma = std::max(0.4, size / 75.0);
  smooth(image, size, size, sigma);
  double sum = 0;
  for (const double value : image) sum += value;
  require(sum > 0, "motion blur: the path left its kernel of ", size, " pixels");
  std::vector<float> kernel;
  for (const double value : image) kernel.push_back(float(value / sum));
  return kernel;
}

namespace {

// The kernel is data where no seed is stated; else it is drawn.
std::unique_ptr<ForwardOperator> make_motion_blur(Context& context, const Settings& s,
                                                  const OperatorData& data) {
  const int size = s.integer("kernel_size");
  require(size % 2 == 1, s.what(), ": kernel_size ", size, "; expected an odd number of pixels");
  const Tensor given = s.stated("seed") ? Tensor() : data.at("kernel");
  const Shape taps{1, 1, size, size};
  const Tensor kernel =
      given ? given : context.upload(taps, motion_kernel(size, s.number("intensity"), s.seed("seed")));
  require(kernel.shape() == taps, s.what(), ": a kernel of shape ", kernel.shape(), " for kernel_size ",
          size);
  return make_blur(context, kernel, boundary_of(s));
}

constexpr Setting settings[] = {
    Setting::whole("kernel_size", 61, 1, 4095, "odd number of pixels"),
    Setting::number("intensity", 0.5, 0, 1, "0 nearly straight, 1 a scribble"),
    boundary_setting,
    Setting::seed("seed", "of the camera's path").spelled(""),
};
constexpr ArrayRow arrays[] = {{"kernel", ArrayRow::Form::kernel}};

}  // namespace

const OperatorKind motion_blur_kind{.name = "motion_blur",
                                    .what = "blur by a shaken camera",
                                    .make = make_motion_blur,
                                    .settings = settings,
                                    .arrays = arrays,
                                    .steps = {1.0, 0.6, 0.3, 0.045, 0.14},
                                    .foreign = "give its kernel with --task kernel_blur --kernel FILE"};

}  // namespace tweedie

#include "tests/support/support.hpp"

#include <algorithm>
#include <cstring>

#ifdef TWEEDIE_CUDA_SIMULATED
#include "tests/machine/stand_in/control.hpp"
#endif

namespace tweedie::test {
namespace {
std::vector<Device>& chosen() {
  static std::vector<Device> devices;
  return devices;
}
}  // namespace

const std::vector<Device>& backends() {
  if (chosen().empty()) {
    chosen() = {Device::cpu};
    if (cuda_device_count() > 0) chosen().push_back(Device::cuda);
  }
  return chosen();
}

void parse_options(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option.rfind("--backend=", 0) != 0) continue;
    const std::string list = option.substr(10);
    if (list.find("cpu") != std::string::npos) chosen().push_back(Device::cpu);
    if (list.find("cuda") != std::string::npos) {
      if (cuda_device_count() > 0)
        chosen().push_back(Device::cuda);
      else
        std::fprintf(stderr, "CUDA tests skipped: no CUDA in this build, or no device\n");
    }
  }
}

std::vector<float> random_values(std::int64_t count, unsigned seed, float low, float high) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> distribution(low, high);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = distribution(generator);
  return values;
}

std::vector<float> to_blocks(const std::vector<float>& planar, Shape shape, int b) {
  std::vector<float> out(planar.size());
  const View<const float> from(planar.data(), shape, 1);
  const View<float> to(out.data(), shape, b);
  for (int n = 0; n < shape.N; ++n)
    for (int c = 0; c < shape.C; ++c)
      for (int h = 0; h < shape.H; ++h)
        for (int w = 0; w < shape.W; ++w) to.data[to.offset(n, c, h, w)] = from.data[from.offset(n, c, h, w)];
  return out;
}

std::vector<float> from_blocks(const std::vector<float>& blocked, Shape shape, int b) {
  std::vector<float> out(blocked.size());
  const View<const float> from(blocked.data(), shape, b);
  const View<float> to(out.data(), shape, 1);
  for (int n = 0; n < shape.N; ++n)
    for (int c = 0; c < shape.C; ++c)
      for (int h = 0; h < shape.H; ++h)
        for (int w = 0; w < shape.W; ++w) to.data[to.offset(n, c, h, w)] = from.data[from.offset(n, c, h, w)];
  return out;
}

void check_close(const std::string& what, std::span<const float> got, std::span<const double> expected,
                 double tolerance) {
  REQUIRE_MESSAGE(got.size() == expected.size(), what, ": ", got.size(), " values, expected ",
                  expected.size());
  double scale = 1e-30, worst = 0;
  for (const double value : expected) scale = std::max(scale, std::abs(value));
  std::size_t where = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(double(got[i]) - expected[i]) / scale;
    if (!(error <= worst)) {  // catches NaN too
      worst = error;
      where = i;
      if (std::isnan(error)) break;
    }
  }
  CHECK_MESSAGE(worst <= tolerance, what, ": worst at ", where, ": got ", got[where], ", expected ",
                expected[where], ", ", worst / tolerance, " of the tolerance ", tolerance, " (scale ", scale,
                ")");
}

void check_close(const std::string& what, std::span<const float> got, std::span<const float> expected,
                 double tolerance) {
  const std::vector<double> wide(expected.begin(), expected.end());
  check_close(what, got, std::span<const double>(wide), tolerance);
}

void check_equal(const std::string& what, std::span<const float> got, std::span<const float> expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    if (std::memcmp(&got[i], &expected[i], sizeof(float)) != 0) {
      CHECK_MESSAGE(false, what, ": bits differ first at ", i, ": ", got[i], " and ", expected[i]);
      return;
    }
  CHECK(true);
}

void check_vjp(const std::string& what, const std::function<std::vector<float>(const std::vector<float>&)>& f,
               const std::function<std::vector<float>(const std::vector<float>&)>& vjp,
               const std::vector<float>& x, double tolerance, double h, unsigned seed) {
  const std::vector<float> v = random_values(std::int64_t(x.size()), seed);
  std::vector<float> plus = x, minus = x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    plus[i] = float(x[i] + h * v[i]);
    minus[i] = float(x[i] - h * v[i]);
  }
  const std::vector<float> high = f(plus), low = f(minus);
  const std::vector<float> w = random_values(std::int64_t(high.size()), seed + 1);
  const std::vector<float> gradient = vjp(w);
  REQUIRE_MESSAGE(gradient.size() == x.size(), what, ": gradient has ", gradient.size(), " values, x ",
                  x.size());
  double difference = 0, product = 0, norm_jv = 0, norm_w = 0, norm_g = 0, norm_v = 0;
  for (std::size_t i = 0; i < high.size(); ++i) {
    const double jv = (double(high[i]) - low[i]) / (2 * h);
    difference += w[i] * jv;
    norm_jv += jv * jv;
    norm_w += double(w[i]) * w[i];
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    product += double(gradient[i]) * v[i];
    norm_g += double(gradient[i]) * gradient[i];
    norm_v += double(v[i]) * v[i];
  }
  // The scale of a random inner product of these vectors: |a||b| / sqrt(dimension), whichever side is larger.
  const double scale = std::max({std::sqrt(norm_jv * norm_w / double(high.size())),
                                 std::sqrt(norm_g * norm_v / double(x.size())), 1e-30});
  const double error = std::abs(difference - product) / scale;
  CHECK_MESSAGE(error <= tolerance, what, ": <w, Jv> = ", difference, ", <vjp(w), v> = ", product, ", ",
                error / tolerance, " of the tolerance ", tolerance);
}

std::vector<float> under_all_warp_orders(Queue& q, const std::function<std::vector<float>()>& body) {
#ifdef TWEEDIE_CUDA_SIMULATED
  if (q.on_cuda()) {
    stand_in::set_warp_order(ptx::WarpOrder::reverse);
    const std::vector<float> reverse = body();
    stand_in::set_warp_order(ptx::WarpOrder::random, 7);
    const std::vector<float> random = body();
    stand_in::set_warp_order(ptx::WarpOrder::forward);
    std::vector<float> forward = body();
    check_equal("warp order reverse against forward", reverse, forward);
    check_equal("warp order random against forward", random, forward);
    return forward;
  }
#endif
  (void)q;
  return body();
}

}  // namespace tweedie::test

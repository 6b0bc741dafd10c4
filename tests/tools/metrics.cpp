#include "tools/metrics.hpp"

#include <cmath>

#include "tests/tools/files_for_tests.hpp"
#include "tools/metrics/catalogue.hpp"

namespace tweedie::test {
namespace {

Image photograph(const std::string& name) { return read_image(TWEEDIE_TEST_DATA "/images/" + name + ".png"); }

/// The images are float in [-1, 1], the recorded numbers come from double in [0, 1]: values agree to 3e-8,
/// the metrics to a small multiple of that.
void check_metrics(const Image& x, const Image& y, double expected_psnr, double expected_ssim) {
  CHECK(std::abs(psnr(x, y) - expected_psnr) < 1e-5);
  CHECK(std::abs(ssim(x, y) - expected_ssim) < 1e-6);
  CHECK(std::abs(ssim(y, x) - expected_ssim) < 1e-6);
}

}  // namespace

// The numbers are of scikit-image 0.26.0, with a, b the files' values / 255 (double), for example
//   peak_signal_noise_ratio(a, b, data_range=1)
//   structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1,
//                         channel_axis=2)
TEST_CASE("PSNR and SSIM of photographs, against scikit-image") {
  const Image astronaut = photograph("astronaut");
  check_metrics(astronaut, photograph("coffee"), 8.371444222704893, 0.136228216592630);
  Image pale = astronaut;  // 0.8 a + 0.1 on the [0, 1] scale
  for (float& value : pale.data) value *= 0.8f;
  check_metrics(astronaut, pale, 23.850771958487137, 0.843365074482480);
}

TEST_CASE("PSNR and SSIM of one channel and odd sizes, against scikit-image") {
  const Image camera = photograph("camera_gray");
  // a = g[100:137, 60:113], b = g[101:138, 62:115]
  check_metrics(crop(camera, 100, 60, 37, 53), crop(camera, 101, 62, 37, 53), 21.448669936750115,
                0.582331924899263);
  // a = g[0:11, 0:11], b = g[1:12, 0:11]: the window fits once
  check_metrics(crop(camera, 0, 0, 11, 11), crop(camera, 1, 0, 11, 11), 52.056696511558499,
                0.995376199872896);
}

TEST_CASE("MSE and PSNR by hand") {
  const Image black = uniform_image(3, 2, 2, -1), gray = uniform_image(3, 2, 2, 0);
  CHECK(mse(black, gray) == doctest::Approx(0.25));
  CHECK(psnr(black, gray) == doctest::Approx(10 * std::log10(4.0)));
  CHECK(std::isinf(psnr(gray, gray)));
  CHECK(psnr(black, uniform_image(3, 2, 2, 1)) == doctest::Approx(0));
  // Values beyond the range count as they are.
  CHECK(mse(uniform_image(1, 1, 1, 3), uniform_image(1, 1, 1, 1)) == doctest::Approx(1));
}

TEST_CASE("SSIM by hand: flat images leave only the luminance term") {
  const Image dark = uniform_image(1, 12, 15, -0.5f), light = uniform_image(1, 12, 15, 0.5f);
  CHECK(ssim(dark, dark) == doctest::Approx(1));
  CHECK(ssim(dark, light) == doctest::Approx((2 * 0.25 * 0.75 + 1e-4) / (0.0625 + 0.5625 + 1e-4)));
}

TEST_CASE("PSNR of two images half a turn apart, and what counts as found") {
  Context context(Device::cpu, 1);
  const auto score = [&](const char* name, const metrics::Planes& x, const metrics::Planes& y) {
    return metrics::make_pair_metric(context, metrics::parse_metrics(name).at(0), "")(x, y);
  };
  // The second channel tells a half turn of each plane from one of all values in a row.
  const metrics::Planes truth{2, 2, 3, {0, 0.1, 0.2, 0.3, 0.4, 0.5, 1, 0, 0, 0, 0, 0}};
  metrics::Planes turned{2, 2, 3, {0.5, 0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0, 0, 0, 1}};
  CHECK(std::isinf(score("psnr-half-turn", truth, truth)));
  CHECK(std::isinf(score("psnr-half-turn", turned, truth)));
  turned.data[0] += 0.3;  // mse 0.09 / 12
  CHECK(score("psnr-half-turn", turned, truth) == doctest::Approx(10 * std::log10(12 / 0.09)));
  CHECK(score("success", turned, truth) == 1);
  turned.data[0] += 0.1;  // 18.75 dB
  CHECK(score("success", turned, truth) == 0);
}

TEST_CASE("metrics refuse images of different sizes, and SSIM images below its window") {
  const Image x = uniform_image(1, 20, 10, 0);
  CHECK(error_of([&] { psnr(x, uniform_image(1, 10, 20, 0)); }) ==
        "mse of a 10 x 20, 1-channel and a 20 x 10, 1-channel image: expected the same size");
  CHECK(error_of([&] { ssim(x, uniform_image(3, 20, 10, 0)); }) ==
        "ssim of a 10 x 20, 1-channel and a 10 x 20, 3-channel image: expected the same size");
  CHECK(error_of([&] { ssim(x, x); }) ==
        "ssim of a 10 x 20, 1-channel image: expected at least 11 pixels a side, the size of its window");
}

}  // namespace tweedie::test

// Masks, noise models, and settings nobody may write.
#include <algorithm>
#include <cmath>
#include <set>

#include "operators/composed.hpp"
#include "operators/factory.hpp"
#include "operators/inpainting.hpp"
#include "operators/noise.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

struct Hole {
  int top = 1 << 20, bottom = -1, left = 1 << 20, right = -1, pixels = 0;
};

// The bounding box and size of what a mask hides; values other than 0 and 1 fail.
Hole hole(const std::vector<float>& mask, int H, int W) {
  REQUIRE(mask.size() == std::size_t(H) * std::size_t(W));
  Hole found;
  for (int h = 0; h < H; ++h)
    for (int w = 0; w < W; ++w) {
      const float m = mask[std::size_t(h * W + w)];
      REQUIRE((m == 0 || m == 1));
      if (m == 1) continue;
      ++found.pixels;
      found.top = std::min(found.top, h);
      found.bottom = std::max(found.bottom, h);
      found.left = std::min(found.left, w);
      found.right = std::max(found.right, w);
    }
  return found;
}

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void check_says(const std::string& message, const std::string& part) {
  CHECK_MESSAGE(message.find(part) != std::string::npos, "'", message, "' does not say '", part, "'");
}

}  // namespace

TEST_CASE("extreme keeps only the box; both lose what either loses") {
  const std::vector<float> box = box_mask(20, 30, 3, 5, 7, 11), random = random_mask(20, 30, 0.5, 1);
  CHECK(hole(inverted(box), 20, 30).pixels == 20 * 30 - 7 * 11);
  const std::vector<float> lost = both(box, random);
  for (std::size_t i = 0; i < lost.size(); ++i) REQUIRE(lost[i] == (box[i] == 1 && random[i] == 1 ? 1 : 0));
  CHECK_THROWS_AS(both(box, random_mask(20, 31, 0.5, 1)), Error);
}

TEST_CASE("noise falls on measured entries only, as published also on the others") {
  for (const Device device : backends())
    for (const NoiseKind kind : {NoiseKind::gaussian, NoiseKind::poisson}) {
      Context context(device, 3);
      const std::vector<float> mask = box_mask(12, 10, 2, 3, 5, 4);
      Inpainting op(context, context.upload({1, 1, 12, 10}, mask));
      Noise noise{kind, 0.1};
      for (const bool compat : {false, true}) {
        noise.compat = compat;
        const Tensor clean = context.upload({1, 1, 12, 10}, std::vector<float>(120, 0.f));
        const std::vector<float> y = context.download(add_noise(context, noise, clean, op));
        int moved = 0;
        for (std::size_t i = 0; i < y.size(); ++i) moved += mask[i] == 0 && y[i] != 0;
        CHECK(moved >= (compat ? 15 : 0));  // of 20 masked pixels; a count may be the mean
        if (!compat) CHECK(moved == 0);
      }
    }
}

TEST_CASE("a box mask hides exactly its box") {
  const Hole found = hole(box_mask(20, 30, 3, 5, 7, 11), 20, 30);
  CHECK(found.pixels == 7 * 11);
  CHECK(found.top == 3);
  CHECK(found.bottom == 9);
  CHECK(found.left == 5);
  CHECK(found.right == 15);
  CHECK(hole(box_mask(4, 5, 0, 0, 4, 5), 4, 5).pixels == 20);
  for (const auto& [top, left, height, width] :
       {std::tuple{-1, 0, 2, 2}, {0, -1, 2, 2}, {19, 0, 2, 2}, {0, 29, 2, 2}, {0, 0, 0, 2}, {0, 0, 2, 0}})
    CHECK_THROWS_AS(box_mask(20, 30, top, left, height, width), Error);
}

TEST_CASE("random boxes keep their margin, reach both ends of their range, and repeat with their seed") {
  const int H = 24, W = 40, height = 9, width = 12, margin = 5;
  std::set<int> tops, lefts;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const std::vector<float> mask = random_box_mask(H, W, height, width, margin, seed);
    const Hole found = hole(mask, H, W);
    CHECK(found.pixels == height * width);
    CHECK(found.bottom - found.top == height - 1);
    CHECK(found.right - found.left == width - 1);
    tops.insert(found.top);
    lefts.insert(found.left);
    if (seed < 5) CHECK(mask == random_box_mask(H, W, height, width, margin, seed));
  }
  // 6 and 19 places: 300 draws miss one of them with a probability below 19 (18/19)^300 = 2e-6.
  CHECK(tops.size() == 6);
  CHECK(*tops.begin() == margin);
  CHECK(*tops.rbegin() == H - margin - height);
  CHECK(lefts.size() == 19);
  CHECK(*lefts.begin() == margin);
  CHECK(*lefts.rbegin() == W - margin - width);
  CHECK(hole(random_box_mask(10, 10, 10, 10, 0, 1), 10, 10).pixels == 100);  // the only place there is
  CHECK_THROWS_WITH_AS(random_box_mask(10, 10, 6, 2, 3, 1), doctest::Contains("does not fit into 10x10"),
                       Error);
  CHECK_THROWS_AS(random_box_mask(10, 10, 2, 2, -1, 1), Error);
}

TEST_CASE("random masks drop an exact number of pixels, all alike") {
  const int H = 13, W = 17;
  for (const double fraction : {0.0, 0.3, 0.92, 1.0}) {
    CAPTURE(fraction);
    CHECK(hole(random_mask(H, W, fraction, 5), H, W).pixels == int(H * W * fraction));
  }
  CHECK(random_mask(H, W, 0.5, 1) == random_mask(H, W, 0.5, 1));
  CHECK(random_mask(H, W, 0.5, 1) != random_mask(H, W, 0.5, 2));
  std::vector<int> dropped(std::size_t(H * W), 0);
  const int seeds = 2000;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const std::vector<float> mask = random_mask(H, W, 0.25, seed);
    for (std::size_t i = 0; i < mask.size(); ++i) dropped[i] += mask[i] == 0;
  }
  // Binomial: 500 of 2000, standard deviation 19; 221 pixels stay within 5 of them but for 1 run in 8000.
  CHECK(*std::min_element(dropped.begin(), dropped.end()) > 500 - 97);
  CHECK(*std::max_element(dropped.begin(), dropped.end()) < 500 + 97);
  CHECK_THROWS_WITH_AS(random_mask(H, W, 1.5, 1), doctest::Contains("1.5"), Error);
  CHECK_THROWS_AS(random_mask(H, W, -0.1, 1), Error);
}

TEST_CASE("noise has its standard deviation, and is on observed pixels alone") {
  const Shape shape{1, 3, 48, 64};
  const std::vector<float> mask = random_mask(shape.H, shape.W, 0.4, 7);
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    const auto measure = [&](bool cropped, std::uint64_t seed) {
      Context context(device, seed, true);
      std::unique_ptr<ForwardOperator> op =
          std::make_unique<Inpainting>(context, context.upload({1, 1, shape.H, shape.W}, mask));
      if (cropped) op = std::make_unique<Composed>(make_crop(context, shape.H, shape.W), std::move(op));
      Tensor y = op->forward(context.upload(shape, std::vector<float>(std::size_t(shape.size()), 0.5f)));
      return context.download(add_noise(context, {NoiseKind::gaussian, 0.2}, std::move(y), *op));
    };
    const std::vector<float> y = measure(false, 3);
    double sum = 0, squares = 0, count = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (mask[i % mask.size()] == 0) {
        CHECK(y[i] == 0);
        continue;
      }
      const double noise = (y[i] - 0.5) / 0.2;
      sum += noise;
      squares += noise * noise;
      count += 1;
    }
    // 5530 pixels: the mean is 0 +- 0.013, the variance 1 +- 0.019; five of these.
    CHECK(std::abs(sum / count) < 0.07);
    CHECK(squares / count == doctest::Approx(1).epsilon(0.1));
    check_equal("the same seed", measure(false, 3), y);
    check_equal("the same through a crop", measure(true, 3), y);
    CHECK(measure(false, 4) != y);
  }
}

TEST_CASE("a Poisson count takes its share of the unit interval") {
  constexpr int grid = 100000;
  for (const double mean : {0.02, 0.7, 1.0, 6.5, 255.0}) {
    CAPTURE(mean);
    std::vector<int> hits(600, 0);
    for (int i = 0; i < grid; ++i) {
      const double count = poisson_count(mean, (i + 0.5) / grid);
      REQUIRE(count == std::floor(count));
      REQUIRE((count >= 0 && count < 600));
      ++hits[std::size_t(count)];
    }
    double probability = std::exp(-mean);
    for (std::size_t k = 0; k < hits.size(); ++k) {
      // An interval as long as the probability holds that share of the grid's points, but for one at an end.
      REQUIRE(std::abs(hits[k] - grid * probability) < 1.001);
      probability *= mean / double(k + 1);
    }
  }
  CHECK(poisson_count(0, 0.5) == 0);
  CHECK(poisson_count(-3, 0.5) == 0);
}

TEST_CASE("Poisson noise: counts whose mean and variance are 255 rate photons for white") {
  const Shape shape{1, 1, 100, 200};
  const double draws = double(shape.size());
  for (const Device device : backends())
    for (const double rate : {0.02, 1.0, 40.0})
      for (const double value : {-1.5, -1.0, -0.5, 0.0, 1.0, 1.5})
        for (const bool compat : {false, true}) {
          CAPTURE(rate);
          CAPTURE(value);
          CAPTURE(compat);
          Context context(device, 3);
          Identity op(context);
          const std::vector<float> clean(std::size_t(shape.size()), float(value));
          const std::vector<float> y = context.download(
              add_noise(context, {NoiseKind::poisson, 0, rate, compat}, context.upload(shape, clean), op));
          const double white = 255 * rate;
          const double mean = white * std::max(value + 1, 0.0) / 2;
          double sum = 0, squares = 0;
          if (compat) {  // nothing is brighter than white: counts near it are cut
            CHECK(*std::max_element(y.begin(), y.end()) <= 1);
            if (value > 0 || rate < 1) continue;
          }
          for (const float v : y) {
            const double count = white * (double(v) + 1) / 2;
            // v is rounded near 1: 6e-8 of half of white.
            REQUIRE(std::abs(count - std::round(count)) <= 1e-7 * (white + count));
            sum += count;
            squares += (count - mean) * (count - mean);
          }
          // Five standard deviations of the mean and of the variance of so many counts.
          CHECK(std::abs(sum / draws - mean) <= 5 * std::sqrt(mean / draws));
          CHECK(std::abs(squares / draws - mean) <= 5 * std::sqrt((mean + 2 * mean * mean) / draws));
        }
}

TEST_CASE("no noise leaves the measurement and the random stream alone") {
  Context context(Device::cpu, 3), other(Device::cpu, 3);
  Identity op(context);
  const std::vector<float> x = random_values(300, 1);
  for (const Noise& noise : {Noise{NoiseKind::none, 0}, Noise{NoiseKind::gaussian, 0}})
    check_equal(name_of(noise.kind),
                context.download(add_noise(context, noise, context.upload({1, 3, 10, 10}, x), op)), x);
  check_equal("next draw", context.download(context.normal({1, 1, 4, 4})),
              other.download(other.normal({1, 1, 4, 4})));
}

TEST_CASE("noise by name") {
  CHECK(parse_noise({{"name", "clean"}}).kind == NoiseKind::none);
  CHECK(parse_noise({{"name", "none"}}).kind == NoiseKind::none);
  const Noise noise = parse_noise({{"name", "gaussian"}, {"sigma", 0.05}});
  CHECK(noise.kind == NoiseKind::gaussian);
  CHECK(noise.sigma == 0.05);
  CHECK(to_json(noise) == nlohmann::json{{"name", "gaussian"}, {"sigma", 0.05}});
  const auto says = [](const nlohmann::json& json, const char* part) {
    check_says(refusal([&] { parse_noise(json); }), part);
  };
  says({{"name", "salt"}}, "salt");
  says({{"name", "gaussian"}}, "'sigma' is missing");
  says({{"name", "gaussian"}, {"sigma", -1}}, "'sigma' is -1, expected a number from 0 to 1000000");
  says({{"name", "gaussian"}, {"sigma", "big"}}, "expected a number");
  says({{"name", "none"}, {"rate", 1}}, "'rate' is not known");
  says({{"sigma", 1}}, "'name' is missing");
  says("gaussian", "expected a table");
}

TEST_CASE("operators nobody knows, and settings that make none, are refused by name") {
  Context context(Device::cpu);
  const auto says = [&](const nlohmann::json& settings, const std::string& part) {
    CAPTURE(settings.dump());
    const Shape image{1, 1, 9, 12};
    check_says(refusal([&] { make_operator(context, settings, {})->output_shape(image); }), part);
  };
  says({{"name", "sharpen"}}, "operator 'sharpen' is not known; expected one of ");
  for (const OperatorKind* known : operator_kinds()) says({{"name", "sharpen"}}, known->name);
  says({{"kernel_size", 3}}, "'name' is missing");
  says({{"name", 3}}, "'name' is 3, expected a text");
  says({{"name", "noise"}, {"sigma", 1}}, "'sigma' is not known");
  says({{"name", "inpainting"}}, "no mask");
  says({{"name", "super_resolution"}}, "'scale_factor' is missing");
  says({{"name", "super_resolution"}, {"scale_factor", 2.5}}, "2.5, expected a whole number");
  says({{"name", "super_resolution"}, {"scale_factor", 0}},
       "'scale_factor' is 0, expected a whole number from 1 to 64");
  // 2^32 + 4 is no 4.
  says({{"name", "super_resolution"}, {"scale_factor", 4294967300}}, "4294967300, expected a whole number");
  says({{"name", "motion_blur"}, {"kernel_size", 60001}},
       "'kernel_size' is 60001, expected a whole number from 1 to 4095");
  says({{"name", "motion_blur"}, {"seed", -1}}, "-1, expected a whole number from 0 on");
  says({{"name", "ct"}, {"angles", 2000000000}},
       "'angles' is 2000000000, expected a whole number from 1 to 100000");
  says({{"name", "super_resolution"}, {"scale_factor", 2}, {"kernel", "lanczos"}}, "'lanczos'");
  says({{"name", "super_resolution"}, {"scale_factor", 2}, {"factor", 2}}, "'factor' is not known");
  says({{"name", "super_resolution"}, {"scale_factor", 2}, {"kernel", "average"}}, "9 pixels");
  says({{"name", "gaussian_blur"}, {"kernel_size", 8}}, "kernel_size 8");
  says({{"name", "gaussian_blur"}, {"kernel_size", -3}}, "'kernel_size' is -3");
  says({{"name", "gaussian_blur"}, {"intensity", 0}}, "'intensity' is 0, expected a number above 0");
  says({{"name", "gaussian_blur"}, {"intensity", "strong"}}, "expected a number");
  says({{"name", "gaussian_blur"}, {"boundary", "zero"}}, "'zero'");
  says({{"name", "gaussian_blur"}, {"sigma", 3}}, "'sigma' is not known");
}

TEST_CASE("a stated seed draws, whatever arrays there are for other operators") {
  Context context(Device::cpu, 5);
  const Shape shape{1, 3, 24, 20};
  const Tensor x = context.upload(shape, random_values(shape.size(), 2));
  OperatorData data;
  data["kernel"] = context.upload({1, 1, 3, 3}, random_values(9, 7));
  data["mask"] = context.upload({1, 1, 24, 20}, random_mask(24, 20, 0.5, 9));
  const auto measured = [&](const nlohmann::json& settings, const OperatorData& arrays) {
    return context.download(make_operator(context, settings, arrays)->forward(x));
  };
  for (const nlohmann::json& settings :
       {nlohmann::json{{"name", "motion_blur"}, {"kernel_size", 9}, {"seed", 4}},
        nlohmann::json{{"name", "mri"}, {"mask", "uniform2d"}, {"seed", 4}}}) {
    CAPTURE(settings.dump());
    check_equal("with arrays", measured(settings, data), measured(settings, {}));
    nlohmann::json other = settings;
    other["seed"] = 5;
    CHECK(measured(other, {}) != measured(settings, {}));
  }
  // Without a statement the array is the operator's.
  CHECK(measured({{"name", "motion_blur"}, {"kernel_size", 3}}, data) !=
        measured({{"name", "motion_blur"}, {"kernel_size", 3}}, {}));
}

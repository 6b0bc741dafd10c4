// Blur by an unknown kernel, against loops in double.
#include "operators/convolution.hpp"

#include <array>

#include "operators/fixed.hpp"
#include "operators/kernel_blur.hpp"
#include "tests/operators/unknowns.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Values = std::vector<float>;
using Path = Convolution::Path;

/// Pixel i of a continued axis, or -1 for 0: by walking, one pixel at a time, from an edge.
int walked(int i, int n, Padding padding) {
  while (i < 0 || i >= n) switch (padding) {
      case Padding::reflect:
        if (n == 1) return 0;
        i = i < 0 ? -i : 2 * (n - 1) - i;
        break;
      case Padding::replicate:
        i += i < 0 ? 1 : -1;
        break;
      case Padding::circular:
        i += i < 0 ? n : -n;
        break;
      default:
        return -1;
    }
  return i;
}

struct Case {
  Shape x, k;
};
// Even and odd kernels, of one tap, larger than the image; shared, and one for each sample; one is 64 x 64.
constexpr Case cases[] = {
    {{2, 3, 11, 14}, {2, 1, 4, 5}}, {{2, 3, 11, 14}, {1, 1, 6, 3}}, {{3, 1, 5, 7}, {1, 1, 1, 1}},
    {{2, 2, 9, 6}, {2, 1, 9, 6}},   {{1, 1, 6, 8}, {1, 1, 13, 10}}, {{1, 2, 70, 66}, {1, 1, 64, 64}},
};
constexpr Padding rules[] = {Padding::zero, Padding::reflect, Padding::replicate, Padding::circular,
                             Padding::valid};

/// f(y's, x's, k's offset) of every product of the formula.
template <class F>
void for_each_product(const Case& c, Padding rule, const Shape& measured, F f) {
  const View<const float> y(nullptr, measured), x(nullptr, c.x), k(nullptr, c.k);
  const int up = rule == Padding::valid ? 0 : (c.k.H - 1) / 2;
  const int left = rule == Padding::valid ? 0 : (c.k.W - 1) / 2;
  for (int n = 0; n < c.x.N; ++n)
    for (int ch = 0; ch < c.x.C; ++ch)
      for (int h = 0; h < measured.H; ++h)
        for (int w = 0; w < measured.W; ++w)
          for (int i = 0; i < c.k.H; ++i)
            for (int j = 0; j < c.k.W; ++j) {
              const int row = walked(h + i - up, c.x.H, rule), column = walked(w + j - left, c.x.W, rule);
              if (row >= 0 && column >= 0)
                f(std::size_t(y.offset(n, ch, h, w)), std::size_t(x.offset(n, ch, row, column)),
                  std::size_t(k.offset(c.k.N == 1 ? 0 : n, 0, i, j)));
            }
}

bool possible(const Case& c, Padding rule) {
  return rule != Padding::valid || (c.k.H <= c.x.H && c.k.W <= c.x.W);
}

void check_case(Context& context, const Case& c, Padding rule, std::optional<Path> path) {
  Convolution op(context, rule, path);
  const Several at{context, op, {c.x, c.k}, {random_values(c.x.size(), 1), random_values(c.k.size(), 2)}};
  const Shape measured = at.measured();
  const Values dy = random_values(measured.size(), 3);
  std::vector<double> y(dy.size(), 0.0), dx(at.values[0].size(), 0.0), dk(at.values[1].size(), 0.0);
  for_each_product(c, rule, measured, [&](std::size_t to, std::size_t from, std::size_t tap) {
    y[to] += double(at.values[0][from]) * at.values[1][tap];
    dx[from] += double(dy[to]) * at.values[1][tap];
    dk[tap] += double(dy[to]) * at.values[0][from];
  });
  const std::string what = message("convolution ", c.x, " by ", c.k, ", rule ", int(rule), ", path ",
                                   path ? int(*path) : -1, " on ", name(context.device()));
  // FFTs in float of up to 20000 values: 1e-6 of the largest, with a margin for sums that cancel. The direct
  // path rounds once for every tap.
  check_close(what, at.forward(), y, 2e-6);
  const auto both = at.gradients(dy, {true, true});
  check_close(what + " dx", both[0], dx, 2e-6);
  check_close(what + " dk", both[1], dk, 2e-6);
  // Asked for alone, each is the same.
  check_equal(what + " dx alone", at.gradients(dy, {true, false})[0], both[0]);
  check_equal(what + " dk alone", at.gradients(dy, {false, true})[1], both[1]);
}

}  // namespace

TEST_CASE("convolution: y, dx and dk of every rule, by both paths") {
  for (const Device device : backends())
    for (const Case& c : cases)
      for (const Padding rule : rules) {
        if (!possible(c, rule)) continue;
        if (c.k.H == 64 && device == Device::cuda && rule != Padding::zero) continue;  // slow when simulated
        Context context(device, 1, true);
        check_case(context, c, rule, Path::fft);
        if (c.k.H < 64) check_case(context, c, rule, Path::direct);
        CHECK(context.pool.damaged_guards() == 0);
        CHECK(context.pool.in_use() == 0);
      }
}

TEST_CASE("convolution: even kernels are centred as in BlindDPS: a delta at n/2 reads the next pixel") {
  Context context(Device::cpu);
  Convolution op(context, Padding::zero);
  Values kernel(64 * 64, 0.f), x = random_values(3 * 70 * 66, 1);
  kernel[32 * 64 + 32] = 1;
  const Several at{context, op, {{1, 3, 70, 66}, {1, 1, 64, 64}}, {x, kernel}};
  std::vector<double> shifted(x.size(), 0.0);
  for (int p = 0; p < 3; ++p)
    for (int h = 0; h < 69; ++h)
      for (int w = 0; w < 65; ++w)
        shifted[std::size_t((p * 70 + h) * 66 + w)] = x[std::size_t((p * 70 + h + 1) * 66 + w + 1)];
  check_close("shifted", at.forward(), shifted, 2e-6);
}

TEST_CASE("convolution: with an odd kernel it is the blur by a known one") {
  const Shape image{2, 3, 17, 22}, taps{1, 1, 9, 7};
  const Values x = random_values(image.size(), 1), k = random_values(taps.size(), 2);
  for (const Device device : backends())
    for (const auto& [rule, boundary] :
         {std::pair{Padding::reflect, Boundary::reflect}, {Padding::circular, Boundary::circular}}) {
      Context context(device);
      Convolution op(context, rule);
      KernelBlur known(context, context.upload(taps, k), boundary, KernelBlur::Path::fft);
      check_close("blur", Several{context, op, {image, taps}, {x, k}}.forward(),
                  context.download(known.apply(context.upload(image, x))), 2e-6);
    }
}

TEST_CASE("convolution: after the first call, nothing is asked of the driver") {
  for (const Device device : backends()) {
    Context context(device);
    Convolution op(context, Padding::zero, Path::fft);
    const std::vector<Tensor> u{context.upload({2, 3, 20, 24}, random_values(2880, 1)),
                                context.upload({2, 1, 8, 8}, random_values(128, 2))};
    const Tensor dy = context.upload({2, 3, 20, 24}, random_values(2880, 3));
    const auto saved = op.make_saved();
    std::size_t calls = 0;
    for (int round = 0; round < 4; ++round) {
      op.forward(Unknowns(u), saved.get());
      Tensor dx, dk;
      op.backward(std::array{&dx, &dk}, dy, *saved);
      if (round == 1) calls = context.queue.meter().calls;
    }
    CHECK(context.queue.meter().calls == calls);
  }
}

TEST_CASE("fixed: a known kernel leaves a linear operator of the image, a known image one of the kernel") {
  for (const Device device : backends()) {
    Context context(device, 1, true);
    {
      const Case c{{2, 3, 11, 14}, {2, 1, 4, 5}};
      const Values x = random_values(c.x.size(), 1), k = random_values(c.k.size(), 2);
      Convolution both(context, Padding::reflect);
      const Several at{context, both, {c.x, c.k}, {x, k}};
      const Values y = at.forward(), dy = random_values(c.x.size(), 3);
      const auto expected = at.gradients(dy, {true, true});
      for (const int free : {0, 1}) {
        const auto op = fixed(context, std::make_unique<Convolution>(context, Padding::reflect), free,
                              {context.upload(c.x, x), context.upload(c.k, k)});
        LinearOperator* const linear = as_linear(*op);
        REQUIRE(linear);
        const Shape shape = free == 0 ? c.x : c.k;
        CHECK(op->output_shape(shape) == c.x);
        check_equal("forward", context.download(op->forward(context.upload(shape, free == 0 ? x : k))), y);
        for (int round = 0; round < 2; ++round)  // the adjoint may be asked for again
          check_close("adjoint", context.download(linear->adjoint(context.upload(c.x, dy), shape)),
                      expected[std::size_t(free)], 1e-6);
      }
    }
    CHECK(context.pool.damaged_guards() == 0);
    CHECK(context.pool.in_use() == 0);
  }
}

TEST_CASE("convolution: mistakes are named") {
  Context context(Device::cpu);
  Convolution op(context, Padding::valid);
  CHECK_THROWS_WITH_AS(op.output_shape(std::array{Shape{1, 3, 8, 8}, Shape{1, 1, 9, 3}}),
                       doctest::Contains("larger than the image"), Error);
  CHECK_THROWS_WITH_AS(op.output_shape(std::array{Shape{4, 3, 8, 8}, Shape{2, 1, 3, 3}}),
                       doctest::Contains("expected (1 or 4, 1, rows, columns)"), Error);
  CHECK_THROWS_WITH_AS(op.output_shape(std::array{Shape{4, 3, 8, 8}}), doctest::Contains("1 unknowns"),
                       Error);
  CHECK_THROWS_WITH_AS(parse_padding("mirror"), doctest::Contains("'mirror' is not known"), Error);
  CHECK_THROWS_WITH_AS(fixed(context, std::make_unique<Convolution>(context, Padding::zero), 2, {}),
                       doctest::Contains("unknown 2 of an operator of 2"), Error);
  CHECK_THROWS_WITH_AS(fixed(context, std::make_unique<Convolution>(context, Padding::zero), 0, {}),
                       doctest::Contains("0 values"), Error);
}

#include "kernels/winograd.hpp"

#include <array>
#include <limits>

#include "tests/kernels/convolution_reference.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Case = ConvolutionCase;
using Reference = ConvolutionReference;

// Errors are relative to the largest value of the result. By a simulation that rounds every step to float32,
// their root mean square is 3.8e-7 of the result's with one source (the transforms), and 1.0e-6 with 128 or
// more (which are added up by sums of 128 or 64). Both the largest error and the largest result of a few
// thousand are about four of these. 2.5e-6 was the worst of all rows, among 50,000 values. The textbook's
// points 0, +-1, +-2 and infinity, with a root mean square of 2.2e-6, do not pass.
constexpr double tolerance = 3e-6;

// The channel blocks whose loops run here: 16 needs AVX-512, 8 AVX2.
std::vector<const winograd::Kernels*> all_kernels() {
  std::vector<const winograd::Kernels*> found;
  for (const int block : {16, 8})
    if (const winograd::Kernels* kernels = winograd::kernels_for(block)) found.push_back(kernels);
  if (found.empty()) MESSAGE("not tried here: the processor has neither AVX-512 nor AVX2");
  return found;
}

// All rows that tests of convolutions share, and what our own needs besides.
std::vector<Case> cases_for(const winograd::Kernels& kernels) {
  std::vector<Case> found;
  const auto add = [&](const Case& c) {
    if (winograd::fits(kernels, {c.g, c.x})) found.push_back(c);
  };
  for (const Case c : cases::convolutions_small) add(c);
  for (const cases::ConvolutionCase& c : {
           cases::ConvolutionCase{1, 7, 9, {24, 40, 3, 1, 1}},  // for blocks of 8 only
           {2, 4, 4, {16, 16, 3, 1, 1}},                        // one tile, full
           {1, 70, 66, {16, 48, 3, 1, 1}},                      // more than 256 tiles: weights are shared
           {2, 46, 50, {64, 32, 3, 1, 1}},
           {1, 61, 62, {32, 16, 3, 1, 1}},   // two blocks of tiles, sources shared
           {1, 9, 13, {528, 16, 3, 1, 1}},   // weights by and by, a rest at the end
           {1, 57, 55, {512, 16, 3, 1, 1}},  // the same in two blocks of tiles
       })
    add(c);
  return found;
}

// By the definition: element (o, i, tap) at ((o/b * I/b + i/b) * taps + tap) * b*b + i%b * b + o%b.
std::vector<float> packed_for(const Case& c, int b, const std::vector<float>& weights) {
  std::vector<float> packed(weights.size());
  for (int o = 0; o < c.g.out; ++o)
    for (int i = 0; i < c.g.in; ++i)
      for (int tap = 0; tap < 9; ++tap)
        packed[std::size_t((((o / b) * (c.g.in / b) + i / b) * 9 + tap) * b * b + i % b * b + o % b)] =
            weights[std::size_t((o * c.g.in + i) * 9 + tap)];
  return packed;
}

// Values between two runs of NaN, so that reading beside them poisons a result and writing there is seen; not
// aligned to more than a float.
struct Guarded {
  static constexpr std::size_t margin = 4099;
  std::vector<float> all;
  explicit Guarded(const std::vector<float>& values) : all(values.size() + 2 * margin, NAN) {
    std::copy(values.begin(), values.end(), all.begin() + margin);
  }
  float* data() { return all.data() + margin; }
  std::vector<float> values() const { return {all.begin() + margin, all.end() - margin}; }
  bool untouched_beside() const {
    const auto nan = [](float value) { return std::isnan(value); };
    return std::all_of(all.begin(), all.begin() + margin, nan) &&
           std::all_of(all.end() - margin, all.end(), nan);
  }
};

// A convolution with planar values, bias and `before` null where there are none.
struct Runner {
  const winograd::Kernels& kernels;
  Case c;
  std::vector<float> packed;
  int threads = 2;

  Runner(const winograd::Kernels& k, const Case& which, const std::vector<float>& weights)
      : kernels(k), c(which), packed(packed_for(which, k.lanes, weights)) {}

  std::vector<float> run(ConvolutionProblem problem, const std::vector<float>& from,
                         const std::vector<float>* bias, const std::vector<float>* before) const {
    const Shape source = problem.backward ? c.y() : c.x, result = problem.backward ? c.x : c.y();
    problem.bias = bias != nullptr;
    problem.accumulate = before != nullptr;
    Guarded x(to_blocks(from, source, kernels.lanes)), w(packed);
    Guarded y(before ? to_blocks(*before, result, kernels.lanes)
                     : std::vector<float>(std::size_t(result.size()), NAN));
    Guarded b(bias ? *bias : std::vector<float>());
    Guarded workspace(
        std::vector<float>(winograd::workspace_bytes(kernels, problem, threads) / sizeof(float), NAN));
    winograd::convolution(kernels, problem, y.data(), x.data(), w.data(), bias ? b.data() : nullptr,
                          workspace.data(), threads);
    CHECK_MESSAGE(y.untouched_beside(), c.name(), ": wrote beside the result");
    CHECK_MESSAGE(workspace.untouched_beside(), c.name(), ": wrote beside the workspace");
    return from_blocks(y.values(), result, kernels.lanes);
  }
  std::vector<float> forward(const std::vector<float>& x, const std::vector<float>* bias = nullptr,
                             const std::vector<float>* before = nullptr) const {
    return run({c.g, c.x}, x, bias, before);
  }
  std::vector<float> backward(const std::vector<float>& dy) const {
    return run({c.g, c.x, true}, dy, nullptr, nullptr);
  }
};

}  // namespace

TEST_CASE("our Winograd equals the definition, with each set of loops, forward and backward") {
  for (const winograd::Kernels* kernels : all_kernels())
    for (const Case& c : cases_for(*kernels)) {
      const Reference reference(c);
      const Runner run(*kernels, c, reference.weights);
      const std::string name = message(kernels->name, " ", c.name());
      for (const bool bias : {false, true})
        for (const bool accumulate : {false, true})
          check_close(message(name, bias ? ", bias" : "", accumulate ? ", accumulating" : ""),
                      run.forward(reference.x, bias ? &reference.bias : nullptr,
                                  accumulate ? &reference.before : nullptr),
                      reference.expected(c, bias, accumulate), tolerance);
      check_close(name + ", backward", run.backward(reference.dy), reference.dx, tolerance);
    }
}

TEST_CASE("our Winograd's backward is its adjoint") {
  for (const winograd::Kernels* kernels : all_kernels())
    for (const Case& c : cases_for(*kernels)) {
      const Runner run(*kernels, c, random_values(c.weights(), 21));
      check_vjp(
          message(kernels->name, " ", c.name()), [&](const std::vector<float>& x) { return run.forward(x); },
          [&](const std::vector<float>& dy) { return run.backward(dy); }, random_values(c.x.size(), 22),
          tolerance, 1);
    }
}

TEST_CASE("our Winograd has the same bits with any number of threads and any set of loops") {
  for (const Case& c :
       {Case{{48, 32, 3, 1, 1}, {1, 48, 33, 35}}, Case{{16, 16, 3, 1, 1}, {1, 16, 61, 62}},
        Case{{48, 32, 3, 1, 1}, {1, 48, 70, 66}}, Case{{32, 80, 3, 1, 1}, {2, 32, 13, 6}},
        Case{{512, 16, 3, 1, 1}, {1, 512, 5, 9}}, Case{{144, 160, 3, 1, 1}, {2, 144, 7, 8}}}) {
    const Reference reference(c);
    std::vector<float> first, first_back;
    for (const winograd::Kernels* kernels : all_kernels())
      for (const int threads : {1, 2, 3, 7}) {
        Runner run(*kernels, c, reference.weights);
        run.threads = threads;
        const std::vector<float> y = run.forward(reference.x, &reference.bias);
        const std::vector<float> dx = run.backward(reference.dy);
        if (first.empty()) {
          first = y;
          first_back = dx;
        }
        check_equal(message(kernels->name, " ", threads, " threads ", c.name()), y, first);
        check_equal(message(kernels->name, " ", threads, " threads backward ", c.name()), dx, first_back);
      }
  }
}

TEST_CASE("our Winograd has the same bits for an image by itself and in a batch") {
  for (const winograd::Kernels* kernels : all_kernels())
    // Few tiles, whose weights are formed, alone, and many in a batch; few, and many; many sources, and
    // pairs.
    for (const Case& c :
         {Case{{144, 160, 3, 1, 1}, {5, 144, 8, 8}}, Case{{144, 32, 3, 1, 1}, {3, 144, 50, 45}},
          Case{{144, 32, 3, 1, 1}, {2, 144, 70, 66}}, Case{{512, 16, 3, 1, 1}, {3, 512, 9, 5}},
          Case{{256, 512, 3, 1, 1}, {2, 256, 13, 12}}}) {
      Case one = c;
      one.x.N = 1;
      const std::vector<float> weights = random_values(c.weights(), 31), x = random_values(c.x.size(), 32),
                               dy = random_values(c.y().size(), 33);
      const std::vector<float> y = Runner(*kernels, c, weights).forward(x),
                               dx = Runner(*kernels, c, weights).backward(dy);
      const auto part = [](const std::vector<float>& all, std::int64_t size, int n) {
        return std::vector<float>(all.begin() + n * size, all.begin() + (n + 1) * size);
      };
      const Runner alone(*kernels, one, weights);
      for (int n = 0; n < c.x.N; ++n) {
        const std::string name = message(kernels->name, " image ", n, " of ", c.name());
        check_equal(name, alone.forward(part(x, one.x.size(), n)), part(y, one.y().size(), n));
        check_equal(name + ", backward", alone.backward(part(dy, one.y().size(), n)),
                    part(dx, one.x.size(), n));
      }
    }
}

TEST_CASE("our Winograd does 3 x 3 kernels with stride and padding 1 in fp32, and no others") {
  for (const winograd::Kernels* kernels : all_kernels()) {
    const auto fits = [&](const ConvolutionProblem& p) { return winograd::fits(*kernels, p); };
    const Shape x{1, 32, 12, 12};
    const ConvolutionProblem good{{32, 48, 3, 1, 1}, x};
    CHECK(fits(good));
    ConvolutionProblem p = good;
    p.weights = true;
    CHECK(!fits(p));
    CHECK(!fits({good.g, {0, 32, 12, 12}}));
    p = good;
    p.precision = Precision::bf16;
    CHECK(!fits(p));
    for (const ConvolutionGeometry& g : {ConvolutionGeometry{32, 48, 1, 1, 0},
                                         {32, 48, 3, 2, 1},
                                         {32, 48, 3, 1, 0},
                                         {32, 48, {3, 1}, 1, 1},
                                         {32, 48, 5, 1, 2},
                                         {32, 44, 3, 1, 1},
                                         {36, 48, 3, 1, 1}})
      CHECK(!fits({g, x}));
  }
  CHECK(winograd::kernels_for(4) == nullptr);
}

TEST_CASE("our Winograd is used where maps are large, by shape alone, and oneDNN's direct method elsewhere") {
  Queue q(Device::cpu);
  const winograd::Kernels* kernels = winograd::kernels_for(convolution_block(Device::cpu, 32));
  if (!kernels) return;
  const bool forms = kernels->multiply_forming;
  const auto used = [&](const ConvolutionGeometry& g, int pixels, bool backward) {
    return convolution_implementation(q, g, {1, g.in, pixels, pixels}, backward).starts_with("winograd_4x3:");
  };
  for (const bool backward : {false, true}) {
    for (const int pixels : {12, 16, 32, 64, 256}) CHECK(used({128, 256, 3, 1, 1}, pixels, backward));
    CHECK(used({16, 128, 3, 1, 1}, 256, backward));
    for (const int pixels : {1, 3, 5, 9, 10}) CHECK(!used({512, 512, 3, 1, 1}, pixels, backward));
    for (const int pixels : {4, 6, 7, 8}) CHECK(used({512, 512, 3, 1, 1}, pixels, backward) == forms);
    CHECK(!used({32, 32, 3, 1, 1}, 8, backward));
    CHECK(!used({16, 16, 3, 1, 1}, 16, backward));
    CHECK(!used({128, 256, 1, 1, 0}, 32, backward));
    CHECK(!used({128, 256, 3, 2, 1}, 32, backward));
  }
}

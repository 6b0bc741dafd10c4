#include "kernels/feature_distance.hpp"

#include "tests/cases/elementwise.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

struct Inputs {
  Shape x;
  int b;
  std::vector<float> a, other, weights, dd;
  Inputs(const cases::MapCase& row)
      : x(row.shape),
        b(row.b),
        a(random_values(x.size(), 1, 0, 1)),
        other(random_values(x.size(), 2, 0, 1)),
        weights(random_values(x.C, 3, 0, 1)),
        dd(random_values(x.N * x.plane(), 4)) {}
  Shape distances() const { return {x.N, 1, x.H, x.W}; }
};

std::size_t at(const Shape& s, int n, int c, std::int64_t pixel) {
  return std::size_t((std::int64_t(n) * s.C + c) * s.plane() + pixel);
}

double length(const Inputs& in, const std::vector<float>& f, int n, std::int64_t pixel,
              const FeatureLength& l) {
  double sum = 0;
  for (int c = 0; c < in.x.C; ++c) sum += double(f[at(in.x, n, c, pixel)]) * f[at(in.x, n, c, pixel)];
  return std::sqrt(sum + double(l.inside)) + double(l.outside);
}

std::vector<double> naive(const Inputs& in, const FeatureLength& l) {
  std::vector<double> d;
  for (int n = 0; n < in.x.N; ++n)
    for (std::int64_t pixel = 0; pixel < in.x.plane(); ++pixel) {
      const double of_a = length(in, in.a, n, pixel, l), of_b = length(in, in.other, n, pixel, l);
      double sum = 0;
      for (int c = 0; c < in.x.C; ++c) {
        const double u = in.a[at(in.x, n, c, pixel)] / of_a - in.other[at(in.x, n, c, pixel)] / of_b;
        sum += in.weights[std::size_t(c)] * u * u;
      }
      d.push_back(sum);
    }
  return d;
}

std::vector<float> run(Queue& q, const Inputs& in, const std::vector<float>& a, const FeatureLength& l) {
  const DeviceArray<float> first(q, to_blocks(a, in.x, in.b)), second(q, to_blocks(in.other, in.x, in.b));
  const DeviceArray<float> weights(q, in.weights), d(q, in.distances().size());
  feature_distance(q, d.view(in.distances()), first.view(in.x, in.b), second.view(in.x, in.b), weights.data(),
                   l);
  return d.host();
}

std::vector<float> run_backward(Queue& q, const Inputs& in, const std::vector<float>& dd,
                                const FeatureLength& l) {
  const DeviceArray<float> first(q, to_blocks(in.a, in.x, in.b)), second(q, to_blocks(in.other, in.x, in.b));
  const DeviceArray<float> weights(q, in.weights), cotangent(q, dd), da(q, in.x.size());
  feature_distance_backward(q, da.view(in.x, in.b), cotangent.view(in.distances()), first.view(in.x, in.b),
                            second.view(in.x, in.b), weights.data(), l);
  return from_blocks(da.host(), in.x, in.b);
}

constexpr FeatureLength lengths[] = {{1e-10f, 0}, {0, 1e-8f}, {0.25f, 0.5f}};

}  // namespace

TEST_CASE("feature_distance: values against loops in double") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::MapCase& row : cases::maps_small)
      for (const FeatureLength& l : lengths) {
        Inputs in(row);
        if (in.x.C == 1) continue;  // unit vectors of one channel agree: their distance is rounding alone
        if (in.x.size() > 0 && in.x.plane() > 1) {  // the feature vectors of one pixel vanish
          for (int c = 0; c < in.x.C; ++c) in.a[at(in.x, 0, c, 1)] = in.other[at(in.x, 0, c, 1)] = 0;
        }
        const auto value = under_all_warp_orders(q, [&] { return run(q, in, in.a, l); });
        // Unit vectors rounded thrice are subtracted, which may cancel: each square is off by 2 * 3 * 2^-24
        // of a unit, and the weighted mean of them no more.
        check_close(message("feature_distance ", in.x, " b=", in.b), value, naive(in, l), 4e-6);
      }
  }
}

TEST_CASE("feature_distance_backward is the derivative") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::MapCase& row : cases::maps_small)
      for (const FeatureLength& l : lengths) {
        const Inputs in(row);
        if (in.x.size() == 0 || in.x.C == 1) continue;  // as above
        CAPTURE(in.x);
        (void)under_all_warp_orders(q, [&] { return run_backward(q, in, in.dd, l); });
        check_vjp(
            message("feature_distance ", in.x), [&](const std::vector<float>& a) { return run(q, in, a, l); },
            [&](const std::vector<float>& dd) { return run_backward(q, in, dd, l); }, in.a, 2e-3, 2e-3);
      }
  }
}

TEST_CASE("feature_distance: equal features are at 0, vanishing ones have no gradient") {
  for (const Device d : backends()) {
    Queue q(d);
    Inputs in({{1, 16, 2, 3}, 16});
    in.other = in.a;
    for (const float value : run(q, in, in.a, {})) CHECK(value == 0);
    in.a.assign(in.a.size(), 0.f);
    for (const float value : run_backward(q, in, in.dd, {})) CHECK(value == 0);
  }
}

TEST_CASE("feature_distance: wrong shapes are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 32), y(q, 4);
    CHECK_THROWS_WITH_AS(
        feature_distance(q, y.view({1, 1, 4, 1}), x.view({1, 8, 2, 2}), x.view({1, 8, 2, 2}), x.data(), {}),
        "feature_distance: the distances of (1, 8, 2, 2) are (1, 1, 2, 2) in planes, not (1, 1, 4, 1) b=1",
        Error);
    CHECK_THROWS_AS(feature_distance(q, y.view({1, 1, 2, 2}), x.view({1, 8, 2, 2}), x.view({1, 8, 2, 2}, 8),
                                     x.data(), {}),
                    Error);
  }
}

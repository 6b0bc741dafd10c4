#include "kernels/timestep_embedding.hpp"

#include "tests/cases/timestep_embedding.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {
namespace {

std::vector<float> embed(Queue& q, const std::vector<float>& steps, int D, int b, float max_period) {
  const int N = int(steps.size());
  return under_all_warp_orders(q, [&] {
    DeviceArray<float> t(q, steps), y(q, std::int64_t(N) * D);
    timestep_embedding(q, y.view({N, D, 1, 1}, b), t.view({N, 1, 1, 1}), max_period);
    return from_blocks(y.host(), {N, D, 1, 1}, b);
  });
}

}  // namespace

TEST_CASE("timestep_embedding: cosines, then sines, of falling frequencies") {
  const float choices[] = {999, 0, 1, 500.25f, 250000};
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::EmbeddingCase& row : cases::embeddings_small)
      for (const float max_period : {10000.f, 50.f})
        for (const int b : {1, row.D}) {
          std::vector<float> steps;
          std::vector<double> expected;
          for (int n = 0; n < row.N; ++n) steps.push_back(choices[n % 5]);
          for (const float t : steps)
            for (int i = 0; i < row.D; ++i) {
              const int half = row.D / 2;
              const double angle = t * std::pow(double(max_period), -double(i % half) / half);
              expected.push_back(i < half ? std::cos(angle) : std::sin(angle));
            }
          // One rounding to float; the angle in double moves the result by 250000 * 2e-16.
          check_close(message("N=", row.N, " D=", row.D, " b=", b, " on ", name(device)),
                      embed(q, steps, row.D, b, max_period), expected, 6e-8);
        }
  }
}

TEST_CASE("timestep_embedding: mistakes are named") {
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> y(q, 12), t(q, 2);
    const View<const float> steps = t.view({2, 1, 1, 1});
    CHECK_THROWS_WITH_AS(timestep_embedding(q, y.view({4, 3, 1, 1}), steps),
                         "timestep_embedding: y has shape (4, 3, 1, 1), expected (N, D, 1, 1) with D even",
                         Error);
    CHECK_THROWS_WITH_AS(timestep_embedding(q, y.view({2, 2, 1, 3}), steps),
                         "timestep_embedding: y has shape (2, 2, 1, 3), expected (N, D, 1, 1) with D even",
                         Error);
    CHECK_THROWS_WITH_AS(timestep_embedding(q, y.view({3, 4, 1, 1}), steps),
                         "timestep_embedding: t has shape (2, 1, 1, 1), expected (3, 1, 1, 1)", Error);
    CHECK_THROWS_WITH_AS(timestep_embedding(q, y.view({2, 6, 1, 1}), steps, 0),
                         "timestep_embedding: max_period must be positive, got 0", Error);
  }
}

}  // namespace tweedie::test

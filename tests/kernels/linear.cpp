#include "kernels/linear.hpp"

#include <memory>

#include "tests/support/support.hpp"

namespace tweedie::test {
namespace {

/// Maps of different sizes, every other one with a bias, of N vectors; all results one after another.
struct Problem {
  int N, in;
  std::vector<int> outs;
};

std::vector<std::vector<float>> weights_of(const Problem& p) {
  std::vector<std::vector<float>> weights;
  for (std::size_t k = 0; k < p.outs.size(); ++k)
    weights.push_back(random_values(std::int64_t(p.outs[k]) * (p.in + 1), unsigned(k + 2)));
  return weights;  // (out, in), then out biases
}

std::vector<float> ours(Queue& q, const Problem& p, const std::vector<float>& x,
                        const std::vector<std::vector<float>>& weights) {
  return under_all_warp_orders(q, [&] {
    DeviceArray<float> vectors(q, x);
    std::vector<std::unique_ptr<DeviceArray<float>>> parameters, results;
    std::vector<LinearWeights> maps;
    for (std::size_t k = 0; k < p.outs.size(); ++k) {
      parameters.push_back(std::make_unique<DeviceArray<float>>(q, weights[k]));
      results.push_back(std::make_unique<DeviceArray<float>>(q, std::int64_t(p.N) * p.outs[k]));
      const float* const weight = parameters.back()->data();
      maps.push_back(
          {weight, k % 2 ? nullptr : weight + p.outs[k] * p.in, results.back()->data(), p.outs[k]});
    }
    linear_maps(q, maps, vectors.view({p.N, p.in, 1, 1}));
    std::vector<float> all;
    for (const auto& each : results) {
      const std::vector<float> values = each->host();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  });
}

std::vector<double> truth(const Problem& p, const std::vector<float>& x,
                          const std::vector<std::vector<float>>& weights) {
  std::vector<double> all;
  for (std::size_t k = 0; k < p.outs.size(); ++k)
    for (int n = 0; n < p.N; ++n)
      for (int o = 0; o < p.outs[k]; ++o) {
        double sum = k % 2 ? 0 : weights[k][std::size_t(p.outs[k] * p.in + o)];
        for (int i = 0; i < p.in; ++i)
          sum += double(weights[k][std::size_t(o * p.in + i)]) * x[std::size_t(n * p.in + i)];
        all.push_back(sum);
      }
  return all;
}

}  // namespace

TEST_CASE("linear_maps: every map of every vector, with and without a bias") {
  const Problem problems[] = {
      {1, 1, {1}}, {1, 512, {256, 1024, 7}}, {3, 33, {5, 1, 64}}, {2, 7, std::vector<int>(70, 3)}};
  for (const Device device : backends()) {
    Queue q(device);
    for (const Problem& p : problems) {
      const std::vector<float> x = random_values(std::int64_t(p.N) * p.in, 1);
      const auto weights = weights_of(p);
      // Sums of up to 512 products of normal numbers, some 30 together, in float.
      check_close(message("N=", p.N, " in=", p.in, " maps=", p.outs.size(), " on ", name(device)),
                  ours(q, p, x, weights), truth(p, x, weights), 2e-6);
    }
    linear_maps(q, {}, View<const float>(nullptr, {0, 4, 1, 1}));  // nothing to do
  }
}

TEST_CASE("linear_maps: mistakes are named") {
  Queue q(Device::cpu);
  DeviceArray<float> x(q, 4), y(q, 4);
  const LinearWeights good{x.data(), nullptr, y.data(), 2};
  LinearWeights bad = good;
  bad.weight = nullptr;
  CHECK_THROWS_WITH_AS(linear_maps(q, std::span(&good, 1), x.view({1, 2, 2, 1})),
                       "linear_maps: x has shape (1, 2, 2, 1), expected (N, in, 1, 1)", Error);
  CHECK_THROWS_WITH_AS(linear_maps(q, std::span(&bad, 1), x.view({1, 4, 1, 1})),
                       "linear_maps: a map of 2 outputs, without a weight or a result", Error);
}

}  // namespace tweedie::test

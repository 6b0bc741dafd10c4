#include "kernels/concat.hpp"

#include "tests/cases/concat.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

struct Blocks {
  int a, b, y;
};

Blocks blocks_of(const cases::ConcatCase& row, Device device) {
  if (row.b != cases::backend_block) return {row.b, row.b, row.b};
  return {cases::block(device, row.b, row.C_a), cases::block(device, row.b, row.C_b),
          cases::block(device, row.b, row.C_a + row.C_b)};
}

std::vector<float> planar_concat(const std::vector<float>& a, const std::vector<float>& b, int N) {
  std::vector<float> y;
  const std::ptrdiff_t length_a = std::ptrdiff_t(a.size()) / std::max(N, 1),
                       length_b = std::ptrdiff_t(b.size()) / std::max(N, 1);
  for (int n = 0; n < N; ++n) {
    y.insert(y.end(), a.begin() + n * length_a, a.begin() + (n + 1) * length_a);
    y.insert(y.end(), b.begin() + n * length_b, b.begin() + (n + 1) * length_b);
  }
  return y;
}

void check_row(Queue& q, const cases::ConcatCase& row, Blocks blocks, int shift = 0) {
  const Shape a{row.N, row.C_a, row.H, row.W}, b{row.N, row.C_b, row.H, row.W},
      y{row.N, row.C_a + row.C_b, row.H, row.W};
  const std::vector<float> a_values = random_values(a.size(), 1), b_values = random_values(b.size(), 2);
  const std::vector<float> y_values = planar_concat(a_values, b_values, row.N);
  const std::string name = message(a, " b=", blocks.a, " and ", b, " b=", blocks.b);
  const auto array = [&](std::vector<float> values, Shape shape, int block) {
    values = to_blocks(values, shape, block);
    values.insert(values.begin(), std::size_t(shift), std::nanf(""));
    return values;
  };
  const auto planar = [&](const DeviceArray<float>& from, Shape shape, int block) {
    const std::vector<float> all = from.host();
    return from_blocks({all.begin() + shift, all.end()}, shape, block);
  };
  const auto view = [&](const DeviceArray<float>& of, Shape shape, int block) {
    return View<float>(of.data() + shift, shape, block);
  };
  const DeviceArray<float> first(q, array(a_values, a, blocks.a)), second(q, array(b_values, b, blocks.b)),
      both(q, array(y_values, y, blocks.y));
  check_equal("concat_channels " + name,
              under_all_warp_orders(q,
                                    [&] {
                                      const DeviceArray<float> out(q, y.size() + shift);
                                      concat_channels(q, view(out, y, blocks.y), view(first, a, blocks.a),
                                                      view(second, b, blocks.b));
                                      return planar(out, y, blocks.y);
                                    }),
              y_values);
  std::vector<float> parts = a_values;
  parts.insert(parts.end(), b_values.begin(), b_values.end());
  check_equal("split_channels " + name,
              under_all_warp_orders(q,
                                    [&] {
                                      const DeviceArray<float> one(q, a.size() + shift),
                                          two(q, b.size() + shift);
                                      split_channels(q, view(one, a, blocks.a), view(two, b, blocks.b),
                                                     view(both, y, blocks.y));
                                      std::vector<float> out = planar(one, a, blocks.a),
                                                         rest = planar(two, b, blocks.b);
                                      out.insert(out.end(), rest.begin(), rest.end());
                                      return out;
                                    }),
              parts);
}

}  // namespace

TEST_CASE("concat_channels and split_channels move every value to its place") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::ConcatCase& row : cases::concats_small) check_row(q, row, blocks_of(row, d));
    // Channels-last on either backend, equal numbers of channels, lengths that are no multiple of 4.
    check_row(q, {2, 16, 16, 3, 5, 0}, {16, 16, 32});
    check_row(q, {2, 16, 16, 3, 5, 0}, {16, 16, 16});
    check_row(q, {3, 6, 3, 5, 2, 0}, {6, 3, 9});
    check_row(q, {2, 8, 3, 3, 5, 0}, {8, 3, 11});
    check_row(q, {2, 16, 32, 3, 5, 0}, {16, 16, 16}, 1);
    check_row(q, {1, 32, 16, 41, 43, 0}, {16, 16, 16});  // enough for threads, and pieces of a row
    check_row(q, {1, 32, 16, 41, 43, 0}, {32, 16, 48});
  }
}

TEST_CASE("concat_channels: wrong shapes are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> a(q, 8), b(q, 4), y(q, 12);
    CHECK_THROWS_WITH_AS(
        concat_channels(q, y.view({1, 12, 1, 1}), a.view({1, 4, 2, 1}), b.view({1, 4, 1, 1})),
        "concat_channels: (1, 4, 2, 1) and (1, 4, 1, 1) do not make up (1, 12, 1, 1)", Error);
    CHECK_THROWS_WITH_AS(
        split_channels(q, a.view({1, 8, 1, 1}, 4), b.view({1, 4, 1, 1}, 2), y.view({1, 12, 1, 1}, 4)),
        "split_channels: blocks 4, 2 and 4 are neither equal divisors of the channels nor all channels-last",
        Error);
  }
}

#include "kernels/layout.hpp"

#include "tests/cases/layout.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

void check_row(Queue& q, const cases::LayoutCase& row) {
  const Shape from{row.N, row.C_from, row.H, row.W}, to{row.N, row.C_to, row.H, row.W};
  const int b_from = cases::block(q.device(), row.b_from, from.C),
            b_to = cases::block(q.device(), row.b_to, to.C);
  const std::vector<float> x = random_values(from.size(), 1);
  std::vector<float> expected(std::size_t(to.size()), 0.0f);  // channels that x lacks stay 0
  for (int n = 0; n < to.N; ++n)
    for (int c = 0; c < std::min(to.C, from.C); ++c)
      for (std::int64_t p = 0; p < to.plane(); ++p)
        expected[std::size_t((n * std::int64_t(to.C) + c) * to.plane() + p)] =
            x[std::size_t((n * std::int64_t(from.C) + c) * from.plane() + p)];
  const DeviceArray<float> source(q, to_blocks(x, from, b_from));
  check_equal(message("convert_layout ", from, " b=", b_from, " to ", to, " b=", b_to),
              under_all_warp_orders(q,
                                    [&] {
                                      const DeviceArray<float> result(q, to.size());
                                      convert_layout(q, result.view(to, b_to), source.view(from, b_from));
                                      return from_blocks(result.host(), to, b_to);
                                    }),
              expected);
}

}  // namespace

TEST_CASE("convert_layout moves every value to its place") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::LayoutCase& row : cases::layouts_small) check_row(q, row);
    check_row(q, {1, 80, 80, 19, 23, 16, 1});  // several tiles of pixels and channels, enough for threads
    check_row(q, {1, 80, 80, 19, 23, 1, 80});
    check_row(q, {1, 5, 5, 3, 4, 1, 1});
    check_row(q, {1, 5, 7, 3, 4, 5, 7});
  }
}

TEST_CASE("convert_layout: wrong shapes are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 12), y(q, 12);
    CHECK_THROWS_WITH_AS(convert_layout(q, y.view({1, 3, 2, 2}), x.view({1, 3, 4, 1})),
                         "convert_layout: samples or pixels differ: (1, 3, 2, 2) and (1, 3, 4, 1)", Error);
    CHECK_THROWS_WITH_AS(convert_layout(q, y.view({1, 3, 2, 2}, 2), x.view({1, 3, 2, 2})),
                         "convert_layout: blocks 2 and 1 do not divide the channels 3 and 3", Error);
  }
}

#include "kernels/group_norm.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

TEST_CASE("group_norm: wrong shapes are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 12), y(q, 12), stats(q, 4);
    const Shape shape{1, 12, 1, 1};
    GroupNormParameters p;
    p.groups = 5;
    CHECK_THROWS_WITH_AS(group_norm(q, y.view(shape), stats.view({1, 2, 1, 2}), x.view(shape), p),
                         "group_norm: 5 groups do not divide the 12 channels", Error);
    p.groups = 2;
    CHECK_THROWS_WITH_AS(group_norm(q, y.view(shape), stats.view({1, 1, 1, 4}), x.view(shape), p),
                         "group_norm: stats are (1, 1, 1, 4) b=1, expected (1, 2, 1, 2) b=1", Error);
    CHECK_THROWS_WITH_AS(group_norm(q, y.view(shape, 5), stats.view({1, 2, 1, 2}), x.view(shape, 5), p),
                         "group_norm: block 5 does not divide the 12 channels", Error);
    CHECK_THROWS_WITH_AS(group_norm(q, y.view({1, 6, 2, 1}), stats.view({1, 2, 1, 2}), x.view(shape), p),
                         "group_norm: shapes or layouts differ: (1, 6, 2, 1) b=1 and (1, 12, 1, 1) b=1",
                         Error);
    CHECK_THROWS_AS(
        group_norm_backward(q, y.view(shape), y.view(shape, 3), x.view(shape), stats.view({1, 2, 1, 2}), p),
        Error);
    CHECK_THROWS_AS(group_norm_backward(q, y.view(shape), y.view(shape), x.view(shape),
                                        stats.view({1, 2, 1, 2}), p, x.view(shape, 3)),
                    Error);
    const auto with = [&](const GroupNormGradients& gradients) {
      group_norm_backward(q, y.view(shape), y.view(shape), x.view(shape), stats.view({1, 2, 1, 2}), p, {},
                          gradients);
    };
    CHECK_THROWS_WITH_AS(with({y.data(), nullptr, nullptr}),
                         "group_norm_backward: the gradients of gamma and beta go together", Error);
    CHECK_THROWS_WITH_AS(with({nullptr, nullptr, y.data()}),
                         "group_norm_backward: no gradient of a modulation that is not there", Error);
  }
}

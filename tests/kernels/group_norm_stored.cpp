// Norms of maps that are stored as bf16: those of the same numbers in fp32, to the bit.
#include "tests/cases/group_norm.hpp"
#include "tests/kernels/group_norm_reference.hpp"
#include "tests/kernels/stored.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

struct Row {
  Shape shape;
  int first, groups;
  bool modulated, silu, biased, plus;
  Resample how, plus_how;  ///< of the norm, and of what its x is a sum of
};
constexpr Resample none = Resample::none, up = Resample::up, down = Resample::down;
constexpr Row rows[] = {
    {{2, 32, 6, 4}, 32, 32, true, true, true, true, none, none},
    {{1, 64, 4, 6}, 48, 32, false, true, false, true, none, up},
    {{2, 64, 6, 10}, 32, 32, false, false, true, true, none, down},
    {{1, 32, 66, 130}, 32, 4, false, true, true, false, none, none},  // several blocks to a group on a GPU
    {{1, 96, 70, 66}, 48, 4, true, true, false, false, none, none},
    {{2, 32, 10, 12}, 32, 32, false, true, false, true, up, none},
    {{1, 32, 66, 70}, 32, 32, false, true, true, true, down, none},
};

// One norm, its x fp32 or bf16, whose values are the same.
class Norm {
 public:
  Norm(Queue& q, const Row& row) : q_(q), row_(row) {
    second_ = row.shape;
    second_.C -= row.first;
    first_ = row.shape;
    first_.C = row.first;
    plus_ = row.plus_how == up     ? Shape{first_.N, first_.C, first_.H / 2, first_.W / 2}
            : row.plus_how == down ? Shape{first_.N, first_.C, first_.H * 2, first_.W * 2}
                                   : first_;
    p_.groups = row.groups;
    p_.silu = row.silu;
    p_.resample = row.how;
    p_.gamma = gamma_.data();
    p_.beta = beta_.data();
    p_.scale_shift = row.modulated ? scale_shift_.data() : nullptr;
  }
  int block(const Shape& s) const { return q_.on_cuda() ? s.C : 16; }
  /// x's first part as it is stored after `group_norm_of`.
  std::vector<float> formed(bool stored, std::vector<float>& y, std::vector<float>& stats) {
    const DeviceArray<float> sum(q_, random_values(first_.size(), 1, -2, 3));
    const std::vector<float> plus = as_bf16(random_values(plus_.size(), 2)),
                             second = as_bf16(random_values(second_.size(), 3, -2, 3));
    const Map plus_there(*this, plus, plus_, stored), second_there(*this, second, second_, stored),
        x(*this, std::vector<float>(std::size_t(first_.size())), first_, stored);
    const Shape after = resampled(row_.how, row_.shape);
    const DeviceArray<float> y_there(q_, after.size()), stats_there(q_, 2 * row_.shape.N * row_.groups);
    const GroupNormSource from{sum.view(first_, block(first_)), row_.biased ? bias_.data() : nullptr,
                               row_.plus ? plus_there.view() : MapView(), row_.plus_how,
                               second_.C ? second_there.view() : MapView()};
    group_norm_of(q_, y_there.view(after, block(after)), stats_there.view({row_.shape.N, row_.groups, 1, 2}),
                  x.to(), from, p_);
    y = y_there.host();
    stats = stats_there.host();
    return x.host();
  }
  /// y, y again, the statistics, dx and the gradients by the parameters, of an x whose first part is given.
  std::vector<float> all(bool stored, const std::vector<float>& first) {
    const Map x(*this, first, first_, stored),
        other(*this, as_bf16(random_values(second_.size(), 3, -2, 3)), second_, stored);
    const SplitMap map(x.view(), second_.C ? other.view() : MapView());
    const Shape after = resampled(row_.how, row_.shape);
    const DeviceArray<float> y(q_, after.size()), again(q_, after.size()),
        stats(q_, 2 * row_.shape.N * row_.groups), dy(q_, random_values(after.size(), 4)),
        dx(q_, first_.size()), dsecond(q_, second_.size()),
        dgamma(q_, std::vector<float>(std::size_t(row_.shape.C))),
        dbeta(q_, std::vector<float>(std::size_t(row_.shape.C)));
    const View<float> s = stats.view({row_.shape.N, row_.groups, 1, 2});
    group_norm(q_, y.view(after, block(after)), s, map, p_);
    group_norm_again(q_, again.view(after, block(after)), s, map, p_);
    group_norm_backward(q_, dx.view(first_, block(first_)), dy.view(after, block(after)), map, s, p_,
                        dy.view(after, block(after)), {dgamma.data(), dbeta.data(), nullptr}, {},
                        second_.C ? dsecond.view(second_, block(second_)) : View<float>());
    std::vector<float> values;
    for (const DeviceArray<float>* each : {&y, &again, &stats, &dx, &dsecond, &dgamma, &dbeta}) {
      const std::vector<float> host = each->host();
      values.insert(values.end(), host.begin(), host.end());
    }
    return values;
  }
  /// y and dx, as bf16 or fp32.
  std::vector<float> made(bool stored, const std::vector<float>& first) {
    const Map x(*this, first, first_, true);
    const Shape after = resampled(row_.how, row_.shape);
    const Map y(*this, std::vector<float>(std::size_t(after.size())), after, stored);
    const Map dx(*this, std::vector<float>(std::size_t(first_.size())), first_, stored && row_.how == none);
    const DeviceArray<float> stats(q_, 2 * row_.shape.N * row_.groups),
        dy(q_, random_values(after.size(), 4));
    const View<float> s = stats.view({row_.shape.N, row_.groups, 1, 2});
    group_norm(q_, y.to(), s, x.view(), p_);
    std::vector<float> values = y.host();
    if (row_.how != none) return values;
    group_norm_backward(q_, dx.to(), dy.view(after, block(after)), x.view(), s, p_);
    const std::vector<float> more = dx.host();
    values.insert(values.end(), more.begin(), more.end());
    return values;
  }
  bool splits() const { return second_.C > 0; }
  const Shape& first() const { return first_; }

 private:
  /// A map of given values in the device's order; `stored`: as bf16.
  struct Map {
    Map(const Norm& of, const std::vector<float>& values, const Shape& s, bool as_stored)
        : stored(as_stored), shape(s), b(of.block(s)), wide(of.q_, values), narrow(of.q_, rounded(values)) {}
    MutableMapView to() const {
      if (stored) return stored_view(narrow, shape, b);
      return wide.view(shape, b);
    }
    MapView view() const { return to(); }
    std::vector<float> host() const { return stored ? widened(narrow.host()) : wide.host(); }
    bool stored;
    Shape shape;
    int b;
    DeviceArray<float> wide;
    DeviceArray<std::uint16_t> narrow;
  };

  Queue& q_;
  const Row& row_;
  Shape first_, second_, plus_;
  GroupNormParameters p_;
  DeviceArray<float> gamma_{q_, random_values(row_.shape.C, 5, -1.5f, 1.5f)},
      beta_{q_, random_values(row_.shape.C, 6)}, bias_{q_, random_values(row_.first, 7)},
      scale_shift_{q_, random_values(std::int64_t(row_.shape.N) * 2 * row_.shape.C, 8)};
};

}  // namespace

TEST_CASE("group norm of a map stored as bf16 is that of the same numbers in fp32") {
  for (const Device device : backends())
    for (const Row& row : rows) {
      Queue q(device);
      Norm norm(q, row);
      const std::string what = message(name(device), " ", row.shape, " at ", row.first);
      std::vector<float> y, stats, y_wide, stats_wide;
      const std::vector<float> sum = norm.formed(false, y_wide, stats_wide);
      std::vector<float> x;
      under_all_warp_orders(q, [&] { return x = norm.formed(true, y, stats); });
      check_equal(what + ": the sum, rounded once", x, as_bf16(sum));
      std::vector<float> of_x = norm.all(false, x);
      check_equal(what, under_all_warp_orders(q, [&] { return norm.all(true, x); }), of_x);
      check_equal(what + ": y formed", y, {of_x.data(), y.size()});
      check_equal(what + ": statistics formed", stats, {of_x.data() + 2 * y.size(), stats.size()});
    }
}

TEST_CASE("what a norm makes for a convolution is rounded once where that reads bf16") {
  Queue q(Device::cpu);
  for (const Row& row : rows) {
    Norm norm(q, row);
    if (norm.splits()) continue;
    const std::vector<float> x = as_bf16(random_values(norm.first().size(), 9, -2, 3));
    check_equal(message(row.shape, " as bf16"), norm.made(true, x), as_bf16(norm.made(false, x)));
  }
}

TEST_CASE("group norm: maps that are stored in ways that do not go together are refused in one line") {
  Queue q(Device::cpu);
  const Shape s{1, 16, 2, 2}, both{1, 32, 2, 2};
  const DeviceArray<float> x(q, 64), y(q, 128), stats(q, 4);
  const DeviceArray<std::uint16_t> stored(q, 64);
  GroupNormParameters p;
  p.groups = 2;
  CHECK_THROWS_WITH_AS(group_norm(q, y.view(both, 16), stats.view({1, 2, 1, 2}),
                                  {x.view(s, 16), stored_view(stored, s, 16)}, p),
                       "group_norm: two parts that are stored differently", Error);
  CHECK_THROWS_WITH_AS(group_norm(q, stored_view(stored, s, 16), stats.view({1, 2, 1, 2}), x.view(s, 16), p),
                       "group_norm: what a norm makes is stored as bf16 only on the CPU, and of such a map",
                       Error);
  CHECK_THROWS_WITH_AS(group_norm_of(q, x.view(s, 16), stats.view({1, 2, 1, 2}), x.view(s, 16),
                                     {x.view(s, 16), nullptr, stored_view(stored, s, 16), none, {}}, p),
                       "group_norm_of: a sum that is stored differently", Error);
}

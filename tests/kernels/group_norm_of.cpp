// Norms that make their x of a sum or of two maps side by side, and whose gradient goes into two maps.
#include <omp.h>

#include "tests/kernels/group_norm_reference.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

struct SourceCase {
  GroupNormCase row;
  int first;  // channels
  bool biased, plus;
  Resample how;
};
constexpr Resample none = Resample::none, up = Resample::up, down = Resample::down;
constexpr SourceCase sources[] = {
    {{{1, 6, 5, 7}, 1, 3, false, true}, 6, true, false, none},
    {{{3, 6, 5, 7}, 1, 3, false, true}, 2, true, true, none},
    {{{3, 32, 5, 3}, 16, 32, true, true}, 32, true, true, none},
    {{{2, 64, 4, 6}, 16, 1, true, true}, 48, true, true, up},
    {{{1, 96, 7, 9}, 16, 32, false, false}, 64, false, true, down},
    {{{2, 64, 1, 1}, 16, 32, true, true}, 16, false, false, none},
    {{{2, 128, 6, 2}, 128, 32, false, true}, 128, true, true, up},
    {{{1, 32, 66, 130}, 32, 4, false, true}, 32, true, true, down},  // several blocks to a group on a GPU
    {{{1, 32, 70, 66}, 16, 32, true, true}, 16, true, true, up},
    {{{2, 2, 258, 262}, 1, 1, false, true}, 1, true, true, none},
    {{{1, 40, 67, 31}, 8, 4, false, true}, 24, false, true, none},
    {{{0, 32, 4, 4}, 16, 32, false, true}, 16, true, true, none},
};
// On a GPU all maps are channels-last: blocks differ. Groups straddle the two parts, packs of four do or do
// not.
constexpr SourceCase last_sources[] = {
    {{{2, 48, 5, 3}, 48, 2, true, true}, 32, true, true, none},
    {{{1, 96, 6, 10}, 96, 32, false, true}, 64, true, true, up},
    {{{2, 10, 6, 4}, 10, 5, false, true}, 3, true, true, down},
    {{{1, 48, 66, 130}, 48, 4, true, true}, 16, true, true, down},
    {{{1, 12, 131, 67}, 12, 3, false, true}, 6, true, true, none},
    {{{1, 1100, 4, 2}, 1100, 1, false, true}, 800, true, true, up},
};

Shape with_channels(Shape s, int channels) {
  s.C = channels;
  return s;
}

// The shape of what becomes `s` by resampling.
Shape before(Resample how, const Shape& s) {
  return how == up ? Shape{s.N, s.C, s.H / 2, s.W / 2} : how == down ? Shape{s.N, s.C, 2 * s.H, 2 * s.W} : s;
}

class OfSource {
 public:
  OfSource(Queue& q, const SourceCase& row, std::int64_t shift = 0)
      : p(row.row, q.device()),
        first(with_channels(row.row.shape, row.first)),
        second(with_channels(row.row.shape, row.row.shape.C - row.first)),
        plus(before(row.how, first)),
        q_(q),
        row_(row),
        shift_(shift),
        last_(p.block == p.row.shape.C),
        a_(random_values(first.size(), 21, -2, 3)),
        b_(random_values(second.size(), 22, -2, 3)),
        plus_(random_values(plus.size(), 23)),
        bias_(random_values(first.C, 24)),
        gamma_(q, p.gamma),
        beta_(q, p.beta),
        scale_shift_(q, p.scale_shift),
        bias_there_(q, bias_),
        stats_(q, std::int64_t(first.N) * p.row.groups * 2) {
    p.x = joined();
    parameters_.gamma = gamma_.data();
    parameters_.beta = beta_.data();
    parameters_.scale_shift = p.row.modulated ? scale_shift_.data() : nullptr;
    parameters_.groups = p.row.groups;
    parameters_.silu = p.row.silu;
  }
  // y, x and the statistics one after the other; `in_place`: x takes the place of the first part.
  std::vector<float> forward(bool in_place = false, bool without_y = false) {
    const DeviceArray<float> a(q_, shifted(a_, first)), b(q_, shifted(b_, second)),
        more(q_, shifted(plus_, plus)), x(q_, p.row.shape.size() + shift_),
        y(q_, p.row.shape.size() + shift_);
    const DeviceArray<float>& to = in_place ? a : x;
    const GroupNormSource from{view(a, first), row_.biased ? bias_there_.data() : nullptr,
                               row_.plus ? view(more, plus) : View<const float>(), row_.how,
                               second.C ? view(b, second) : View<const float>()};
    group_norm_of(q_, without_y ? View<float>() : view(y, p.row.shape), stats(), view(to, p.row.shape), from,
                  parameters_);
    if (without_y) group_norm_again(q_, view(y, p.row.shape), stats(), view(to, p.row.shape), parameters_);
    std::vector<float> all = planar(y, p.row.shape);
    for (const std::vector<float>& each : {planar(to, p.row.shape), stats_.host()})
      all.insert(all.end(), each.begin(), each.end());
    return all;
  }
  // dx of p.x and p.dy, p.plus and p.x added, in two parts that are joined again here.
  std::vector<float> backward() {
    const Shape& s = p.row.shape;
    const DeviceArray<float> x(q_, shifted(p.x, s)), dy(q_, shifted(p.dy, s)), more(q_, shifted(p.plus, s)),
        a(q_, first.size() + shift_), b(q_, second.size() + shift_);
    group_norm_backward(q_, view(a, first), view(dy, s), view(x, s), stats(), parameters_, view(more, s), {},
                        view(x, s), view(b, second));
    return join(planar(a, first), planar(b, second));
  }

  Problem p;  // its x is what the parts make
  Shape first, second, plus;

 private:
  std::vector<float> join(const std::vector<float>& a, const std::vector<float>& b) const {
    std::vector<float> all;
    const auto append = [&](const std::vector<float>& from, const Shape& s, int n) {
      all.insert(all.end(), from.begin() + n * s.sample(), from.begin() + (n + 1) * s.sample());
    };
    for (int n = 0; n < first.N; ++n) {
      append(a, first, n);
      append(b, second, n);
    }
    return all;
  }
  // Planar, straight from the formula.
  std::vector<float> joined() const {
    std::vector<float> sum = a_;
    for (std::int64_t i = 0; i < first.size(); ++i) {
      const std::int64_t plane = i / first.plane();
      const int h = int(i / first.W % first.H), w = int(i % first.W);
      const auto value = [&](int row, int column) {
        return double(plus_[std::size_t((plane * plus.H + row) * plus.W + column)]);
      };
      double all = a_[std::size_t(i)];
      if (row_.biased) all += bias_[std::size_t(plane % first.C)];
      if (row_.plus && row_.how == none) all += value(h, w);
      if (row_.plus && row_.how == up) all += value(h / 2, w / 2);
      if (row_.plus && row_.how == down)
        for (const int k : {0, 1, 2, 3}) all += 0.25 * value(2 * h + k / 2, 2 * w + k % 2);
      sum[std::size_t(i)] = float(all);
    }
    return join(sum, b_);
  }
  int block(const Shape& s) const { return last_ ? s.C : p.block; }
  View<float> stats() const { return stats_.view({first.N, p.row.groups, 1, 2}); }
  View<float> view(const DeviceArray<float>& a, const Shape& s) const {
    return {a.data() + shift_, s, block(s)};
  }
  std::vector<float> shifted(const std::vector<float>& values, const Shape& s) const {
    std::vector<float> all = s.C ? to_blocks(values, s, block(s)) : values;
    all.insert(all.begin(), std::size_t(shift_), std::nanf(""));
    return all;
  }
  std::vector<float> planar(const DeviceArray<float>& a, const Shape& s) const {
    const std::vector<float> all = a.host();
    return from_blocks({all.begin() + shift_, all.end()}, s, block(s));
  }
  Queue& q_;
  const SourceCase row_;
  std::int64_t shift_;
  bool last_;
  std::vector<float> a_, b_, plus_, bias_;
  DeviceArray<float> gamma_, beta_, scale_shift_, bias_there_, stats_;
  GroupNormParameters parameters_;
};

void check_values(Queue& q, const SourceCase& row, std::int64_t shift = 0) {
  OfSource device(q, row, shift);
  const Problem& p = device.p;
  const Reference expected(p);
  const std::string what = message(p.name(), " of ", device.first, " and ", device.plus);
  const std::vector<float> all = under_all_warp_orders(q, [&] { return device.forward(); });
  const std::ptrdiff_t size = row.row.shape.size();
  const std::vector<float> y(all.begin(), all.begin() + size), x(all.begin() + size, all.begin() + 2 * size);
  // Tolerances as in group_norm.cpp; x is a sum of three rounded twice, of terms up to 5.
  check_groups(what + " y", p, expected.stats, y, expected.y, largest(expected.y), 2e-6, 1);
  check_dx(what + " x", x, std::vector<double>(p.x.begin(), p.x.end()), 5, 3e-7);
  check_close(what + " stats", std::vector<float>(all.begin() + 2 * size, all.end()), expected.stats, 4e-7);
  check_equal(what + ", y by itself", device.forward(false, true), all);
  if (!device.second.C) {
    check_equal(what + ", in place", under_all_warp_orders(q, [&] { return device.forward(true); }), all);
    return;
  }
  std::vector<double> dx = expected.dx;
  for (std::size_t i = 0; i < dx.size(); ++i) dx[i] += p.plus[i] + p.x[i];
  check_groups(what + " dx in two parts", p, expected.stats,
               under_all_warp_orders(q, [&] { return device.backward(); }), dx, expected.dx_scale, 3e-6, 1);
}

}  // namespace

TEST_CASE("group_norm_of: sums and maps side by side, against loops in double") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const SourceCase& row : sources) check_values(q, row);
    if (d != Device::cuda) continue;
    for (const SourceCase& row : last_sources) check_values(q, row);
  }
}

TEST_CASE("group_norm_of: views that are not 16-byte aligned") {
  for (const Device d : backends()) {
    Queue q(d);
    check_values(q, {{{2, 32, 6, 4}, 16, 8, true, true}, 16, true, true, up}, 1);
  }
}

TEST_CASE("group_norm_of: the same bits with any number of threads") {
  Queue q(Device::cpu);
  OfSource device(q, {{{1, 48, 92, 94}, 16, 4, true, true}, 32, true, true, down});
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<float> one = device.forward();
  omp_set_num_threads(3);
  check_equal("y, x, statistics", device.forward(), one);
  omp_set_num_threads(before);
}

TEST_CASE("group_norm_of: parts that do not fit are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 64), a(q, 64), stats(q, 4);
    const View<float> whole = x.view({1, 16, 2, 2}, 4), statistics = stats.view({1, 2, 1, 2});
    GroupNormParameters p;
    p.groups = 2;
    const auto of = [&](const GroupNormSource& from) { group_norm_of(q, {}, statistics, whole, from, p); };
    const auto part = [&](int channels, int b) {
      return View<const float>(a.data(), {1, channels, 2, 2}, b);
    };
    CHECK_THROWS_WITH_AS(of({part(8, 4), nullptr, {}, none, part(4, 4)}),
                         "group_norm_of: (1, 8, 2, 2) and (1, 4, 2, 2) do not make up (1, 16, 2, 2)", Error);
    CHECK_THROWS_WITH_AS(of({part(8, 8), nullptr, {}, none, part(8, 8)}),
                         "group_norm_of: blocks 8 and 8 do not go into blocks of 4", Error);
    CHECK_THROWS_WITH_AS(of({part(16, 4), nullptr, part(16, 4), up, {}}),
                         "group_norm_of: (1, 16, 2, 2) b=4 cannot be added to (1, 16, 2, 2) b=4", Error);
    p.resample = up;
    CHECK_THROWS_WITH_AS(group_norm_backward(q, {a.data(), {1, 8, 2, 2}, 4}, {x.data(), {1, 16, 4, 4}, 4},
                                             whole, statistics, p, {}, {}, {}, {a.data(), {1, 8, 2, 2}, 4}),
                         "group_norm_backward: a gradient in two parts, of a norm that resamples", Error);
  }
}

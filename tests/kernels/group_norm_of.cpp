// Norms that make their x of a sum, that read two maps as one, and whose gradient goes into two maps.
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
  // y, x's first part and the statistics one after the other; `in_place`: it takes the place of what it is
  // made of.
  std::vector<float> forward(bool in_place = false) {
    const DeviceArray<float> a(q_, shifted(a_, first)), b(q_, shifted(b_, second)),
        more(q_, shifted(plus_, plus)), x(q_, first.size() + shift_), y(q_, p.row.shape.size() + shift_);
    const DeviceArray<float>& to = in_place ? a : x;
    const GroupNormSource from{view(a, first), row_.biased ? bias_there_.data() : nullptr,
                               row_.plus ? view(more, plus) : View<const float>(), row_.how,
                               second.C ? view(b, second) : View<const float>()};
    group_norm_of(q_, view(y, p.row.shape), stats(), view(to, first), from, parameters_);
    return outcome(y, to);
  }
  // The same of the sum that `forward` left in x; `again`: y from the statistics that are there.
  std::vector<float> complete(const std::vector<float>& sum, bool again) {
    const DeviceArray<float> x(q_, shifted(sum, first)), b(q_, shifted(b_, second)),
        y(q_, p.row.shape.size() + shift_);
    if (again)
      group_norm_again(q_, view(y, p.row.shape), stats(), parts(x, b), parameters_);
    else
      group_norm(q_, view(y, p.row.shape), stats(), parts(x, b), parameters_);
    return outcome(y, x);
  }
  // dx of x and p.dy, p.plus and p.x added, in two parts that are joined again here. `in_parts`: dy is so,
  // too, and dx takes its place.
  std::vector<float> backward(bool in_parts = false) {
    const Shape& s = p.row.shape;
    const auto [dy_first, dy_second] = parted(p.dy);
    const DeviceArray<float> x(q_, shifted(sum_, first)), other(q_, shifted(b_, second)),
        dy(q_, shifted(p.dy, s)), more(q_, shifted(p.plus, s)), too(q_, shifted(p.x, s)),
        a(q_, shifted(dy_first, first)), b(q_, shifted(dy_second, second));
    const SplitMap slope = in_parts ? parts(a, b) : SplitMap(view(dy, s));
    group_norm_backward(q_, view(a, first), slope, parts(x, other), stats(), parameters_, view(more, s), {},
                        view(too, s), view(b, second));
    return join(planar(a, first), planar(b, second));
  }
  const std::vector<float>& sum() const { return sum_; }

  Problem p;  // its x is what the parts make
  Shape first, second, plus;

 private:
  SplitMap parts(const DeviceArray<float>& x, const DeviceArray<float>& b) const {
    return {view(x, first), second.C ? view(b, second) : View<const float>()};
  }
  std::vector<float> outcome(const DeviceArray<float>& y, const DeviceArray<float>& x) const {
    std::vector<float> all = planar(y, p.row.shape);
    for (const std::vector<float>& each : {planar(x, first), stats_.host()})
      all.insert(all.end(), each.begin(), each.end());
    return all;
  }
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
  // What `join` joins.
  std::pair<std::vector<float>, std::vector<float>> parted(const std::vector<float>& all) const {
    std::pair<std::vector<float>, std::vector<float>> parts;
    for (auto from = all.begin(); from != all.end(); from += p.row.shape.sample()) {
      parts.first.insert(parts.first.end(), from, from + first.sample());
      parts.second.insert(parts.second.end(), from + first.sample(), from + p.row.shape.sample());
    }
    return parts;
  }
  // Planar, straight from the formula.
  std::vector<float> joined() {
    sum_ = a_;
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
      sum_[std::size_t(i)] = float(all);
    }
    return join(sum_, b_);
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
  std::vector<float> a_, b_, plus_, bias_, sum_;  // sum_: the first part, complete
  DeviceArray<float> gamma_, beta_, scale_shift_, bias_there_, stats_;
  GroupNormParameters parameters_;
};

void check_values(Queue& q, const SourceCase& row, std::int64_t shift = 0) {
  OfSource device(q, row, shift);
  const Problem& p = device.p;
  const Reference expected(p);
  const std::string what = message(p.name(), " of ", device.first, " and ", device.plus);
  const std::vector<float> all = under_all_warp_orders(q, [&] { return device.forward(); });
  const std::ptrdiff_t size = row.row.shape.size(), part = device.first.size();
  const std::vector<float> y(all.begin(), all.begin() + size),
      x(all.begin() + size, all.begin() + size + part);
  // Tolerances as in group_norm.cpp; x is a sum of three rounded twice, of terms up to 5.
  check_groups(what + " y", p, expected.stats, y, expected.y, largest(expected.y), 2e-6, 1);
  check_dx(what + " x", x, std::vector<double>(device.sum().begin(), device.sum().end()), 5, 3e-7);
  check_close(what + " stats", std::vector<float>(all.begin() + size + part, all.end()), expected.stats,
              4e-7);
  check_equal(what + ", in place", under_all_warp_orders(q, [&] { return device.forward(true); }), all);
  check_equal(what + ", y again", device.complete(x, true), all);
  check_equal(what + ", of the sum", under_all_warp_orders(q, [&] { return device.complete(x, false); }),
              all);
  if (!device.second.C) return;
  std::vector<double> dx = expected.dx;
  for (std::size_t i = 0; i < dx.size(); ++i) dx[i] += p.plus[i] + p.x[i];
  const std::vector<float> two = under_all_warp_orders(q, [&] { return device.backward(); });
  check_groups(what + " dx in two parts", p, expected.stats, two, dx, expected.dx_scale, 3e-6, 1);
  if (q.device() == Device::cpu)
    check_equal(what + " dx in the place of dy's parts", device.backward(true), two);
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
    const auto part = [&](int channels, int b) { return View<float>(a.data(), {1, channels, 2, 2}, b); };
    const auto of = [&](const GroupNormSource& from, View<float> to) {
      group_norm_of(q, whole, statistics, to, from, p);
    };
    CHECK_THROWS_WITH_AS(of({part(8, 4), nullptr, {}, none, part(4, 4)}, part(8, 4)),
                         "group_norm_of: (1, 8, 2, 2) and (1, 4, 2, 2) do not make up (1, 16, 2, 2)", Error);
    CHECK_THROWS_WITH_AS(of({part(8, 8), nullptr, {}, none, part(8, 8)}, part(8, 8)),
                         "group_norm_of: blocks 8 and 8 do not go into blocks of 4", Error);
    CHECK_THROWS_WITH_AS(of({part(8, 4), nullptr, {}, none, part(8, 4)}, part(16, 4)),
                         "group_norm_of: shapes or layouts differ: (1, 16, 2, 2) b=4 and (1, 8, 2, 2) b=4",
                         Error);
    CHECK_THROWS_WITH_AS(of({part(16, 4), nullptr, part(16, 4), up, {}}, part(16, 4)),
                         "group_norm_of: (1, 16, 2, 2) b=4 cannot be added to (1, 16, 2, 2) b=4", Error);
    p.resample = up;
    CHECK_THROWS_WITH_AS(group_norm_backward(q, View<float>{a.data(), {1, 8, 2, 2}, 4},
                                             View<float>{x.data(), {1, 16, 4, 4}, 4}, whole, statistics, p,
                                             {}, {}, {}, {a.data(), {1, 8, 2, 2}, 4}),
                         "group_norm_backward: a gradient in two parts, of a norm that resamples", Error);
    CHECK_THROWS_WITH_AS(
        group_norm(q, View<float>{x.data(), {1, 16, 4, 4}, 4}, statistics, {part(8, 4), part(8, 4)}, p),
        "group_norm: a map in two parts, of a norm that resamples", Error);
  }
}

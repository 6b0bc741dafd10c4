// Norms whose output is resampled in passing, and whose way back takes gradients of the resampled map.
#include "tests/kernels/group_norm_reference.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

constexpr GroupNormCase rows[] = {
    {{3, 6, 2, 4}, 1, 3, false, true},       {{2, 32, 6, 2}, 16, 32, true, true},
    {{1, 96, 10, 6}, 16, 32, false, false},  {{3, 128, 2, 2}, 128, 32, false, true},
    {{2, 48, 4, 6}, 48, 4, true, false},     {{2, 6, 4, 2}, 6, 3, true, true},
    {{1, 32, 66, 130}, 32, 4, false, true},  // several blocks to a group on a GPU
    {{1, 32, 70, 66}, 16, 32, true, true},   {{2, 2, 258, 262}, 1, 1, false, true},
    {{1, 48, 38, 54}, 48, 2, true, true},    {{0, 32, 4, 4}, 16, 32, false, true},
    {{1, 1100, 2, 2}, 1100, 1, false, true},
};

std::string name(Resample how) { return how == Resample::up ? " up" : " down"; }

// Planar: nearest doubling, or the mean of 2 x 2.
template <class T>
std::vector<double> resample(Resample how, const std::vector<T>& x, const Shape& s) {
  const Shape to = resampled(how, s);
  std::vector<double> y(std::size_t(to.size()));
  for (int plane = 0; plane < s.N * s.C; ++plane)
    for (int h = 0; h < std::max(s.H, to.H); ++h)
      for (int w = 0; w < std::max(s.W, to.W); ++w) {
        const bool up = how == Resample::up;
        const std::int64_t i = (std::int64_t(plane) * s.H + (up ? h / 2 : h)) * s.W + (up ? w / 2 : w);
        const std::int64_t o = (std::int64_t(plane) * to.H + (up ? h : h / 2)) * to.W + (up ? w : w / 2);
        y[std::size_t(o)] += (up ? 1 : 0.25) * double(x[std::size_t(i)]);
      }
  return y;
}

// Its transpose, for an x of shape s.
std::vector<double> resample_back(Resample how, const std::vector<float>& dy, const Shape& s) {
  const bool up = how == Resample::up;
  const Shape from = resampled(how, s);
  std::vector<double> dx = resample(up ? Resample::down : Resample::up, dy, from);
  for (double& value : dx) value *= up ? 4 : 0.25;
  return dx;
}

class Resampled {
 public:
  Resampled(Queue& q, const GroupNormCase& row, Resample how, std::int64_t shift = 0)
      : p(row, q.device()),
        to(resampled(how, row.shape)),
        dy(random_values(to.size(), 11)),
        plus(random_values(to.size(), 12)),
        q_(q),
        shift_(shift),
        gamma_(q, p.gamma),
        beta_(q, p.beta),
        scale_shift_(q, p.scale_shift),
        stats_(q, std::int64_t(row.shape.N) * row.groups * 2) {
    const std::vector<double> back = resample_back(how, dy, row.shape);
    p.dy.assign(back.begin(), back.end());
    parameters_.gamma = gamma_.data();
    parameters_.beta = beta_.data();
    parameters_.scale_shift = row.modulated ? scale_shift_.data() : nullptr;
    parameters_.groups = row.groups;
    parameters_.silu = row.silu;
    parameters_.resample = how;
  }
  std::vector<float> forward(const std::vector<float>& x, bool again = false) {
    const DeviceArray<float> in(q_, shifted(x, p.row.shape)), out(q_, to.size() + shift_);
    if (again)
      group_norm_again(q_, view(out, to), stats(), view(in, p.row.shape), parameters_);
    else
      group_norm(q_, view(out, to), stats(), view(in, p.row.shape), parameters_);
    return planar(out, to);
  }
  // `more`: with plus, and with x as a second map. The forward pass must have run.
  std::vector<float> backward(const std::vector<float>& w, bool more) {
    const DeviceArray<float> x(q_, shifted(p.x, p.row.shape)), from(q_, shifted(w, to)),
        plus_there(q_, shifted(plus, to)), out(q_, p.row.shape.size() + shift_);
    group_norm_backward(q_, view(out, p.row.shape), view(from, to), view(x, p.row.shape), stats(),
                        parameters_, more ? view(plus_there, to) : View<const float>(), {},
                        more ? view(x, p.row.shape) : View<const float>());
    return planar(out, p.row.shape);
  }
  // dgamma and dbeta, and the modulation's; dx must not change by them.
  std::vector<float> gradients() {
    const std::size_t C = std::size_t(p.row.shape.C);
    const DeviceArray<float> x(q_, shifted(p.x, p.row.shape)), from(q_, shifted(dy, to)),
        out(q_, p.row.shape.size() + shift_);
    const DeviceArray<float> gamma(q_, std::vector<float>(C)), beta(q_, std::vector<float>(C)),
        modulation(q_, std::int64_t(p.scale_shift.size()));
    group_norm_backward(q_, view(out, p.row.shape), view(from, to), view(x, p.row.shape), stats(),
                        parameters_, {},
                        {gamma.data(), beta.data(), p.row.modulated ? modulation.data() : nullptr});
    std::vector<float> all = gamma.host();
    for (const std::vector<float>& each : {beta.host(), modulation.host()})
      all.insert(all.end(), each.begin(), each.end());
    check_equal(p.name() + " dx beside gradients", planar(out, p.row.shape), backward(dy, false));
    return all;
  }

  Problem p;  // its dy is ours, back at x's resolution
  Shape to;
  std::vector<float> dy, plus;

 private:
  View<float> stats() const { return stats_.view({p.row.shape.N, p.row.groups, 1, 2}); }
  View<float> view(const DeviceArray<float>& a, const Shape& s) const {
    return {a.data() + shift_, s, p.block};
  }
  std::vector<float> shifted(const std::vector<float>& values, const Shape& s) const {
    std::vector<float> all = to_blocks(values, s, p.block);
    all.insert(all.begin(), std::size_t(shift_), std::nanf(""));
    return all;
  }
  std::vector<float> planar(const DeviceArray<float>& a, const Shape& s) const {
    const std::vector<float> all = a.host();
    return from_blocks({all.begin() + shift_, all.end()}, s, p.block);
  }
  Queue& q_;
  std::int64_t shift_;
  DeviceArray<float> gamma_, beta_, scale_shift_, stats_;
  GroupNormParameters parameters_;
};

void check_values(Queue& q, const GroupNormCase& row, Resample how, std::int64_t shift = 0) {
  Resampled device(q, row, how, shift);
  const Problem& p = device.p;
  const Reference expected(p);
  const std::string what = p.name() + name(how);
  const auto check = [&](const std::string& of, const std::vector<float>& got,
                         const std::vector<double>& truth, double scale, double tolerance) {
    check_groups(what + of, p, expected.stats, got, truth, scale, tolerance, 1);
  };
  // Tolerances of norms that do not resample (group_norm.cpp): a mean of four adds to them less than it
  // removes, a sum of four 3 * 2^-24 of four times the scale.
  check(" y", under_all_warp_orders(q, [&] { return device.forward(p.x); }),
        resample(how, expected.y, row.shape), largest(expected.y), 1e-6);
  check_equal(what + " y again", device.forward(p.x, true), device.forward(p.x));
  check(" dx", under_all_warp_orders(q, [&] { return device.backward(device.dy, false); }), expected.dx,
        expected.dx_scale, 2e-6);
  std::vector<double> more = expected.dx;
  const std::vector<double> plus = resample_back(how, device.plus, row.shape);
  for (std::size_t i = 0; i < more.size(); ++i) more[i] += plus[i] + p.x[i];
  check(" dx + plus + x", under_all_warp_orders(q, [&] { return device.backward(device.dy, true); }), more,
        expected.dx_scale, 3e-6);
  if (row.shape.size() == 0) return;
  std::vector<double> gradients = expected.dgamma;
  for (const std::vector<double>& each : {expected.dbeta, expected.dmodulation})
    gradients.insert(gradients.end(), each.begin(), each.end());
  check_close(what + " gradients", under_all_warp_orders(q, [&] { return device.gradients(); }), gradients,
              2e-6);
}

}  // namespace

TEST_CASE("group_norm: resampled in passing, values and gradients against loops in double") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const Resample how : {Resample::up, Resample::down})
      for (const GroupNormCase& row : rows) check_values(q, row, how);
  }
}

TEST_CASE("group_norm: resampled in passing, views that are not 16-byte aligned") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const Resample how : {Resample::up, Resample::down})
      check_values(q, {{2, 32, 6, 4}, 16, 8, true, true}, how, 1);
  }
}

TEST_CASE("group_norm: resampled in passing, the backward pass is the forward pass's derivative") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const Resample how : {Resample::up, Resample::down}) {
      Resampled device(q, {{2, 32, 6, 10}, 16, 8, true, true}, how);
      check_vjp(
          device.p.name() + name(how), [&](const std::vector<float>& x) { return device.forward(x); },
          [&](const std::vector<float>& w) {
            device.forward(device.p.x);
            return device.backward(w, false);
          },
          device.p.x, 1e-3);
    }
  }
}

TEST_CASE("group_norm: an odd map cannot be halved") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 12), y(q, 12), stats(q, 4);
    GroupNormParameters p;
    p.groups = 2;
    p.resample = Resample::down;
    CHECK_THROWS_WITH_AS(
        group_norm(q, View<float>{y.data(), {1, 2, 1, 1}}, stats.view({1, 2, 1, 2}), x.view({1, 2, 2, 3}), p),
        "group_norm: (1, 2, 2, 3) cannot be halved", Error);
  }
}

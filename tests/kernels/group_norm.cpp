#include "kernels/group_norm.hpp"

#include <omp.h>

#include "tests/kernels/group_norm_reference.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// More than one chunk of pixels on either backend, with a rest; blocks that groups straddle.
constexpr GroupNormCase longer[] = {
    {{1, 32, 65, 67}, 16, 32, true, true},    {{1, 2, 257, 258}, 1, 1, false, true},
    {{2, 48, 11, 13}, 16, 2, true, true},     {{1, 12, 19, 23}, 6, 3, true, true},
    {{1, 1100, 3, 2}, 1100, 1, false, false},
};

// A problem's arrays on a device; `shift` elements of every tensor are left unused at its front, which
// spoils the alignment.
class OnDevice {
 public:
  OnDevice(Queue& q, const Problem& p, std::int64_t shift = 0)
      : q_(q),
        p_(p),
        shift_(shift),
        gamma_(q, p.gamma),
        beta_(q, p.beta),
        scale_shift_(q, p.scale_shift),
        x_bias_(q, p.x_bias),
        stats_(q, std::int64_t(p.row.shape.N) * p.row.groups * 2),
        x_(q, shifted(p.x)),
        dy_(q, shifted(p.dy)) {
    parameters_.gamma = gamma_.data();
    parameters_.beta = beta_.data();
    parameters_.scale_shift = p.row.modulated ? scale_shift_.data() : nullptr;
    parameters_.x_bias = p.x_bias.empty() ? nullptr : x_bias_.data();
    parameters_.groups = p.row.groups;
    parameters_.silu = p.row.silu;
  }
  std::vector<float> forward(const std::vector<float>& x) {
    const DeviceArray<float> in(q_, shifted(x)), out(q_, std::int64_t(x.size()) + shift_);
    group_norm(q_, view(out), stats_view(), view(in), parameters_);
    return planar(out);
  }
  std::vector<float> forward() { return forward(p_.x); }
  // The forward pass of p_.x must have run.
  std::vector<float> backward(const std::vector<float>& dy, bool with_plus = false) {
    const DeviceArray<float> from(q_, shifted(dy)), more(q_, shifted(p_.plus)),
        out(q_, std::int64_t(dy.size()) + shift_);
    group_norm_backward(q_, view(out), view(from), view(x_), stats_view(), parameters_,
                        with_plus ? view(more) : View<const float>());
    return planar(out);
  }
  std::vector<float> backward_in_place(bool over_plus) {
    const DeviceArray<float> from(q_, shifted(p_.dy)), more(q_, shifted(p_.plus));
    const DeviceArray<float>& out = over_plus ? more : from;
    group_norm_backward(q_, view(out), view(from), view(x_), stats_view(), parameters_, view(more));
    return planar(out);
  }
  std::vector<float> stats() const { return stats_.host(); }
  // With x, too, as a second map that is added; in place of that one.
  std::vector<float> backward_plus_x() {
    const DeviceArray<float> from(q_, shifted(p_.dy)), more(q_, shifted(p_.plus)), out(q_, shifted(p_.x));
    group_norm_backward(q_, view(out), view(from), view(x_), stats_view(), parameters_, view(more), {},
                        view(out));
    return planar(out);
  }
  // The forward pass again from its statistics.
  std::vector<float> again() {
    const DeviceArray<float> out(q_, std::int64_t(p_.x.size()) + shift_);
    group_norm_again(q_, view(out), stats_view(), view(x_), parameters_);
    return planar(out);
  }
  // dgamma and dbeta, added to 1 and 2, and the modulation's gradient; dx must not change by them.
  std::vector<float> gradients() {
    const std::size_t C = std::size_t(p_.row.shape.C);
    const DeviceArray<float> from(q_, shifted(p_.dy)), out(q_, std::int64_t(p_.dy.size()) + shift_);
    const DeviceArray<float> gamma(q_, std::vector<float>(C, 1.f)), beta(q_, std::vector<float>(C, 2.f)),
        modulation(q_, std::int64_t(p_.scale_shift.size()));
    group_norm_backward(q_, view(out), view(from), view(x_), stats_view(), parameters_, {},
                        {gamma.data(), beta.data(), p_.row.modulated ? modulation.data() : nullptr});
    std::vector<float> all = gamma.host();
    for (const std::vector<float>& more : {beta.host(), modulation.host()})
      all.insert(all.end(), more.begin(), more.end());
    check_equal(p_.name() + " dx beside gradients", planar(out), backward(p_.dy));
    return all;
  }

 private:
  View<float> stats_view() const { return stats_.view({p_.row.shape.N, p_.row.groups, 1, 2}); }
  View<float> view(const DeviceArray<float>& a) const { return {a.data() + shift_, p_.row.shape, p_.block}; }
  std::vector<float> shifted(const std::vector<float>& values) const {
    std::vector<float> all = to_blocks(values, p_.row.shape, p_.block);
    all.insert(all.begin(), std::size_t(shift_), std::nanf(""));
    return all;
  }
  std::vector<float> planar(const DeviceArray<float>& a) const {
    const std::vector<float> all = a.host();
    return from_blocks({all.begin() + shift_, all.end()}, p_.row.shape, p_.block);
  }
  Queue& q_;
  const Problem& p_;
  std::int64_t shift_;
  DeviceArray<float> gamma_, beta_, scale_shift_, x_bias_, stats_, x_, dy_;
  GroupNormParameters parameters_;
};

void check_values(Queue& q, const GroupNormCase& row, std::int64_t shift = 0, bool biased = false) {
  const Problem p(row, q.device(), biased);
  const Reference expected(p);
  OnDevice device(q, p, shift);
  const auto check = [&](const std::string& what, const std::vector<float>& got,
                         const std::vector<double>& truth, double scale, double tolerance, double roundings) {
    check_groups(p.name() + what, p, expected.stats, got, truth, scale, tolerance, roundings);
  };
  // Single-precision rounding of some ten operations on values up to the scale: 10 * 2^-24 = 6e-7. The mean
  // and rstd are rounded once.
  check(" y", under_all_warp_orders(q, [&] { return device.forward(); }), expected.y, largest(expected.y),
        1e-6, 1);
  check_close(p.name() + " stats", under_all_warp_orders(q, [&] { return device.stats(); }), expected.stats,
              2e-7);
  // As y, with twice the operations; float sums of up to 64 terms add 64 * 2^-24 at worst, 8 * 2^-24 in
  // practice.
  check(" dx", under_all_warp_orders(q, [&] { return device.backward(p.dy); }), expected.dx,
        expected.dx_scale, 2e-6, 2);
  std::vector<double> with_plus = expected.dx;
  for (std::size_t i = 0; i < with_plus.size(); ++i) with_plus[i] += p.plus[i];
  check_equal(p.name() + " y again", device.again(), device.forward());
  if (row.shape.size() > 0) {
    std::vector<double> gradients;
    for (const double value : expected.dgamma) gradients.push_back(1 + value);
    for (const double value : expected.dbeta) gradients.push_back(2 + value);
    gradients.insert(gradients.end(), expected.dmodulation.begin(), expected.dmodulation.end());
    check_close(p.name() + " gradients", under_all_warp_orders(q, [&] { return device.gradients(); }),
                gradients, 2e-6);
  }
  check(" dx + plus", under_all_warp_orders(q, [&] { return device.backward(p.dy, true); }), with_plus,
        expected.dx_scale, 2e-6, 2);
  for (std::size_t i = 0; i < with_plus.size(); ++i) with_plus[i] += p.x[i];
  check(" dx + plus + x", under_all_warp_orders(q, [&] { return device.backward_plus_x(); }), with_plus,
        expected.dx_scale, 2e-6, 2);
}

}  // namespace

TEST_CASE("group_norm: values, statistics and gradients against loops in double") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const GroupNormCase& row : cases::group_norms_small) check_values(q, row);
    for (const GroupNormCase& row : longer) check_values(q, row);
  }
}

TEST_CASE("group_norm: a bias that x lacks is as good as one in x") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const GroupNormCase& row : cases::group_norms_small) check_values(q, row, 0, true);
    for (const GroupNormCase& row : longer) check_values(q, row, 0, true);
  }
}

TEST_CASE("group_norm: views that are not 16-byte aligned") {
  for (const Device d : backends()) {
    Queue q(d);
    check_values(q, {{2, 32, 5, 3}, 16, 8, true, true}, 1);
  }
}

TEST_CASE("group_norm: the backward pass is the forward pass's derivative") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const GroupNormCase& row : cases::group_norms_small) {
      // In a group of a few elements the derivative is a difference of nearly equal terms.
      if (row.shape.size() / std::max(1, row.shape.N * row.groups) < 8) continue;
      const Problem p(row, d);
      OnDevice device(q, p);
      // The curvature over a step of 1e-2 contributes 1e-4, float rounding over the step 1e-6 / 1e-2.
      check_vjp(
          p.name(), [&](const std::vector<float>& x) { return device.forward(x); },
          [&](const std::vector<float>& w) {
            device.forward(p.x);
            return device.backward(w);
          },
          p.x, 1e-3);
    }
  }
}

TEST_CASE("group_norm: data far from zero lose nothing") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const int b : {1, 16, 32}) {
      Problem p({{1, 32, 37, 41}, b, 8, false, false}, d);
      std::mt19937 generator(9);
      std::normal_distribution<double> normal(1000, 1);
      for (float& value : p.x) value = float(normal(generator));
      const Reference expected(p);
      OnDevice device(q, p);
      const std::vector<float> y = device.forward(), stats = device.stats();
      std::vector<float> rstd;
      std::vector<double> expected_rstd;
      for (std::size_t i = 1; i < stats.size(); i += 2) {
        rstd.push_back(stats[i]);
        expected_rstd.push_back(expected.stats[i]);
      }
      check_close(p.name() + " mean 1000, rstd", rstd, expected_rstd, 1e-6);
      // The mean is kept in float: half a unit in its last place, 3.1e-5, is lost of values up to about 4.
      check_close(p.name() + " mean 1000, y", y, expected.y, 1.5e-5);
      check_dx(p.name() + " mean 1000, dx", device.backward(p.dy), expected.dx, expected.dx_scale, 4e-5);
    }
  }
}

TEST_CASE("group_norm: a first pixel far from all others does not spoil the statistics") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const int b : {1, 4}) {
      Problem p({{1, 4, 64, 70}, b, 4, false, false}, d);
      for (int c = 0; c < 4; ++c) p.x[std::size_t(c * p.row.shape.plane())] = 5000;
      const Reference expected(p);
      OnDevice device(q, p);
      device.forward();
      // In units of the standard deviation, which the outlier dominates: four squares of its distance are
      // summed, then 64 smaller ones, each sum rounding.
      const std::vector<float> stats = device.stats();
      for (std::size_t i = 0; i < stats.size(); i += 2) {
        CHECK(std::abs(stats[i] - expected.stats[i]) * expected.stats[i + 1] < 1e-6);
        CHECK(std::abs(stats[i + 1] / expected.stats[i + 1] - 1) < 2e-6);
      }
    }
  }
}

TEST_CASE("group_norm: the gradient may overwrite dy or plus") {
  for (const Device d : backends()) {
    Queue q(d);
    const Problem p({{2, 32, 9, 5}, 16, 4, true, true}, d);
    OnDevice device(q, p);
    device.forward();
    const std::vector<float> expected = device.backward(p.dy, true);
    check_equal("dx over dy", device.backward_in_place(false), expected);
    check_equal("dx over plus", device.backward_in_place(true), expected);
  }
}

TEST_CASE("group_norm: the same bits with any number of threads") {
  Queue q(Device::cpu);
  const Problem p({{1, 48, 91, 93}, 16, 4, true, true}, Device::cpu);
  OnDevice device(q, p);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<float> y = device.forward(), stats = device.stats(), dx = device.backward(p.dy);
  omp_set_num_threads(3);
  check_equal("y", device.forward(), y);
  check_equal("stats", device.stats(), stats);
  check_equal("dx", device.backward(p.dy), dx);
  omp_set_num_threads(before);
}

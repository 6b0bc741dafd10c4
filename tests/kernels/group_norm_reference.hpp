// Group norm as plain loops in double, and how results are held against it.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/group_norm.hpp"
#include "tests/cases/group_norm.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {

using cases::GroupNormCase;

struct Problem {
  GroupNormCase row;
  int block;
  std::vector<float> x, dy, plus, gamma, beta, scale_shift;  // x, dy and plus planar
  std::vector<float> x_bias;                                 // of each channel; empty: none

  Problem(const GroupNormCase& r, Device device, bool biased = false)
      : row(r),
        block(cases::block(device, r.b, r.shape.C)),
        x(random_values(r.shape.size(), 1, -2, 3)),
        dy(random_values(r.shape.size(), 2)),
        plus(random_values(r.shape.size(), 3)),
        gamma(random_values(r.shape.C, 4, -1.5f, 1.5f)),
        beta(random_values(r.shape.C, 5)),
        scale_shift(random_values(r.modulated ? r.shape.N * 2 * r.shape.C : 0, 6)),
        x_bias(random_values(biased ? r.shape.C : 0, 7, -2, 2)) {}
  /// What is normalised.
  double value(std::int64_t i) const {
    const std::int64_t c = i / row.shape.plane() % row.shape.C;
    return x_bias.empty() ? double(x[i]) : double(x[i]) + x_bias[c];
  }
  std::string name() const {
    return message("group_norm ", row.shape, " b=", block, " groups=", row.groups,
                   row.modulated ? " modulated" : "", row.silu ? " silu" : "",
                   x_bias.empty() ? "" : " biased");
  }
};

// Straight from the formula, in double, planar.
struct Reference {
  std::vector<double> y, dx, stats, dgamma, dbeta, dmodulation;
  double dx_scale = 0;  // the largest term of dx, which the others may cancel

  explicit Reference(const Problem& p) {
    const Shape& s = p.row.shape;
    const int group_channels = s.C / p.row.groups;
    const std::int64_t plane = s.plane(), count = group_channels * plane;
    y.resize(p.x.size());
    dx.resize(p.x.size());
    dgamma.resize(std::size_t(s.C));
    dbeta.resize(std::size_t(s.C));
    dmodulation.resize(p.scale_shift.size());
    std::vector<double> dxhat(p.x.size());
    for (int n = 0; n < s.N; ++n)
      for (int group = 0; group < p.row.groups; ++group) {
        const std::int64_t begin = (std::int64_t(n) * s.C + group * group_channels) * plane;
        double mean = 0, variance = 0;
        for (std::int64_t i = begin; i < begin + count; ++i) mean += p.value(i) / double(count);
        for (std::int64_t i = begin; i < begin + count; ++i)
          variance += (p.value(i) - mean) * (p.value(i) - mean) / double(count);
        const double rstd = 1 / std::sqrt(variance + 1e-5);
        stats.insert(stats.end(), {mean, rstd});
        double sum = 0, product = 0;
        for (std::int64_t i = begin; i < begin + count; ++i) {
          const int c = int(i / plane % s.C);
          const double xhat = (p.value(i) - mean) * rstd;
          double h = p.gamma[c] * xhat + p.beta[c], slope = p.gamma[c], factor = 1;
          const double plain = h;
          if (p.row.modulated) {
            const float* modulation = &p.scale_shift[std::size_t(n) * 2 * s.C];
            h = h * (1.0 + modulation[c]) + modulation[s.C + c];
            factor = 1.0 + modulation[c];
            slope *= factor;
          }
          const double sigma = 1 / (1 + std::exp(-h));
          y[i] = p.row.silu ? h * sigma : h;
          const double dsilu = p.row.silu ? sigma + h * sigma * (1 - sigma) : 1;
          slope *= dsilu;
          dgamma[c] += p.dy[i] * dsilu * factor * xhat;
          dbeta[c] += p.dy[i] * dsilu * factor;
          if (p.row.modulated) {
            dmodulation[std::size_t(n) * 2 * s.C + c] += p.dy[i] * dsilu * plain;
            dmodulation[std::size_t(n) * 2 * s.C + s.C + c] += p.dy[i] * dsilu;
          }
          dxhat[i] = p.dy[i] * slope;
          sum += dxhat[i];
          product += dxhat[i] * xhat;
        }
        for (std::int64_t i = begin; i < begin + count; ++i) {
          const double xhat = (p.value(i) - mean) * rstd;
          dx[i] = rstd * (dxhat[i] - sum / double(count) - xhat * product / double(count));
          dx_scale = std::max(dx_scale, std::abs(rstd * dxhat[i]));
        }
      }
  }
};

// dx is a difference of terms that may cancel altogether (a group of one element has dx = 0), so errors are
// measured against the largest term, appended to both sides.
inline void check_dx(const std::string& what, std::vector<float> got, std::vector<double> expected,
                     double scale, double tolerance) {
  got.push_back(float(scale));
  expected.push_back(scale);
  check_close(what, got, expected, tolerance);
}

// Group by group, errors against `scale`. Mean less bias, up to 5, is rounded once (3e-7), which the group's
// norm magnifies; it counts `roundings` times.
inline void check_groups(const std::string& what, const Problem& p, const std::vector<double>& stats,
                         const std::vector<float>& got, const std::vector<double>& expected, double scale,
                         double tolerance, double roundings) {
  REQUIRE(got.size() == expected.size());
  const std::ptrdiff_t groups = std::ptrdiff_t(stats.size() / 2);
  const std::ptrdiff_t count = groups ? std::ptrdiff_t(got.size()) / groups : 0;
  for (std::ptrdiff_t g = 0; g < groups; ++g) {
    const double magnified = p.x_bias.empty() ? 0 : roundings * 3e-7 * stats[std::size_t(2 * g + 1)];
    check_dx(message(what, " of group ", g), {got.begin() + g * count, got.begin() + (g + 1) * count},
             {expected.begin() + g * count, expected.begin() + (g + 1) * count}, scale,
             tolerance + magnified);
  }
}

inline double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

}  // namespace tweedie::test

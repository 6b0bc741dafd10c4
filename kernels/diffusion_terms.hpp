// The loss of one element of a diffusion model's output, in double, for both compilers.
#pragma once

#include <cmath>

#include "kernels/both.hpp"
#include "kernels/diffusion_loss.hpp"

namespace tweedie {

/// log p of an 8-bit value, and its derivatives.
struct DecoderLikelihood {
  double value, by_mean, by_log_scale;
};

/// The standard normal's distribution function as guided-diffusion approximates it (Page 1977), and its
/// derivative.
TWEEDIE_BOTH double approximate_normal_cdf(double x, double& slope) {
  constexpr double root = 0.79788456080286535588;  // sqrt(2 / pi)
  const double t = tanh(root * (x + 0.044715 * x * x * x));
  slope = 0.5 * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
  return 0.5 * (1 + t);
}

/// log of the mass that a Gaussian puts on the interval of +-1/255 about x, both ends of [-1, 1] being open.
/// (guided-diffusion's discretized_gaussian_log_likelihood, which cuts probabilities at 1e-12.)
TWEEDIE_BOTH DecoderLikelihood decoder_log_likelihood(double x, double mean, double log_scale) {
  const double inverse = exp(-log_scale);
  const double upper = inverse * (x - mean + 1.0 / 255), lower = inverse * (x - mean - 1.0 / 255);
  double upper_slope, lower_slope;
  const double upper_cdf = approximate_normal_cdf(upper, upper_slope);
  const double lower_cdf = approximate_normal_cdf(lower, lower_slope);
  const bool first = x<-0.999, last = x> 0.999;
  if (first) lower_slope = 0;
  if (last && !first) upper_slope = 0;
  const double mass = first ? upper_cdf : last ? 1 - lower_cdf : upper_cdf - lower_cdf;
  constexpr double least = 1e-12;
  if (!(mass >= least)) return {mass != mass ? mass : log(least), 0, 0};
  const double by_mean = -inverse * (upper_slope - lower_slope) / mass;
  const double by_log_scale = -(upper * upper_slope - lower * lower_slope) / mass;
  return {log(mass), by_mean, by_log_scale};
}

/// One element's share of the sums, and of the gradient (before division by the number of elements).
struct DiffusionTerms {
  double mse, vb, by_eps, by_v;
};

/// `v` is ignored unless `learned`.
TWEEDIE_BOTH DiffusionTerms diffusion_terms(const DiffusionLossRow& row, bool learned, double eps, double v,
                                            double x_start, double x_t, double noise) {
  const double miss = eps - noise;
  DiffusionTerms r{miss * miss, 0, row.mse_weight * 2 * miss, 0};
  if (!learned) return r;
  constexpr double bits = 1.44269504088896340736;  // 1 / ln 2
  const double fraction = 0.5 * (v + 1);
  const double log_variance = fraction * row.log_beta + (1 - fraction) * row.log_posterior;
  const double mean = row.coef1 * (row.recip * x_t - row.recipm1 * eps) + row.coef2 * x_t;
  double by_mean, by_log_variance;
  if (row.is_first != 0) {
    const DecoderLikelihood p = decoder_log_likelihood(x_start, mean, 0.5 * log_variance);
    r.vb = -p.value * bits;
    by_mean = -p.by_mean;
    by_log_variance = -0.5 * p.by_log_scale;
  } else {
    const double difference = row.coef1 * x_start + row.coef2 * x_t - mean;
    const double ratio = exp(row.log_posterior - log_variance), inverse = exp(-log_variance);
    const double square = difference * difference * inverse;
    r.vb = 0.5 * bits * (-1 + log_variance - row.log_posterior + ratio + square);
    by_mean = -difference * inverse;
    by_log_variance = 0.5 * (1 - ratio - square);
  }
  const double weight = row.vb_weight * bits;
  r.by_v = weight * by_log_variance * 0.5 * (row.log_beta - row.log_posterior);
  if (row.through_mean != 0) r.by_eps += weight * by_mean * -row.coef1 * row.recipm1;
  return r;
}

}  // namespace tweedie

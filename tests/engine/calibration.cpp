// Every solver on a posterior that is known: mean, variance, calibration and cost as one table.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>

#include "engine/solvers/solver.hpp"
#include "tests/engine/scalars.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

/// One step of a linear method: x <- on_x x + on_y y + noise z.
struct Affine {
  double on_x, on_y, noise;
};

// DDIM's shares of new noise and of the estimated one (Song et al., ICLR 2021, Eq. 12).
double new_noise(double bar, double next, double eta) {
  return eta * std::sqrt((1 - next) / (1 - bar) * (1 - bar / next));
}
double kept_noise(double next, double c1) { return std::sqrt(std::max(1 - next - c1 * c1, 0.0)); }
// x0_hat = this times x_t, of a Gaussian of variance S.
double gain(double bar, double S) { return std::sqrt(bar) * S / (bar * S + 1 - bar); }
double eps_gain(double bar, double S) { return std::sqrt(1 - bar) / (bar * S + 1 - bar); }

Affine pigdm(const Mode& m, double bar, double next) {
  const double c1 = new_noise(bar, next, 1), c2 = kept_noise(next, c1), g = gain(bar, m.S), r2 = 1 - bar,
               pull = std::sqrt(next * bar) * g * r2 * m.s / (r2 * m.s * m.s + sigma * sigma);
  return {std::sqrt(next) * g + c2 * eps_gain(bar, m.S) - pull * m.s * g, pull, c1};
}

// DDIM with the denoiser of the posterior, which moment matching finds where its linear system is solved.
Affine mmps(const Mode& m, double bar, double next) {
  const double c1 = new_noise(bar, next, 1), c2 = kept_noise(next, c1), g = gain(bar, m.P),
               on_y = m.mean(1) * (1 - std::sqrt(bar) * g), e = c2 / std::sqrt(1 - bar);
  return {std::sqrt(next) * g + e * (1 - std::sqrt(bar) * g), (std::sqrt(next) - e * std::sqrt(bar)) * on_y,
          c1};
}

// Kawar et al., Eq. 8, in the form of their code, eta 0.85 and etab 1.
Affine ddrm(const Mode& m, double bar, double next) {
  const double level = std::sqrt((1 - next) / next), eta = 0.85, kept = std::sqrt(1 - eta * eta),
               a = std::sqrt(next), g = gain(bar, m.S);
  if (m.s == 0) return {a * (g + kept * level * eps_gain(bar, m.S)), 0, a * eta * level};
  if (level * m.s < sigma)
    return {a * g * (1 - kept * level * m.s / sigma), a * kept * level / sigma, a * eta * level};
  return {0, a / m.s, a * std::sqrt(level * level - sigma * sigma / (m.s * m.s))};
}

// Wang et al., Eq. 17 to 19, eta 0.85; `sy` is the noise that the method believes in.
Affine ddnm(const Mode& m, double bar, double next, double sy) {
  const double a = std::sqrt(next), st = std::sqrt(1 - next), eta = 0.85, kept = std::sqrt(1 - eta * eta),
               g = gain(bar, m.S), e = eps_gain(bar, m.S);
  if (m.s == 0) return {a * g + st * kept * e, 0, st * eta};
  if (sy == 0) return {st * kept * e, a / m.s, st * eta};
  if (st >= a * sy / m.s) return {0, a / m.s, std::sqrt(st * st - a * a * sy * sy / (m.s * m.s))};
  const double moved = m.s * st * kept / (a * sy);
  return {a * (1 - moved) * g, a * moved / m.s, st * eta};
}

// Zhu et al., lambda 7 and zeta 0.3; the noise counts in [0, 1] images.
Affine diffpir(const Mode& m, double bar, double next) {
  const double sn = sigma / 2, rho = 7 * sn * sn * bar / (1 - bar), g = gain(bar, m.S),
               on_x = rho * g / (m.s * m.s + rho), on_y = m.s / (m.s * m.s + rho);
  if (next == 1) return {on_x, on_y, 0};
  const double e = std::sqrt(0.7 * (1 - next) / (1 - bar)), rest = std::sqrt(next) - e * std::sqrt(bar);
  return {rest * on_x + e, rest * on_y, std::sqrt(0.3 * (1 - next))};
}

// Plug-and-play ADMM at a noise of 0.1: x, z and u are multiples of y.
Line pnp_admm(const Mode& m, int iterations) {
  const double sd = 0.1, rho = sigma * sigma / (sd * sd), denoise = m.S / (m.S + sd * sd);
  double z = 0, u = 0;
  for (int i = 0; i < iterations; ++i) {
    const double x = (m.s + rho * (z - u)) / (m.s * m.s + rho);
    z = denoise * (x + u);
    u += x - z;
  }
  return {z, 0};
}

// Ancestral steps give a mode some variance of their own, and Bayes the rest: the limit of many particles.
Line tds(const Mode& m, const Schedule& schedule) {
  double prior = 1;
  for (std::size_t i = schedule.betas.size(); i-- > 0;) {
    const double bar = schedule.alphas_cumprod[i], next = schedule.alphas_cumprod_prev[i],
                 beta = 1 - bar / next, on_x0 = std::sqrt(next) * beta / (1 - bar),
                 on_x = (1 - next) * std::sqrt(1 - beta) / (1 - bar);
    prior = std::pow(on_x0 * gain(bar, m.S) + on_x, 2) * prior + (1 - next) / (1 - bar) * beta;
  }
  const double variance = 1 / (1 / prior + m.s * m.s / (sigma * sigma));
  return {variance * m.s / (sigma * sigma), variance};
}

// Projection after every ancestral step, and steps of the forward process back.
Line repaint(const Mode& m, const Schedule& schedule) {
  Line line;
  const auto pass = [&](std::size_t level, double next) {
    const double bar = schedule.alphas_cumprod[level], beta = 1 - bar / next;
    if (m.s > 0)
      line = {std::sqrt(next) / m.s, 1 - next};
    else
      line.variance =
          std::pow((std::sqrt(next) * beta * gain(bar, m.S) + (1 - next) * std::sqrt(1 - beta)) / (1 - bar),
                   2) *
              line.variance +
          (1 - next) / (1 - bar) * beta;
  };
  const std::size_t T = schedule.betas.size();
  for (std::size_t t = T; t-- > 0;) {
    pass(t, schedule.alphas_cumprod_prev[t]);
    if (t == 0 || (t - 1) % 10 != 0 || t - 1 + 10 >= T) continue;
    for (int again = 1; again < 10; ++again) {
      const double kept = schedule.alphas_cumprod[t + 9] / schedule.alphas_cumprod[t - 1];
      line = {std::sqrt(kept) * line.on_y, kept * line.variance + 1 - kept};
      for (std::size_t k = t + 9; k >= t; --k) pass(k, schedule.alphas_cumprod_prev[k]);
    }
  }
  return line;
}

// A flow of 10 Euler steps from each of 101 levels.
Line reps(const Mode& m) {
  const auto between = [](double a, double b, double share, double power) {
    return std::pow((1 - share) * std::pow(a, 1 / power) + share * std::pow(b, 1 / power), power);
  };
  Line line{0, 1e4};
  for (int run = 0; run <= 100; ++run) {
    const double from = run == 0 ? 100 : between(10, 0.1, (run - 1) / 99.0, 15);
    if (run > 0) line.variance += from * from;
    for (int k = 0; k < 10; ++k) {
      const double level = between(from, 0.01, k / 9.0, 7),
                   next = k == 9 ? 0 : between(from, 0.01, (k + 1) / 9.0, 7);
      const double g = m.S / (m.S + level * level) / (m.s * m.s + 1), share = 1 - next / level;
      line.on_y = (1 - share + share * g) * line.on_y + share * m.s / (m.s * m.s + 1);
      line.variance *= std::pow(1 - share + share * g, 2);
    }
  }
  return line;
}

/// The recursion of a method that is linear, over a schedule; false where there is none.
bool theory(Line& line, const std::string& method, const Mode& m, const Schedule& schedule) {
  line = {};
  if (method == "pnp-admm") {
    line = pnp_admm(m, 30);
    return true;
  }
  if (method == "tds" || method == "repaint" || method == "reps") {
    line = method == "tds" ? tds(m, schedule) : method == "reps" ? reps(m) : repaint(m, schedule);
    return true;
  }
  if (method == "ddrm") {
    const double sT = std::sqrt(1 / schedule.alphas_cumprod.back() - 1);
    if (m.s * sT > sigma) line = {1 / (m.s * sT), (sT * sT - sigma * sigma / (m.s * m.s)) / (sT * sT)};
  }
  for (std::size_t i = schedule.betas.size(); i-- > 0;) {
    const double bar = schedule.alphas_cumprod[i], next = schedule.alphas_cumprod_prev[i];
    Affine step{};
    if (method == "pigdm")
      step = pigdm(m, bar, next);
    else if (method == "mmps")
      step = mmps(m, bar, next);
    else if (method == "ddrm")
      step = ddrm(m, bar, next);
    else if (method == "ddnm")
      step = ddnm(m, bar, next, 0);
    else if (method == "ddnm+")
      step = ddnm(m, bar, next, sigma);
    else if (method == "diffpir")
      step = diffpir(m, bar, next);
    else
      return false;
    line = {step.on_x * line.on_y + step.on_y,
            step.on_x * step.on_x * line.variance + step.noise * step.noise};
  }
  return true;
}

std::ptrdiff_t varying_modes(const std::vector<Line>& lines) {
  return std::count_if(lines.begin(), lines.end(), [](const Line& line) { return line.variance > 0; });
}

Row run(Problem& problem, const SolverKind& kind, Agreement& agreement, std::vector<Line>& lines) {
  Context& context = problem.context;
  context.start_stream(1);
  ContextNoise noise(context);
  Likelihood likelihood(context, *problem.op, problem.y, {.sigma = sigma});
  Counted prior(problem.prior);
  const Schedule schedule = schedule_of(kind, "linear", 1000, 0);
  Posterior posterior{context, prior, schedule, likelihood, problem.batch, noise};
  const auto refused = refusal(kind, *problem.op, likelihood.noise(), problem.batch);
  REQUIRE_MESSAGE(!refused, *refused);
  Settings settings(kind.name, kind.settings);
  if (settings.knows("zeta")) settings.set("zeta", 0.3);
  if (settings.knows("no_clip")) settings.set("no_clip", true);
  if (std::string(kind.name) == "mmps") settings.set("iterations", std::int64_t(12));
  if (std::string(kind.name) == "tds") settings.set("particles", std::int64_t(256));
  const Tensor x = solve(*kind.make(settings, posterior), posterior);
  lines.resize(problem.modes.size());
  bool has_theory = true;
  for (std::size_t j = 0; j < lines.size(); ++j)
    has_theory = has_theory && theory(lines[j], kind.name, problem.modes[j], schedule);
  if (!has_theory) lines.clear();
  Row row = problem.judge(x, lines, agreement);
  row.evaluations = prior.evaluations, row.gradients = prior.gradients;
  return row;
}

}  // namespace

// One problem that every row of the table fits: modes measured with singular values 1, 1/2, 1/4 and 0, noise
// 0.05. The linear methods are held to the recursion of their steps, in double, mode by mode; for the others
// the table says what they are like, and a row that changes is seen. A new solver has to state its row.
// - mmps solves its system, so that it has the posterior's denoiser: its mean is exact. Its variance is that
//   of 100 DDIM steps, which are coarse beside a posterior as narrow as 0.05.
// - tds, of 256 particles, has the posterior of what its 100 ancestral steps draw, which are coarse, too.
// - projection, mcg, repaint and ddnm end in A^+ y: where s = 1/4 the noise comes back four times as large.
TEST_CASE("every solver on a posterior known exactly: mean, variance, calibration, evaluations") {
  Context context(Device::cpu, 31);
  Problem problem(context);
  const std::map<std::string, Row> recorded = {{"dps", {1.145, 0.322, 0.410, 1000, 1000}},
                                               {"ps+", {1.238, 0.328, 0.432, 1000, 1000}},
                                               {"noisy-gradient", {1.387, 0.256, 0.345, 1000, 0}},
                                               {"mcg", {2.085, 0.199, 0.206, 1000, 1000}},
                                               {"projection", {2.085, 0.199, 0.206, 1000, 0}},
                                               {"ilvr", {1.274, 0.265, 0.344, 1000, 0}},
                                               {"ddrm", {0.559, 0.644, 0.558, 20, 0}},
                                               {"ddnm", {2.085, 0.110, 0.181, 100, 0}},
                                               {"ddnm+", {0.166, 0.383, 0.705, 100, 0}},
                                               {"pigdm", {0.125, 0.441, 0.739, 100, 100}},
                                               {"mmps", {0.000, 0.496, 0.772, 1180, 1180}},
                                               {"diffpir", {0.194, 0.791, 0.861, 100, 0}},
                                               {"pnp-admm", {0.000, 0.000, 0.000, 30, 0}},
                                               {"reddiff", {1.454, 0.296, 0.475, 1000, 0}},
                                               {"daps", {1.009, 2.419, 0.891, 1000, 0}},
                                               {"tds", {0.128, 0.764, 0.845, 100, 99}},
                                               {"repaint", {2.085, 0.152, 0.195, 2410, 0}},
                                               {"reps", {0.446, 0.540, 0.729, 1010, 0}},
                                               {"sitcom", {0.326, 0.189, 0.530, 406, 386}}};
  std::string table = "\n                mean error  variance ratio  inside 90 %  evaluations  gradients";
  for (const SolverKind* kind : solver_kinds()) {
    CAPTURE(std::string(kind->name));
    Agreement agreement;
    std::vector<Line> lines;
    const Row row = run(problem, *kind, agreement, lines);
    char text[160];
    std::snprintf(text, sizeof text, "\n%-16s%10.3f%16.3f%13.3f%13d%11d", kind->name, row.mean_error,
                  row.variance_ratio, row.inside_90, row.evaluations, row.gradients);
    table += text;
    if (!lines.empty()) {
      std::snprintf(text, sizeof text, "  theory: mean %.3f, variance %.3f, off %.1e", agreement.mean,
                    agreement.variance, agreement.off);
      table += text;
      // At least 200 squares of a standard normal, most have 1024: a standard error of 0.1, or 0.044. So many
      // variances of 19 values: 0.024, or 0.011.
      if (const auto varying = varying_modes(lines); varying > 0) {
        CHECK(std::abs(agreement.mean - 1) < (varying < 64 ? 0.3 : 0.13));
        CHECK(std::abs(agreement.variance - 1) < (varying < 64 ? 0.07 : 0.033));
      }
      // Coefficients of order 1 after float transforms of 8 pixels.
      CHECK(agreement.off < 1e-5);
    }
    const auto found = recorded.find(kind->name);
    CHECK_MESSAGE(found != recorded.end(), "a new solver: state its row here");
    if (found == recorded.end()) continue;
    const Row& r = found->second;
    // The same seed gives the same draws everywhere; FFTs of other machines differ in the last bits, which
    // guidance amplifies.
    CHECK(std::abs(row.mean_error - r.mean_error) < std::max(0.1 * r.mean_error, 0.03));
    CHECK(std::abs(row.variance_ratio - r.variance_ratio) < std::max(0.1 * r.variance_ratio, 0.02));
    CHECK(std::abs(row.inside_90 - r.inside_90) < 0.03);
    // Conjugate gradients of mmps may stop an iteration earlier or later.
    CHECK(std::abs(row.evaluations - r.evaluations) <=
          (r.evaluations == r.gradients ? r.evaluations / 50 : 0));
    CHECK(std::abs(row.gradients - r.gradients) <= r.gradients / 50);
  }
  MESSAGE(table);
}

// After 30 iterations it has come to the posterior's mean, whatever its strength: its way there is looked at.
TEST_CASE("plug-and-play ADMM takes the steps of its scalar recursion") {
  Context context(Device::cpu, 31);
  Problem problem(context);
  const Schedule schedule = make_schedule("linear", 1000);
  Likelihood likelihood(context, *problem.op, problem.y, {.sigma = sigma});
  ContextNoise noise(context);
  Posterior posterior{context, problem.prior, schedule, likelihood, problem.batch, noise};
  const SolverKind& kind = solver_kind("pnp-admm");
  for (const int iterations : {1, 2, 3}) {
    CAPTURE(iterations);
    Settings settings(kind.name, kind.settings);
    settings.set("iterations", std::int64_t(iterations));
    const Tensor x = solve(*kind.make(settings, posterior), posterior);
    std::vector<Line> lines;
    for (const Mode& m : problem.modes) lines.push_back(pnp_admm(m, iterations));
    Agreement agreement;
    problem.judge(x, lines, agreement);
    // Coefficients of order 1 after float transforms of 8 pixels.
    CHECK(agreement.off < 1e-5);
  }
}

#include "engine/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numbers>
#include <sstream>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

std::vector<double> original_betas(const std::string& name, int steps) {
  std::vector<double> betas(static_cast<std::size_t>(steps));
  if (name == "linear") {
    const double scale = 1000.0 / steps, first = scale * 0.0001, last = scale * 0.02;
    for (int i = 0; i < steps; ++i)
      betas[std::size_t(i)] = steps == 1 ? first : first + (last - first) * i / (steps - 1);
  } else if (name == "cosine") {
    const auto alpha_bar = [](double t) {
      const double c = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
      return c * c;
    };
    for (int i = 0; i < steps; ++i)
      betas[std::size_t(i)] =
          std::min(1 - alpha_bar(double(i + 1) / steps) / alpha_bar(double(i) / steps), 0.999);
  } else {
    require(false, "noise schedule '", name, "': expected linear or cosine");
  }
  return betas;
}

int parse_count(const std::string& text, const std::string& respacing) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  require(!text.empty() && *end == 0 && value > 0 && value < 1000000, "timestep respacing '", respacing,
          "': expected a number of steps, a comma-separated list of them, or ddimN");
  return int(value);
}

std::vector<int> strided(int steps, int wanted, const std::string& respacing) {
  for (int stride = 1; stride < std::max(steps, 2); ++stride)
    if ((steps + stride - 1) / stride == wanted) {
      std::vector<int> kept;
      for (int t = 0; t < steps; t += stride) kept.push_back(t);
      return kept;
    }
  throw Error(message("timestep respacing '", respacing, "': no whole stride gives ", wanted, " of ", steps,
                      " steps"));
}

// guided-diffusion's space_timesteps, including its running sum and round-half-to-even.
std::vector<int> respaced(int steps, const std::string& respacing) {
  std::vector<int> kept;
  if (respacing.empty()) {
    for (int t = 0; t < steps; ++t) kept.push_back(t);
    return kept;
  }
  if (respacing.rfind("ddim", 0) == 0)
    return strided(steps, parse_count(respacing.substr(4), respacing), respacing);
  std::vector<int> counts;
  std::istringstream list(respacing);
  for (std::string item; std::getline(list, item, ',');) counts.push_back(parse_count(item, respacing));
  require(!counts.empty(), "timestep respacing '", respacing, "' is empty");
  const int sections = int(counts.size());
  for (int i = 0, start = 0; i < sections; ++i) {
    const int size = steps / sections + (i < steps % sections ? 1 : 0), count = counts[std::size_t(i)];
    require(count <= size, "timestep respacing '", respacing, "': a section of ", size, " steps cannot give ",
            count);
    const double stride = count <= 1 ? 1 : double(size - 1) / (count - 1);
    double at = 0;
    for (int k = 0; k < count; ++k, at += stride) kept.push_back(start + int(std::nearbyint(at)));
    start += size;
  }
  return kept;
}

void derive(Schedule& s) {
  double previous = 1;
  for (const double beta : s.betas) {
    const double bar = previous * (1 - beta);
    s.alphas_cumprod.push_back(bar);
    s.alphas_cumprod_prev.push_back(previous);
    s.sqrt_recip_alphas_cumprod.push_back(std::sqrt(1 / bar));
    s.sqrt_recipm1_alphas_cumprod.push_back(std::sqrt(1 / bar - 1));
    s.posterior_variance.push_back(beta * (1 - previous) / (1 - bar));
    s.posterior_mean_coef1.push_back(beta * std::sqrt(previous) / (1 - bar));
    s.posterior_mean_coef2.push_back((1 - previous) * std::sqrt(1 - beta) / (1 - bar));
    previous = bar;
  }
  // The first posterior variance is 0; its logarithm is taken from the second.
  const std::vector<double>& v = s.posterior_variance;
  for (std::size_t i = 0; i < v.size(); ++i)
    s.posterior_log_variance_clipped.push_back(
        std::log(i == 0 && v.size() > 1 ? v[1] : std::max(v[i], 1e-20)));
}

}  // namespace

Schedule make_schedule(const std::string& name, int steps, const std::string& respacing) {
  require(steps > 0 && steps <= 1000000, "diffusion steps: ", steps, ", expected 1 to 1000000");
  return schedule_at(name, steps, respaced(steps, respacing));
}

Schedule schedule_at(const std::string& name, int steps, const std::vector<int>& kept) {
  require(steps > 0 && steps <= 1000000, "diffusion steps: ", steps, ", expected 1 to 1000000");
  require(!kept.empty() && kept.front() >= 0 && kept.back() < steps &&
              std::adjacent_find(kept.begin(), kept.end(), std::greater_equal<>()) == kept.end(),
          "diffusion: timesteps must ascend from 0 or more to less than ", steps);
  Schedule s;
  s.original_steps = steps;
  const std::vector<double> betas = original_betas(name, steps);
  double bar = 1, last = 1;
  std::size_t next = 0;
  for (int t = 0; t < steps; ++t) {
    bar *= 1 - betas[std::size_t(t)];
    if (next < kept.size() && kept[next] == t) {
      s.timesteps.push_back(t);
      // Without respacing keep the betas to the last bit.
      s.betas.push_back(int(kept.size()) == steps ? betas[std::size_t(t)] : 1 - bar / last);
      last = bar;
      ++next;
    }
  }
  derive(s);
  return s;
}

double noise_level_between(double a, double b, double share, double power) {
  const double from = std::pow(a, 1 / power), to = std::pow(b, 1 / power);
  return std::pow(from + share * (to - from), power);
}

double timestep_of(const Schedule& schedule, double bar) {
  const auto log_level = [](double b) { return std::log((1 - b) / b); };
  const std::vector<double>& bars = schedule.alphas_cumprod;  // descending
  const auto after = std::lower_bound(bars.begin(), bars.end(), bar, std::greater<>());
  if (after == bars.begin()) return schedule.timesteps.front();
  if (after == bars.end()) return schedule.timesteps.back();
  const std::size_t i = std::size_t(after - bars.begin());
  const double low = log_level(bars[i - 1]), high = log_level(bars[i]),
               share = (log_level(bar) - low) / (high - low);
  return schedule.timesteps[i - 1] + share * (schedule.timesteps[i] - schedule.timesteps[i - 1]);
}

std::vector<int> strided_timesteps(int steps, int count) {
  require(count >= 1 && count <= steps, "diffusion: ", count, " steps of ", steps);
  std::vector<int> kept;
  for (int t = 0; int(kept.size()) < count; t += steps / count) kept.push_back(t);
  return kept;
}

std::vector<int> quadratic_timesteps(int steps, int count) {
  require(count >= 1 && count <= steps, "diffusion: ", count, " steps of ", steps);
  std::vector<int> kept;
  const double square = double(steps) * steps;
  for (int k = count - 1; k >= 0; --k) {
    const int at = count == 1 ? 0 : int(std::sqrt(square * k / (count - 1)));
    const int t = steps - 1 - std::min(at, steps - 1);
    if (kept.empty() || t > kept.back()) kept.push_back(t);
  }
  return kept;
}

}  // namespace tweedie

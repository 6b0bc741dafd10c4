#include <algorithm>
#include <cmath>

#include "engine/sampler.hpp"

namespace tweedie {
namespace {

struct Row {
  Method method;
  const char *name, *what;
};

constexpr Row rows[] = {
    {Method::ddpm, "ddpm", "ancestral"},
    {Method::ddim, "ddim", "deterministic at eta 0, up to as noisy as ddpm at 1"},
    {Method::sde, "sde", "reverse stochastic differential equation, Euler-Maruyama"},
    {Method::ode, "ode", "probability-flow equation, Heun: no noise, twice the network, good in few steps"},
    {Method::pc, "pc", "sde with Langevin corrections at each noise level"},
    {Method::langevin, "langevin",
     "annealed Langevin, the score alone: wants 1000 steps and, say, 3 corrections at snr 0.4"},
    {Method::dpmpp2, "dpmpp2",
     "probability-flow equation, multistep of second order: no noise, for few steps"},
    {Method::dpmpp3, "dpmpp3", "the same of third order"},
};

}  // namespace

void require_valid(const SamplerOptions& o) {
  require(o.eta >= 0 && o.eta <= 1, "sampler: an eta of ", o.eta, "; expected 0 to 1");
  const bool chooses = o.method == Method::sde || o.method == Method::ode || o.method == Method::pc;
  require(chooses || o.parameterisation == Parameterisation::vp,
          "sampler: others than sde, ode and pc have no choice of parameterisation");
  if (o.method != Method::pc && o.method != Method::langevin) return;
  const int fewest = o.method == Method::pc ? 0 : 1;
  require(o.corrections >= fewest, "sampler: ", o.corrections, " corrections a noise level, expected ",
          fewest, " or more");
  require(o.snr > 0 && std::isfinite(o.snr), "sampler: signal-to-noise ratio ", o.snr,
          ", expected a positive number");
}

std::vector<std::string> sampler_names() {
  std::vector<std::string> names;
  for (const Row& row : rows) names.push_back(row.name);
  return names;
}

std::string describe_samplers() {
  std::string text = "Samplers:";
  for (const Row& row : rows) {
    const std::string name = row.name;
    text += "\n  " + name + std::string(10 - std::min<std::size_t>(name.size(), 9), ' ') + row.what;
  }
  return text;
}

Method parse_method(const std::string& name) {
  std::string known;
  for (const Row& row : rows) {
    if (name == row.name) return row.method;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  throw Error(message("sampler '", name, "' is not known; expected one of ", known));
}

Parameterisation parse_parameterisation(const std::string& name) {
  require(name == "vp" || name == "ve", "parameterisation '", name, "' is not known; expected vp or ve");
  return name == "vp" ? Parameterisation::vp : Parameterisation::ve;
}

}  // namespace tweedie

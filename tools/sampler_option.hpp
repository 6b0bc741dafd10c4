// --sampler and what belongs to it, the same for every program that samples.
#pragma once

#include <CLI/CLI.hpp>
#include <cmath>
#include <string>

#include "engine/sampler.hpp"
#include "tools/numbers.hpp"
#include "tools/report.hpp"

namespace tweedie {

struct SamplerChoice {
  std::string sampler = "ddpm", parameterisation = "vp";
  double eta = 0, snr = 0.16;
  int corrections = 1;
  bool no_clip = false;
};

/// What each sampler is: `describe_samplers()`, for the description.
inline void add_sampler_options(CLI::App& app, SamplerChoice& o) {
  app.add_option("--sampler", o.sampler, "How steps are taken (see above)")
      ->check(CLI::IsMember(sampler_names()))
      ->capture_default_str();
  app.add_option("--eta", o.eta, "ddim: 0 is deterministic, 1 as noisy as ddpm")->check(number(0, 1));
  app.add_option("--parameterisation", o.parameterisation,
                 "sde, ode, pc: steps in x_t (vp) or x_t / sqrt(abar_t) (ve)")
      ->check(CLI::IsMember({"vp", "ve"}))
      ->capture_default_str();
  app.add_option("--corrections", o.corrections, "pc, langevin: Langevin updates at every noise level")
      ->check(whole_number(0))
      ->capture_default_str();
  app.add_option("--snr", o.snr, "pc, langevin: signal-to-noise ratio of an update, which sets its size")
      ->check(positive_number())
      ->capture_default_str();
  app.add_flag("--no-clip", o.no_clip, "Do not clip the estimate of the image to [-1, 1] inside the sampler");
}

/// Errors: an option that changes nothing about the sampler.
inline void require_of_use(const CLI::App& app, const SamplerChoice& o) {
  const auto check = [&](const char* option, bool used, const char* of) {
    require(used || app.count(option) == 0, option, " means nothing to --sampler ", o.sampler, ", only to ",
            of);
  };
  const bool corrects = o.sampler == "pc" || o.sampler == "langevin";
  check("--eta", o.sampler == "ddim", "ddim");
  check("--corrections", corrects, "pc, langevin");
  check("--snr", corrects, "pc, langevin");
}

/// Errors: eta is no number; what `require_valid` refuses.
inline SamplerOptions sampler_options(const SamplerChoice& o, Variance variance) {
  require(std::isfinite(o.eta), "--eta: ", o.eta, " is not a finite number");
  require(std::isfinite(o.snr), "--snr: ", o.snr, " is not a finite number");
  return {parse_method(o.sampler), variance, o.eta, !o.no_clip, parse_parameterisation(o.parameterisation),
          o.corrections,           o.snr};
}

/// For report.json.
inline Json describe(const SamplerChoice& o, int steps) {
  return {{"name", o.sampler},
          {"steps", steps},
          {"eta", o.eta},
          {"parameterisation", o.parameterisation},
          {"corrections", o.corrections},
          {"snr", o.snr},
          {"clip_denoised", !o.no_clip}};
}

}  // namespace tweedie

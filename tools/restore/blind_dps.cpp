// BlindDPS: every unknown walks by its own prior, all guided by one measurement.
#include <cmath>
#include <map>

#include "engine/joint.hpp"
#include "tools/restore/blind.hpp"

namespace tweedie {
namespace {

constexpr Setting settings[] = {
    Setting::text(
        "scale_rule", "sqrt_abar", "sqrt_abar, constant",
        "step sizes: a scale times sqrt(abar_t), as the BlindDPS repository has it, or alone, as its "
        "paper has it"),
    Setting::number("scale_image", Setting::none, 0, Setting::unbounded,
                    "step size of the image; default 1, constant 0.3; for the analytic prior what suits it"),
    Setting::number("scale_kernel", Setting::none, 0, Setting::unbounded,
                    "step size of the kernel; default 1, constant 0.3"),
    Setting::number("scale_tilt", Setting::none, 0, Setting::unbounded,
                    "step size of the tilt; default 1, constant 0.3"),
    Setting::number("clip_image", 1, 0, 1000, "the image's estimate is limited to +- this; 0: not"),
    Setting::number("clip_kernel", 1, 0, 1000, "the kernel's estimate is limited to +- this; 0: not"),
    Setting::number("clip_tilt", 2.5, 0, 1000, "the tilt's estimate, in pixels (compat: 1)"),
    Setting::number("reg_scale", 0, 0, Setting::unbounded,
                    "weight of the kernel's sparsity, of values from 0 to 1 before they are brought to sum 1 "
                    "(not the paper's lambda; try 0.001 to 0.01)")
        .spelled("--reg_scale"),
    Setting::whole("reg_ord", 1, 0, 1, "sparsity: 1, the sum of the values; 0, a smooth count of them")
        .spelled("--reg_ord"),
    Setting::text("variance", "auto", "auto, learned_range, fixed_small, fixed_large",
                  "of the image's steps; auto: what the prior learned, else fixed_small")
        .spelled(""),
    Setting::flag("no_clip", "do not limit any estimate").spelled(""),
    Setting::flag("compat", "as the published code computes it, where that differs"),
};

/// A key of the settings for an unknown.
std::string key(const char* what, const std::string& unknown) { return std::string(what) + "_" + unknown; }

WalkerOptions options_of(const BlindProblem& b, const std::string& unknown) {
  const Settings& s = *b.options.settings;
  WalkerOptions o;
  o.name = unknown;
  const bool constant = s.text("scale_rule") == "constant", compat = s.flag("compat");
  o.step.kind = constant ? StepRule::Kind::constant : StepRule::Kind::sqrt_abar;
  o.step.scale = constant ? 0.3 : 1;
  if (unknown == "image" && !b.prior.network)
    o.step.scale =
        b.problem.description().kind->steps.spectrum * std::sqrt(double(b.problem.y().shape().size()));
  if (s.stated(key("scale", unknown))) o.step.scale = s.number(key("scale", unknown));
  o.clip = s.flag("no_clip") ? 0 : s.number(key("clip", unknown));
  if (compat && unknown == "tilt" && !s.stated("clip_tilt")) o.clip = 1;
  // The published regulariser is a constant: it moves nothing.
  if (unknown == "kernel" && !compat) o.sparsity = {s.number("reg_scale"), s.integer("reg_ord")};
  return o;
}

SamplerOptions sampler_of(const Settings& s, const Prior& prior, bool of_image) {
  SamplerOptions o;
  o.variance = prior.variance();
  const std::string stated = s.text("variance");
  if (of_image && stated == "fixed_small") o.variance = Variance::fixed_small;
  if (of_image && stated == "fixed_large") o.variance = Variance::fixed_large;
  if (of_image && stated == "learned_range") o.variance = Variance::learned_range;
  return o;
}

void require_suits(const BlindProblem& b) {
  for (const char* unknown : b.row().unknowns)
    require(b.priors.contains(unknown), "task ", b.problem.task, ": --method blind-dps needs a prior of the ",
            unknown, ": give --", unknown, "-weights");
  const DiffusionConfig its = b.prior.network ? b.prior.network->diffusion : DiffusionConfig{};
  for (const auto& [unknown, prior] : b.priors) {
    const DiffusionConfig& ours = prior.network->diffusion;
    require(ours.noise_schedule == its.noise_schedule && ours.steps == its.steps, "the prior of the ",
            unknown, " was trained with ", ours.steps, " steps, ", ours.noise_schedule, ", the image's with ",
            its.steps, ", ", its.noise_schedule, "; all unknowns walk by the same steps");
  }
  // A kernel enlarged and cut again would lose its sum and its middle.
  require(b.padded("kernel") == b.shape("kernel"), "task ", b.problem.task, ": a kernel of ",
          b.shape("kernel").H, " pixels; its prior needs a multiple of ", b.priors.at("kernel").stride(),
          ": see --kernel-size");
}

BlindFound run(BlindProblem& b, const BlindProgress& progress) {
  Context& context = b.context;
  const Settings& s = *b.options.settings;
  ContextNoise noise(context);
  SimplexChart simplex(context);
  JointMisfit misfit(context, b.walked(), b.problem.y());
  // Walkers refer to their samplers' options.
  const SamplerOptions of_image = sampler_of(s, b.prior, true);
  std::map<std::string, SamplerOptions> of_unknowns;
  for (const std::string unknown : b.row().unknowns)
    of_unknowns.emplace(unknown, sampler_of(s, b.priors.at(unknown), false));
  std::vector<Walker> walkers;
  walkers.reserve(b.row().unknowns.size() + 1);
  walkers.emplace_back(context, options_of(b, "image"), &b.prior.denoiser(), nullptr, b.schedule, of_image,
                       noise);
  walkers[0].x = context.normal(b.problem.padded);
  for (const std::string unknown : b.row().unknowns) {
    const Prior& prior = b.priors.at(unknown);
    walkers.emplace_back(context, options_of(b, unknown), &prior.denoiser(),
                         unknown == "kernel" ? &simplex : nullptr, b.schedule, of_unknowns.at(unknown),
                         noise);
    walkers.back().x = context.normal(b.padded(unknown));
  }
  joint_sample(walkers, misfit, [&](int executed) {
    progress(executed, std::sqrt(context.download(misfit.distance_squared())[0]));
    return true;
  });
  BlindFound found{walkers[0].physical(walkers[0].x), {}};
  for (std::size_t k = 1; k < walkers.size(); ++k)
    found.unknowns.emplace(walkers[k].options().name, walkers[k].physical(walkers[k].x));
  return found;
}

Json describe(const BlindProblem& b) {
  Json scales{{"image", options_of(b, "image").step.scale}}, clips{{"image", options_of(b, "image").clip}};
  for (const std::string unknown : b.row().unknowns) {
    scales[unknown] = options_of(b, unknown).step.scale;
    clips[unknown] = options_of(b, unknown).clip;
  }
  return {{"scales", scales}, {"clips", clips}};
}

}  // namespace

const BlindKind blind_dps_kind{
    "blind-dps",
    "BlindDPS: image, kernel and tilt each by a prior of its own (--kernel-weights, --tilt-weights)",
    settings,
    require_suits,
    [](const BlindProblem& b) { return b.schedule.steps(); },
    run,
    "",
    describe};

}  // namespace tweedie

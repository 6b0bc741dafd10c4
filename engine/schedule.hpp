// The noise schedule of a discrete diffusion, and its respacing to fewer steps.
#pragma once

#include <string>
#include <vector>

namespace tweedie {

/// One step of a diffusion as a denoiser sees it.
struct NoiseLevel {
  double timestep = 0;        ///< index into the original schedule: what the network was trained on
  double alphas_cumprod = 1;  ///< abar_t: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) n
};

/// Coefficients of a (respaced) variance-preserving diffusion, in double; index 0 is the least noisy step.
/// Names and formulas of Ho et al. 2020 and guided-diffusion's GaussianDiffusion.
struct Schedule {
  std::vector<int> timesteps;  ///< original index of each step, ascending
  std::vector<double> betas, alphas_cumprod, alphas_cumprod_prev;
  std::vector<double> sqrt_recip_alphas_cumprod, sqrt_recipm1_alphas_cumprod;
  std::vector<double> posterior_variance, posterior_log_variance_clipped;
  std::vector<double> posterior_mean_coef1, posterior_mean_coef2;
  int original_steps = 0;

  int steps() const { return int(betas.size()); }
  NoiseLevel level(int i) const {
    return {double(timesteps[std::size_t(i)]), alphas_cumprod[std::size_t(i)]};
  }
};

/// "linear" (0.0001 to 0.02 for 1000 steps, scaled for others) or "cosine" (Nichol & Dhariwal 2021),
/// respaced. `respacing`: "" keeps all steps; "50" spreads 50 evenly; "10,15,20" splits the steps in equal
/// sections with so many each; "ddim50" takes every (steps/50)-th. Errors: unknown name, or a respacing that
/// does not fit.
Schedule make_schedule(const std::string& name, int steps, const std::string& respacing = "");

/// The same diffusion at these original timesteps alone, ascending. Errors: timesteps that are not ascending
/// or not there.
Schedule schedule_at(const std::string& name, int steps, const std::vector<int>& timesteps);

/// The timestep at which the diffusion has abar: by the logarithm of the noise level, between the schedule's;
/// outside of them its first or its last.
double timestep_of(const Schedule& schedule, double bar);

/// A noise level on the way from a to b, `share` from 0 to 1, on a grid of that power (Karras et al., NeurIPS
/// 2022, Eq. 5): the power's root goes evenly.
double noise_level_between(double a, double b, double share, double power);

/// Timesteps 0, T/n, 2 T/n, ..., as DDRM, DDNM and RED-diff take them (of 1000 and 10: 0, 100, ..., 900).
std::vector<int> strided_timesteps(int steps, int count);
/// T - 1 - floor(sqrt(k T^2 / (n - 1))) for k = n - 1, ..., 0, as DiffPIR takes them: dense at little noise.
std::vector<int> quadratic_timesteps(int steps, int count);

}  // namespace tweedie

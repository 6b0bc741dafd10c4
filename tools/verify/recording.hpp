// What recordings of runs hold: states at some steps, draws, the diffusion.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/sampler.hpp"
#include "weights/array_file.hpp"

namespace tweedie::verify {

/// The recorded draws of one unknown, in the order of execution.
class RecordedNoise : public NoiseSource {
 public:
  /// `prefix`: of the datasets' names ("kernel_").
  RecordedNoise(Context& context, const ArrayFile& file, const std::string& prefix = "");
  void ancestral(View<float> out, int executed) override { put(out, ancestral_, executed); }
  void measurement(View<float> out, int executed) override { put(out, measurement_, executed); }
  void uniform(View<float> out, int executed, int draw) override { put(out, uniform_, 5 * executed + draw); }

 private:
  void put(View<float> out, const std::vector<float>& recorded, int index);
  Context& context_;
  std::vector<float> ancestral_, measurement_, uniform_;
};

struct Diffusion {
  Schedule schedule;
  SamplerOptions options;
  double time_scale = 1;  ///< what rescale_timesteps multiplies the schedule's steps by
};

/// From the attribute `diffusion`. Errors: what is not supported.
Diffusion read_diffusion(const ArrayFile& file);

/// An array of states and the executed steps it holds: those that its attribute `steps`, or the file's
/// attribute NAME_steps, lists; else all.
struct Recording {
  std::string name;
  Shape shape;  ///< of one state
  std::vector<int> steps;
  std::vector<float> values;

  Recording(const ArrayFile& file, const std::string& dataset);
  bool has(int step) const;
  std::span<const float> at(int step) const;
};

/// The values, each multiplied by 1 + `perturbation` u, u uniform in [-1, 1) from this stream of the context.
Tensor perturbed(Context& context, const Shape& shape, std::span<const float> values, double perturbation,
                 std::uint64_t stream);

}  // namespace tweedie::verify

// Comparisons of our numbers with recorded ones, and the kinds of reference files.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "layers/unet.hpp"
#include "operators/factory.hpp"
#include "weights/array_file.hpp"

namespace tweedie::verify {

/// One array compared: |ours - theirs| / |theirs| in the Euclidean norm, and the element that differs most.
struct Check {
  std::string name;
  double error = 0;
  std::size_t worst = 0;
  double ours = 0, theirs = 0;  ///< at the worst element
  double tolerance = 0;
  bool absolute = false;  ///< the error is |ours - theirs|, not relative
  bool judged = true;     ///< false: reported only
  std::string note = {};  ///< what else a reader must know: which elements were set apart, what t means
  bool passed() const { return error <= tolerance; }  // NaN does not pass
};

/// Multiplies a network's timesteps by `scale` while it lives.
class TimeScale {
 public:
  TimeScale(UNet& network, double scale) : network_(network), before_(network.time_scale()) {
    network.set_time_scale(scale);
  }
  ~TimeScale() { network_.set_time_scale(before_); }
  TimeScale(const TimeScale&) = delete;
  TimeScale& operator=(const TimeScale&) = delete;

 private:
  UNet& network_;
  double before_;
};

template <class T>
Check compare(const std::string& name, std::span<const T> ours, std::span<const T> theirs, double tolerance);

/// The same without the elements that `apart` marks, in whose place a note says how many they are and `why`.
/// They are elements beside a kink (a clip, a leaky ReLU), where rounding decides which of two slopes is
/// taken. When they are more than half, nothing is left to judge by, and the check fails.
Check compare_rest(const std::string& name, std::span<const float> ours, std::span<const float> theirs,
                   double tolerance, const std::vector<bool>& apart, const std::string& why);

/// What every kind of file is checked with.
struct Setup {
  Context& context;
  double tolerance = 1e-4;
  UNet* network = nullptr;                   ///< for network and trajectory files
  std::map<std::string, UNet*> priors = {};  ///< of the other unknowns of blind runs: "kernel", "tilt"
  std::string operator_weights;              ///< for operators that are networks
  std::string images = {};                   ///< folder of the photographs that a recording names
};

/// Checks one reference file; its kind is recognised by its datasets.
/// Errors: unknown kind, missing datasets, a network that is needed and not given.
std::vector<Check> check_file(const Setup& setup, const ArrayFile& file);

std::vector<Check> check_network(const Setup& setup, const ArrayFile& file);
std::vector<Check> check_trajectory(const Setup& setup, const ArrayFile& file);
std::vector<Check> check_operator(const Setup& setup, const ArrayFile& file);
/// An operator of several unknowns, with a gradient for each.
std::vector<Check> check_blind_operator(const Setup& setup, const ArrayFile& file);
/// A run that sampled several unknowns together.
std::vector<Check> check_blind_trajectory(const Setup& setup, const ArrayFile& file);
/// A run of another solver than guided sampling, by its attribute `solver`.
std::vector<Check> check_solver(const Setup& setup, const ArrayFile& file);
/// A recording's `param_grads` of a network; none where it has none. The network has just been checked.
std::vector<Check> check_parameter_gradients(const Setup& setup, const ArrayFile& file,
                                             const std::vector<float>& t);
/// Losses of training, their gradients by a network's output and by its parameters.
std::vector<Check> check_training_losses(const Setup& setup, const ArrayFile& file);
/// Some steps of training: losses, norms, how parameters and averages moved.
std::vector<Check> check_training_run(const Setup& setup, const ArrayFile& file);
/// Loss-aware timesteps.
std::vector<Check> check_loss_aware(const ArrayFile& file);
std::vector<Check> check_schedules(const Setup& setup, const ArrayFile& file);

/// A four-dimensional dataset as a planar tensor.
Tensor load(Context& context, const ArrayFile& file, const std::string& name);
Shape shape_of(const ArrayFile& file, const std::string& name);
/// What a file has of the arrays an operator needs: its mask, its kernel (of two dimensions or four).
OperatorData operator_data(const Setup& setup, const ArrayFile& file);

}  // namespace tweedie::verify

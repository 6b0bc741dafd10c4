// A solver: a way to draw from p(x | y), or to estimate x. One class, one file and one row each.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/evaluation.hpp"
#include "engine/likelihood.hpp"
#include "engine/sampler.hpp"
#include "engine/settings.hpp"
#include "kernels/mailbox.hpp"

namespace tweedie {

/// What a solver works on: p(x | y) by its prior and its likelihood, and where its random numbers come from.
struct Posterior {
  Context& context;
  Denoiser& prior;
  const Schedule&
      schedule;  ///< the steps that will be taken, of the diffusion that the prior was trained for
  Likelihood& likelihood;
  Shape image;  ///< (N, C, H, W): N draws at once
  NoiseSource& noise;
};

/// The method: a state that moves step by step, from `start` to `result`. Steps of one run are taken in order
/// on one object; a new run begins with `start`. States are planar, alike the image (of several particles:
/// so many images for each sample); the result is alike the image.
class Solver {
 public:
  virtual ~Solver() = default;
  /// Steps of a run.
  virtual int steps(const Posterior& p) const { return p.schedule.steps(); }
  /// The state before the first step.
  virtual Tensor start(Posterior& p) = 0;
  /// The state after step `executed` (0, 1, ...), x being the one before it.
  virtual Tensor step(Posterior& p, Tensor x, int executed) = 0;
  /// The images of the last state.
  virtual Tensor result(Posterior& p, Tensor x) {
    (void)p;
    return x;
  }
  /// The prior's estimate of the image in the last step, before the measurement corrected it. Errors: no step
  /// yet.
  virtual const Tensor& estimate() const = 0;
  /// |y - A(.)|^2 of each sample as the last step saw it, where it did; else empty.
  virtual const TensorOf<double>& misfit_squared() const = 0;
};

/// The root of the mean of `misfit_squared` over the samples; nothing where there is none. Not finite where
/// one sample's is not.
std::optional<double> distance(Context& context, const Solver& solver);

/// The distance of each step, looked at while the next is queued: on CUDA that of the step before, so that
/// the device never waits for the host.
class MisfitWatch {
 public:
  struct Seen {
    int executed;
    double distance;
  };
  MisfitWatch(Context& context, const Solver& solver) : context_(context), solver_(solver) {}
  /// After step `executed`: the newest that is known, or nothing yet, or where nothing is measured.
  std::optional<Seen> after(int executed);
  /// After the last step: its own, where `after` did not know it yet.
  std::optional<Seen> last();

 private:
  Context& context_;
  const Solver& solver_;
  std::optional<Mailbox> mailbox_;
  std::optional<Scalars> values_;
  int executed_ = 0;
};

/// Called after every step with its number and the state; false ends the run early.
using SolverObserver = std::function<bool(int executed, const Tensor& x)>;

/// A whole run. Errors: those of the solver.
Tensor solve(Solver& solver, Posterior& p, const SolverObserver& observer = {});

/// Which timesteps of the trained diffusion a solver takes by itself.
enum class Spacing { respaced, strided, quadratic };

/// Something that a solver asks of what was measured, and how.
struct Need {
  const char* what;  ///< "a linear operator"
  bool (*met)(ForwardOperator& op, const NoiseModel& noise, const Shape& image);
};
namespace needs {
extern const Need linear, pseudo_inverse, inverse, spectrum, gaussian, same_picture;
}

/// One row of the table of solvers.
struct SolverKind {
  const char* name;
  const char* what;  ///< one line for `--help`
  std::span<const Need* const> needs;
  std::span<const Setting> settings;
  std::unique_ptr<Solver> (*make)(const Settings& settings, Posterior& p);
  int steps = 0;  ///< by default; 0: all the prior was trained for
  Spacing spacing = Spacing::respaced;
};

/// All solvers that ask nothing but what engine knows.
std::span<const SolverKind* const> solver_kinds();

/// The row of that name. Errors: an unknown name (the known ones are listed).
const SolverKind& solver_kind(const std::string& name);

/// Why this solver cannot work on measurements of this operator with this noise, in one line; nothing where
/// it can. The one place that says what fits what.
std::optional<std::string> refusal(const SolverKind& kind, ForwardOperator& op, const NoiseModel& noise,
                                   const Shape& image);

/// The schedule of a kind's own spacing: of the diffusion `name` of `trained` steps, `steps` of them (0: the
/// kind's default).
Schedule schedule_of(const SolverKind& kind, const std::string& name, int trained, int steps);

}  // namespace tweedie

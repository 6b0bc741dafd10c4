#include "engine/solvers/solver.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/solvers/proximal.hpp"
#include "kernels/range.hpp"

namespace tweedie {

namespace {

double root_mean(const Scalars& values) {
  return std::sqrt(std::accumulate(values.begin(), values.end(), 0.0) / double(values.size()));
}

}  // namespace

std::optional<double> distance(Context& context, const Solver& solver) {
  const TensorOf<double>& squared = solver.misfit_squared();
  if (!squared) return {};
  Scalars values(context, squared.shape().N);
  context.download(values, squared);
  return root_mean(values);
}

std::optional<MisfitWatch::Seen> MisfitWatch::after(int executed) {
  const TensorOf<double>& squared = solver_.misfit_squared();
  if (!squared) return {};
  if (!mailbox_) {
    values_.emplace(context_, squared.shape().N);
    mailbox_.emplace(context_.queue, values_->size() * sizeof(double));
  }
  require(squared.shape().N == int(values_->size()), "misfits of ", squared.shape().N,
          " samples after those of ", values_->size());
  const int before = std::exchange(executed_, executed);
  if (!mailbox_->exchange(values_->data(), squared.data())) return {};
  return Seen{context_.queue.on_cuda() ? before : executed, root_mean(*values_)};
}

std::optional<MisfitWatch::Seen> MisfitWatch::last() {
  if (!mailbox_ || !mailbox_->collect(values_->data())) return {};
  return Seen{executed_, root_mean(*values_)};
}

Tensor solve(Solver& solver, Posterior& p, const SolverObserver& observer) {
  Tensor x = solver.start(p);
  const int steps = solver.steps(p);
  for (int executed = 0; executed < steps; ++executed) {
    {
      const Range range("step");
      x = solver.step(p, std::move(x), executed);
    }
    if (observer && !observer(executed, x)) break;
  }
  return solver.result(p, std::move(x));
}

namespace needs {

const Need linear{"a linear operator", [](ForwardOperator& op, const NoiseModel&, const Shape&) {
                    return as_linear(op) != nullptr;
                  }};
const Need pseudo_inverse{
    "a linear operator with a pseudo-inverse (that of a blur or of line integrals would amplify noise "
    "without bound)",
    [](ForwardOperator& op, const NoiseModel&, const Shape&) {
      return as_linear(op) && as_linear(op)->has_pseudo_inverse();
    }};
const Need inverse{
    "a linear operator that can be inverted where it measures (masks, reductions, luma, blurs of one "
    "row and one column, single-coil k-space)",
    [](ForwardOperator& op, const NoiseModel&, const Shape& image) {
      return as_linear(op) && inverts(*as_linear(op), image);
    }};
const Need spectrum{
    "an operator whose singular value decomposition is known (masks, means, luma, separable or circular "
    "blurs, "
    "bicubic reduction, single-coil k-space)",
    [](ForwardOperator& op, const NoiseModel&, const Shape& image) {
      return as_linear(op) && as_linear(op)->spectral(image) != nullptr;
    }};
const Need gaussian{"Gaussian noise, or none", [](ForwardOperator&, const NoiseModel& noise, const Shape&) {
                      return noise.photon_rate == 0;
                    }};
const Need same_picture{"a measurement that is the picture, reduced by a whole factor or not at all",
                        [](ForwardOperator& op, const NoiseModel&, const Shape& image) {
                          const Shape y = op.output_shape(image);
                          return y.C == image.C && y.H > 0 && y.W > 0 && image.H % y.H == 0 &&
                                 image.W % y.W == 0 && image.H / y.H == image.W / y.W;
                        }};

}  // namespace needs

const SolverKind& solver_kind(const std::string& name) {
  std::string known;
  for (const SolverKind* kind : solver_kinds()) {
    if (name == kind->name) return *kind;
    known += (known.empty() ? "" : ", ") + std::string(kind->name);
  }
  throw Error(message("method '", name, "' is not known; expected one of ", known));
}

std::optional<std::string> refusal(const SolverKind& kind, ForwardOperator& op, const NoiseModel& noise,
                                   const Shape& image) {
  for (const Need* need : kind.needs)
    if (!need->met(op, noise, image)) return message("method ", kind.name, " needs ", need->what);
  return {};
}

Schedule schedule_of(const SolverKind& kind, const std::string& name, int trained, int steps) {
  const int count = steps > 0 ? steps : kind.steps > 0 ? std::min(kind.steps, trained) : trained;
  switch (kind.spacing) {
    case Spacing::strided:
      return schedule_at(name, trained, strided_timesteps(trained, count));
    case Spacing::quadratic:
      return schedule_at(name, trained, quadratic_timesteps(trained, count));
    case Spacing::respaced:
      break;
  }
  return make_schedule(name, trained, count == trained ? std::string() : std::to_string(count));
}

}  // namespace tweedie

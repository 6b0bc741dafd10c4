// Charts: how an estimate becomes what an operator takes, with the way back for gradients.
#pragma once

#include <memory>

#include "engine/context.hpp"
#include "engine/saved.hpp"

namespace tweedie {

/// A differentiable map of a tensor into one of the same shape, inside the gradient of the misfit: a
/// network's estimate in [-1, 1] becomes a kernel that is positive and sums to 1.
class Chart {
 public:
  virtual ~Chart() = default;
  /// An empty state for `forward` to fill.
  virtual std::unique_ptr<Saved> make_saved() const = 0;
  virtual Tensor forward(const Tensor& x, Saved* saved = nullptr) = 0;
  /// (d chart / dx)^T dy at the x that `saved` was filled at.
  virtual Tensor backward(const Tensor& dy, Saved& saved) = 0;
};

/// k = u / sum u, u = (x + 1) / 2, sample by sample; uniform where the sum is not positive
/// (kernels/simplex.hpp).
class SimplexChart : public Chart {
 public:
  explicit SimplexChart(Context& context) : context_(context) {}
  std::unique_ptr<Saved> make_saved() const override;
  Tensor forward(const Tensor& x, Saved* saved = nullptr) override;
  Tensor backward(const Tensor& dy, Saved& saved) override;

 private:
  struct State;
  Context& context_;
};

/// x limited to [-limit, limit]; the gradient is 0 where it was.
class ClipChart : public Chart {
 public:
  /// Errors: a limit that is not positive.
  ClipChart(Context& context, double limit);
  std::unique_ptr<Saved> make_saved() const override;
  Tensor forward(const Tensor& x, Saved* saved = nullptr) override;
  Tensor backward(const Tensor& dy, Saved& saved) override;

 private:
  struct State;
  Context& context_;
  float limit_;
};

}  // namespace tweedie

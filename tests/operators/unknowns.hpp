// What tests of operators with several unknowns share.
#pragma once

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {

/// An operator of several unknowns at values that the tests choose.
struct Several {
  Context& context;
  ForwardOperator& op;
  std::vector<Shape> shapes;
  std::vector<std::vector<float>> values;

  Shape measured() const { return op.output_shape(shapes); }
  std::vector<Tensor> tensors() const {
    std::vector<Tensor> u;
    for (std::size_t k = 0; k < shapes.size(); ++k) u.push_back(context.upload(shapes[k], values[k]));
    return u;
  }
  std::vector<float> forward() const { return context.download(op.forward(Unknowns(tensors()))); }
  /// The gradient of <dy, A(u)> with respect to every unknown for which `wanted` says so; empty where not.
  std::vector<std::vector<float>> gradients(const std::vector<float>& dy, std::vector<bool> wanted) const {
    const auto saved = op.make_saved();
    op.forward(Unknowns(tensors()), saved.get());
    std::vector<Tensor> du(shapes.size());
    std::vector<Tensor*> asked;
    for (std::size_t k = 0; k < du.size(); ++k) asked.push_back(wanted[k] ? &du[k] : nullptr);
    op.backward(asked, context.upload(measured(), dy), *saved);
    std::vector<std::vector<float>> results;
    for (const Tensor& d : du) results.push_back(d ? context.download(d) : std::vector<float>());
    return results;
  }
  /// `check_vjp` in unknown k.
  void check_gradient(const std::string& what, std::size_t k, double tolerance, double h) const {
    std::vector<bool> wanted(shapes.size(), false);
    wanted[k] = true;
    check_vjp(
        what,
        [&](const std::vector<float>& at) {
          Several moved = *this;
          moved.values[k] = at;
          return moved.forward();
        },
        [&](const std::vector<float>& dy) { return gradients(dy, wanted)[k]; }, values[k], tolerance, h);
  }
};

}  // namespace tweedie::test

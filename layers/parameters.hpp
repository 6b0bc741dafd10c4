// All parameters of a network in one stretch of memory, and their gradients in another: what optimisers,
// averages, norms and checkpoints walk over in one pass.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "kernels/convolution.hpp"
#include "weights/tensor_source.hpp"

namespace tweedie {

/// One parameter as its layer holds it.
struct Parameter {
  std::string name;                           ///< its key in checkpoints
  Extents extents;                            ///< its shape in checkpoints
  Tensor* storage = nullptr;                  ///< the layer's own tensor
  std::optional<ConvolutionGeometry> packed;  ///< set: packed weights, whose channels may be padded
};

/// The arena. Elements lie in the order the device wants them in, so that any sum over them is a plain loop;
/// padding, between parameters and inside them, holds 0 and has gradient 0.
class Parameters {
 public:
  /// Moves the parameters of `list` into one arena: each layer's tensor becomes a part of it.
  Parameters(Context& context, std::vector<Parameter> list);

  /// (1, 1, 1, size), planar.
  Tensor& values() { return values_; }
  const Tensor& values() const { return values_; }
  /// An arena of the same layout, filled with 0: gradients, moments, averages.
  Tensor make_arena() const;
  std::size_t count() const { return list_.size(); }
  const std::string& name(std::size_t i) const { return list_[i].name; }
  const Extents& extents(std::size_t i) const { return list_[i].extents; }
  /// Numbers that are learned: without padding.
  std::int64_t learned() const;

  /// Parameter i of an arena of this layout, in the order of checkpoints; and back.
  std::vector<float> read(const Tensor& arena, std::size_t i) const;
  void write(Tensor& arena, std::size_t i, std::span<const float> values) const;

 private:
  std::int64_t stored(std::size_t i) const;

  Context& context_;
  std::vector<Parameter> list_;
  std::vector<std::int64_t> offsets_;
  Tensor values_;
};

/// The gradients' arena: what backward passes add to (and optimisers set to 0 again).
class Gradients {
 public:
  explicit Gradients(const Parameters& parameters)
      : base_(parameters.values().data()), values_(parameters.make_arena()) {}
  Tensor& values() { return values_; }
  const Tensor& values() const { return values_; }
  /// Where the gradient by a layer's tensor lies, which must be part of the parameters' arena.
  View<float> of(const Tensor& parameter);

 private:
  const float* base_;
  Tensor values_;
};

}  // namespace tweedie

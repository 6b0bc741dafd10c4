// One convolution of oneDNN (2.x and 3.x), ready to be executed. For kernels/convolution.cpp only.
#pragma once

#include <cstddef>
#include <dnnl.hpp>
#include <string>

#include "kernels/convolution.hpp"

namespace tweedie::onednn {

/// The channel block of activations and weights: 16 where vectors hold 16 floats, 8 on AVX and AVX2 (given
/// blocks of 16 there, oneDNN falls back to its reference loops, a hundred times slower).
int channel_block();

/// Whether the CPU multiplies bfloat16 (AVX512-BF16 or AMX); without, oneDNN has no or slow kernels for it.
bool multiplies_bf16();
/// Whether it does so in matrix units (AMX), several times as fast as fp32. Vectors of bfloat16 are not as
/// fast as Winograd's method in fp32.
bool has_matrix_units();

/// `winograd_prepared` wants weights already transformed: 4 times the memory.
enum class Method { direct, winograd, winograd_prepared };

/// The order an implementation wants its weights in, b being the channel block.
enum class WeightsOrder {
  packed,   ///< OIhw{b}i{b}o, as `convolution_pack` stores them
  flipped,  ///< OIhw{b}o{b}i: each block transposed
  swapped,  ///< IOhw{b}o{b}i: each block transposed, and the blocks too
  other     ///< anything else; takes a reorder by oneDNN
};

class Convolution {
 public:
  /// Empty when oneDNN does not offer the method for this problem.
  Convolution(const dnnl::engine& engine, const ConvolutionProblem& problem, Method method);
  explicit operator bool() const { return bool(primitive_); }

  WeightsOrder order() const { return order_; }
  /// oneDNN's name of the implementation, such as "jit:avx512_core".
  const std::string& implementation() const { return implementation_; }
  std::size_t weights_bytes() const { return weights_bytes_; }
  /// Scratch memory that `execute` and `reorder` need.
  std::size_t scratch_bytes() const { return scratch_bytes_; }

  /// Forward: `to` = y, `from` = x. Backward: `to` = dx, `from` = dy. `weights` in `order()`.
  void execute(dnnl::stream& stream, float* to, const float* from, const float* weights, const float* bias,
               void* scratch);
  /// Packed weights -> the implementation's order, by oneDNN.
  void reorder(dnnl::stream& stream, float* weights, const float* packed, void* scratch);

 private:
  template <class Description>
  void adopt(const dnnl::engine& engine, const Description& description);
  void make_reorder(const dnnl::engine& engine);

  ConvolutionProblem problem_;
  dnnl::memory::desc x_desc_, y_desc_, packed_desc_;
  WeightsOrder order_ = WeightsOrder::other;
  std::string implementation_;
  std::size_t weights_bytes_ = 0, scratch_bytes_ = 0;
  dnnl::primitive primitive_, reorder_;
  dnnl::memory from_, to_, weights_, bias_, packed_, scratch_, reorder_scratch_;
};

/// The gradient of a convolution by its weights and bias (`problem.bias`).
class WeightsGradient {
 public:
  /// Empty when oneDNN does not offer the method for this problem.
  WeightsGradient(const dnnl::engine& engine, const ConvolutionProblem& problem, Method method);
  explicit operator bool() const { return bool(primitive_); }
  /// oneDNN's name of the implementation.
  const std::string& implementation() const { return implementation_; }
  /// Scratch memory that `execute` needs.
  std::size_t scratch_bytes() const { return scratch_bytes_; }
  /// dweights (packed order) and dbias are overwritten. `reordered`: room for as many floats as weights, used
  /// only when `needs_reorder()`.
  void execute(dnnl::stream& stream, float* dweights, float* dbias, const float* x, const float* dy,
               float* reordered, void* scratch);
  bool needs_reorder() const { return bool(reorder_); }
  std::size_t weights_bytes() const { return weights_bytes_; }

 private:
  ConvolutionProblem problem_;
  std::string implementation_;
  std::size_t weights_bytes_ = 0, scratch_bytes_ = 0;
  dnnl::primitive primitive_, reorder_;
  dnnl::memory x_, dy_, weights_, bias_, packed_, scratch_, reorder_scratch_;
};

}  // namespace tweedie::onednn

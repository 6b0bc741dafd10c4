// A convolution of bfloat16 operands by oneDNN, between tensors of float32,
// or of operands that are stored so. For kernels/convolution.cpp only.
#pragma once

#include <cstddef>
#include <dnnl.hpp>
#include <string>

#include "kernels/convolution.hpp"

namespace tweedie::onednn {

/// One problem (forward, backward by data or by weights) whose operands are rounded to bfloat16 and laid out
/// channels-last, as AMX wants them: with activations in blocks of 16 oneDNN falls back to AVX512-BF16, ten
/// times slower. Products are exact, sums float32.
class Bf16Convolution {
 public:
  /// Empty when oneDNN does not offer it for this problem.
  Bf16Convolution(const dnnl::engine& engine, const ConvolutionProblem& problem);
  explicit operator bool() const { return bool(primitive_); }
  /// oneDNN's name of the implementation.
  const std::string& implementation() const { return implementation_; }
  /// Memory that `execute` needs beside the tensors.
  std::size_t workspace_bytes() const;

  /// Forward: to = y, a = x, b = packed weights. Backward by data: to = dx, a = dy, b = packed weights. By
  /// weights: to = dpacked, which is added to, a = x, b = dy, and dbias is added to. `bias`: of the forward.
  /// x, or backward by data dy, is stored as the problem's `operand`.
  void execute(dnnl::stream& stream, float* to, const void* a, const float* b, const float* bias,
               float* dbias, void* workspace);

 private:
  /// A copy of a tensor in other order or of another type.
  struct Copy {
    dnnl::reorder reorder;
    dnnl::memory from, to, scratch;
    std::size_t bytes = 0;  ///< of the copy
  };
  Copy make_copy(const dnnl::engine& engine, const dnnl::memory::desc& from, const dnnl::memory::desc& to,
                 bool add);
  static void copy(dnnl::stream& stream, Copy& c, const void* from, void* to, void* scratch);

  ConvolutionProblem problem_;
  std::string implementation_;
  std::size_t scratch_bytes_ = 0;
  dnnl::primitive primitive_;
  Copy a_, b_, result_;
  dnnl::memory bias_, scratch_;
};

}  // namespace tweedie::onednn

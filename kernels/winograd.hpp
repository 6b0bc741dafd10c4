// Convolution by Winograd's F(4x4, 3x3) on the CPU: our own, for AVX-512 and AVX2. For
// kernels/convolution.cpp.
#pragma once

#include <cstddef>

#include "kernels/convolution.hpp"
#include "kernels/winograd_kernels.hpp"

namespace tweedie::winograd {

/// The inner loops for maps of this channel block (16 or 8), or null where this processor cannot run them.
const Kernels* kernels_for(int channel_block);

/// Whether `convolution` below can do it: kernel 3, stride 1, padding 1, fp32, not the gradient by weights,
/// channels that are multiples of the block, and a map that is not empty.
bool fits(const Kernels& kernels, const ConvolutionProblem& problem);

/// Whether it is faster than oneDNN's direct method, by a rule that knows shapes only.
bool pays(const Kernels& kernels, const ConvolutionProblem& problem);

/// Bytes of workspace that `convolution` needs with `threads` threads.
std::size_t workspace_bytes(const Kernels& kernels, const ConvolutionProblem& problem, int threads);

/// Forward: `to` = y, `from` = x, + bias when the problem has one (+ y before, when it accumulates).
/// Backward: `to` = dx, `from` = dy. `from` is stored as the problem's `operand`. Maps in channel blocks of
/// `kernels.lanes`, weights as `convolution_pack` orders them for that block. Every sum is made in the same
/// order however many threads there are and however tiles are divided, so the bits depend on the instruction
/// set only: not even on that between AVX2 and AVX-512. Source of the method: kernels/winograd_loops.hpp.
/// `second`: where the channels from `first_channels` on go, as a map of their own; null: all go to `to`.
void convolution(const Kernels& kernels, const ConvolutionProblem& problem, float* to, const void* from,
                 const float* packed, const float* bias, void* workspace, int threads,
                 float* second = nullptr, int first_channels = 0);

}  // namespace tweedie::winograd

// 2-D convolution (cross-correlation): the seam to oneDNN and cuDNN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

#include "kernels/map.hpp"
#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// A number for each axis of a plane; one number stands for both.
struct PerAxis {
  int h = 0, w = 0;
  constexpr PerAxis(int both) : h(both), w(both) {}
  constexpr PerAxis(int rows, int columns) : h(rows), w(columns) {}
  /// The number of both axes, for code that knows squares only. Errors: they differ.
  operator int() const {
    require(h == w, "one number for both axes was asked for, they have ", h, " and ", w);
    return h;
  }
  bool operator==(const PerAxis&) const = default;
  friend bool operator==(const PerAxis& x, int both) { return x == PerAxis(both); }
};

/// "3", or "1x7" where the axes differ.
inline std::ostream& operator<<(std::ostream& out, const PerAxis& x) {
  out << x.h;
  return x.h == x.w ? out : out << 'x' << x.w;
}

/// Kernel, stride and zero padding; the padding is the same at both ends of an axis.
struct ConvolutionGeometry {
  int in = 0, out = 0;  ///< channels
  PerAxis kernel = 3, stride = 1, pad = 1;
  int taps() const { return kernel.h * kernel.w; }
  int output_rows(int rows) const { return (rows + 2 * pad.h - kernel.h) / stride.h + 1; }
  int output_columns(int columns) const { return (columns + 2 * pad.w - kernel.w) / stride.w + 1; }
  /// Pixels of the output's side, for geometries that are the same on both axes.
  int output(int pixels) const { return (pixels + 2 * pad - kernel) / stride + 1; }
  bool operator==(const ConvolutionGeometry&) const = default;
};

/// One convolution, the transposed one, or its gradient by the weights, of one shape: what the libraries make
/// plans for.
struct ConvolutionProblem {
  ConvolutionGeometry g;
  Shape x;  ///< of the convolution's input, also when going backward
  bool backward = false, accumulate = false, bias = false;
  bool weights = false;  ///< the gradient by the weights; `accumulate` then adds to it
  Precision precision = Precision::fp32;
  Storage operand = Storage::fp32;  ///< of x, or backward of dy
  Shape y() const { return {x.N, g.out, g.output_rows(x.H), g.output_columns(x.W)}; }
  bool operator==(const ConvolutionProblem&) const = default;
  struct Hash {
    std::size_t operator()(const ConvolutionProblem& p) const;
  };
};

/// The channel block convolutions of a backend want for C channels (C a multiple of 16): C on CUDA
/// (channels-last); on the CPU 16 (nChw16c), or 8 where vectors are shorter (AVX2).
int convolution_block(Device device, int channels);

/// Floats that packed weights take.
std::int64_t convolution_packed_size(const Queue& q, const ConvolutionGeometry& g);
/// Weights (out, in, kernel.h, kernel.w) in host memory -> the backend's own order in device memory. `packed`
/// has convolution_packed_size elements.
void convolution_pack(Queue& q, View<float> packed, const float* weights, const ConvolutionGeometry& g);
/// Its inverse: packed weights in device memory -> (out, in, kernel.h, kernel.w) in host memory, which has
/// room for convolution_packed_size floats.
void convolution_unpack(Queue& q, float* weights, View<const float> packed, const ConvolutionGeometry& g);

/// y (N, out, H', W') = x (N, in, H, W) * weights + bias (+ y before the call, when accumulating).
/// Channel counts are multiples of 16, views in `convolution_block` layout; bias: `out` floats on the device
/// or null. What is multiplied is rounded as `Queue::multiplied` says; fp32 is that: no TF32. Plans
/// (algorithm, kernels, workspace) are made once per shape; on CUDA by the clock (cudnn::chosen_plan).
/// Errors: channels not multiples of 16, shapes or blocks that do not fit, too few or too many weights.
void convolution(Queue& q, View<float> y, const MapView& x, View<const float> packed, const float* bias,
                 const ConvolutionGeometry& g, bool accumulate = false);
/// y += what a convolution makes of [first, second] along channels, + bias: a map in two parts need not be
/// joined. Each part is laid out as an x of its channels.
void convolution_of_parts(Queue& q, View<float> y, View<const float> first, View<const float> second,
                          View<const float> packed, const float* bias, const ConvolutionGeometry& g);
/// How x, or backward dy, may be stored without being copied: bf16, where the queue's storage is that and
/// this convolution reads it, which gives the bits that the same numbers give as fp32.
Storage convolution_operand(Queue& q, const ConvolutionGeometry& g, Shape x, bool backward);
/// dx = the transposed convolution of dy (+ dx before the call, when accumulating): the vjp of `convolution`
/// with respect to x. Errors: as above; accumulating on the CPU with a kernel that is not 1x1 without stride.
void convolution_backward_data(Queue& q, View<float> dx, const MapView& dy, View<const float> packed,
                               const ConvolutionGeometry& g, bool accumulate = false);
/// The same with dx's channels in two tensors. On the CPU.
void convolution_backward_data_in_parts(Queue& q, View<float> dx, View<float> dx_second, const MapView& dy,
                                        View<const float> packed, const ConvolutionGeometry& g,
                                        bool accumulate = false);
/// dpacked += the gradient of <dy, convolution(x)> by the packed weights, and dbias (`out` floats on the
/// device, or null: not wanted) += the sum of dy over samples and pixels. dpacked is in the order of
/// `convolution_pack`. The same bits at every call (on the CPU: with the same number of threads).
void convolution_backward_weights(Queue& q, View<float> dpacked, float* dbias, View<const float> x,
                                  View<const float> dy, const ConvolutionGeometry& g);

/// What runs for this shape, in the library's words, such as "jit_wino_4x3:avx512_core". For reports.
std::string convolution_implementation(Queue& q, const ConvolutionGeometry& g, Shape x, bool backward);
/// Seconds of the fastest method the library has for this shape, each timed `repeats` times, whatever memory
/// it takes and with weights already in the order it likes best: what the choice made above is held against.
/// On CUDA caches are cold, and what is multiplied is rounded as `Queue::multiplied` says. `planar`: of
/// tensors (N, C, H, W) instead, on CUDA only (infinity where cuDNN's engines all fail).
double convolution_best_seconds(Queue& q, const ConvolutionGeometry& g, Shape x, bool backward, int repeats,
                                bool planar = false);

namespace cuda {
void convolution_pack(Queue& q, float* packed, const float* weights, const ConvolutionGeometry& g);
/// Forward: `to` = y, `from` = x. Backward: `to` = dx, `from` = dy.
void convolution(Queue& q, const ConvolutionProblem& problem, float* to, const float* from,
                 const float* packed, const float* bias);
void convolution_unpack(Queue& q, float* weights, const float* packed, const ConvolutionGeometry& g);
void convolution_backward_weights(Queue& q, const ConvolutionProblem& problem, float* dpacked, float* dbias,
                                  const float* x, const float* dy);
std::string convolution_implementation(Queue& q, const ConvolutionProblem& problem);
double convolution_best_seconds(Queue& q, const ConvolutionProblem& problem, int repeats, bool planar);
}  // namespace cuda

}  // namespace tweedie

// Coarse to fine: the sizes at which an unknown blur kernel is looked for, one after the other.
#pragma once

#include <span>
#include <vector>

#include "operators/kernel_map.hpp"

namespace tweedie {

/// A blind problem at one size: what was measured, and how large a kernel is there.
struct KernelScale {
  Tensor y;  ///< (N, C, H, W), averaged over squares of pixels
  KernelMapOptions kernel;
};

/// How many sizes there are of an image and a kernel, each half of the next, at most `most`: the image's
/// sides must stay multiples of `unit`, 32 pixels or more, and no smaller than the kernel's, whose halves are
/// rounded up. Errors: `most` or `unit` below 1.
int scale_count(const Shape& image, const Shape& kernel, int most, int unit);

/// The problem itself, last, and before it smaller ones, the coarsest first, at most `most` in all. Each has
/// half the sides of the next and half the noise, but not less than 0.01: the average of a blurred image is
/// only nearly the blur of its average.
///
/// A kernel of few pixels has few local optima: a photograph that is blurred widely at 256 pixels is hardly
/// blurred at 64, and photographs are alike at all scales. What is found there is the start for the next.
/// (Fergus et al., SIGGRAPH 2006; Cho & Lee, SIGGRAPH Asia 2009.) Errors: those of `scale_count`.
std::vector<KernelScale> kernel_scales(Context& context, Tensor y, const KernelMapOptions& kernel, int most,
                                       int unit);

/// The root of a kernel's second moment about its centre of mass, the mean of both axes; 0 where it has no
/// mass.
double kernel_width(std::span<const float> kernel, int rows, int columns);

/// A kernel (1, 1, h, w) of odd sides at twice its size, (1, 1, rows, columns), about its middle tap, between
/// its taps by straight lines; the sum is 1. Errors: even sides.
Tensor doubled_kernel(Context& context, const Tensor& kernel, int rows, int columns);

}  // namespace tweedie

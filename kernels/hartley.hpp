// The 2-D Hartley transform: the Fourier transform of real planes, written as real planes.
#pragma once

#include <complex>

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

// With z = fft2(x) of a real plane x (H, W), the coefficient of frequency (k, l) is
//   c[k, l] = scale (Re z[k, l] - Im z[k, l]) = scale sum_hw x[h, w] cas(2 pi (k h / H + l w / W)) ,
// cas = cos + sin (Bracewell 1983). With scale = (H W)^(-1/2) the transform is orthonormal, symmetric and so
// its own inverse. The coefficients of k and -k span what cosine and sine of that frequency span, so that a
// circular convolution with the spectrum K scales both by |K|.

/// c from the half spectrum: c (N, C, H, W), z (N, C, H, W/2 + 1) as `fft2_real` leaves it; planar. Errors:
/// shapes that do not fit.
void hartley_from_half(Queue& q, View<float> c, View<const std::complex<float>> z, float scale);
/// The half spectrum of coefficients: z[k, l] = scale/2 ((c[k, l] + c[-k, -l]) + i (c[-k, -l] - c[k, l])),
/// indices modulo H and W. It is Hermitian where `ifft2_real` wants it to be. Shapes as above.
void half_from_hartley(Queue& q, View<std::complex<float>> z, View<const float> c, float scale);

// The CUDA bodies; arguments are already checked.
namespace cuda {
void hartley_from_half(Queue& q, View<float> c, View<const std::complex<float>> z, float scale);
void half_from_hartley(Queue& q, View<std::complex<float>> z, View<const float> c, float scale);
}  // namespace cuda

}  // namespace tweedie

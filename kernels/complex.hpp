// What stands before and after an FFT: padding real images into complex planes, magnitudes in the centred
// order, products of spectra. All planar (b = 1).
#pragma once

#include <complex>

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y = scale x + offset in the middle of larger complex planes, 0 around it: y (N, C, H', W'), x (N, C, H,
/// W); x begins at row (H' - H) / 2 and column (W' - W) / 2, rounded down. Errors: y smaller than x, N or C
/// differ.
void pad_to_complex(Queue& q, View<std::complex<float>> y, View<const float> x, float scale, float offset);
/// x = scale * the real part of that middle: the adjoint of y = scale x. Errors as above.
void crop_real(Queue& q, View<float> x, View<const std::complex<float>> y, float scale);

/// y = factor |z| in the centred order (numpy's fftshift): y[h, w] belongs to z[(h + ceil(H/2)) mod H,
/// (w + ceil(W/2)) mod W], so that frequency 0 of an FFT comes to (H/2, W/2). Shapes equal.
void centred_magnitude(Queue& q, View<float> y, View<const std::complex<float>> z, float factor);
/// dz = factor dy z / |z|, dy read in the centred order, and 0 where z is 0: the gradient of
/// `centred_magnitude` with respect to z's real and imaginary part, as real + i imaginary. dz may be z.
void centred_magnitude_backward(Queue& q, View<std::complex<float>> dz, View<const float> dy,
                                View<const std::complex<float>> z, float factor);

/// y = x k, or x conj(k): k (1 or N, 1, H, W) is the same for every channel, and of one sample for every
/// sample. y may be x. The two are each other's adjoints.
void multiply_spectrum(Queue& q, View<std::complex<float>> y, View<const std::complex<float>> x,
                       View<const std::complex<float>> k, bool conjugate);
/// z = sum of a conj(b) over channels, and over samples where z has one: z (1 or N, 1, H, W), a and b (N, C,
/// H, W), in the order of their planes, in double. With a = X and b = DY it is the spectrum of the gradient
/// of <DY, Y> with respect to a real kernel k, Y = X conj(K). z overlaps neither. Errors: shapes that do not
/// fit.
void correlate_spectra(Queue& q, View<std::complex<float>> z, View<const std::complex<float>> a,
                       View<const std::complex<float>> b);
/// z = (a + weight k) / (Re d + weight), the least squares solution of a deconvolution held near k: a and d
/// as `correlate_spectra` makes them of image and measurement, and of the image with itself. All of one
/// shape; 0 where the denominator is; z may be a or k. Errors: shapes differ, a negative weight.
void held_quotient(Queue& q, View<std::complex<float>> z, View<const std::complex<float>> a,
                   View<const std::complex<float>> d, View<const std::complex<float>> k, float weight);

// The CUDA bodies; arguments are already checked.
namespace cuda {
void pad_to_complex(Queue& q, View<std::complex<float>> y, View<const float> x, float scale, float offset);
void crop_real(Queue& q, View<float> x, View<const std::complex<float>> y, float scale);
void centred_magnitude(Queue& q, View<float> y, View<const std::complex<float>> z, float factor);
void centred_magnitude_backward(Queue& q, View<std::complex<float>> dz, View<const float> dy,
                                View<const std::complex<float>> z, float factor);
void multiply_spectrum(Queue& q, View<std::complex<float>> y, View<const std::complex<float>> x,
                       View<const std::complex<float>> k, bool conjugate);
void correlate_spectra(Queue& q, View<std::complex<float>> z, View<const std::complex<float>> a,
                       View<const std::complex<float>> b);
void held_quotient(Queue& q, View<std::complex<float>> z, View<const std::complex<float>> a,
                   View<const std::complex<float>> d, View<const std::complex<float>> k, float weight);
}  // namespace cuda

}  // namespace tweedie

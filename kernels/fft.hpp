// Batched 2-D FFTs of images: the seam to FFTW and cuFFT. (FFTW is GPL: binaries that link this file's CPU
// body are too.)
#pragma once

#include <complex>

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y = sum x exp(-2 pi i (ku/H + lv/W)) over each (n, c) plane: unnormalised, zero frequency first. Planar.
/// y may be x. Errors: shapes differ, not planar, H W beyond 2^31 - 1.
void fft2(Queue& q, View<std::complex<float>> y, View<const std::complex<float>> x);
/// The inverse of `fft2`, 1/(HW) included: ifft2(fft2(x)) = x. y may be x. Errors as for `fft2`.
void ifft2(Queue& q, View<std::complex<float>> y, View<const std::complex<float>> x);
/// The half spectrum of real planes: y (N, C, H, W/2 + 1), x (N, C, H, W). y must not overlap x. Errors as
/// for `fft2`.
void fft2_real(Queue& q, View<std::complex<float>> y, View<const float> x);
/// The inverse of `fft2_real`, 1/(HW) included; x is not changed: y (N, C, H, W), x (N, C, H, W/2 + 1), which
/// must be the half spectrum of real planes: its columns 0 and (W even) W/2 are Hermitian along H, for cuFFT
/// leaves the result undefined where they are not. y must not overlap x. Errors as for `fft2`.
void ifft2_real(Queue& q, View<float> y, View<const std::complex<float>> x);

namespace cuda {
void fft2(Queue& q, View<std::complex<float>> y, View<const std::complex<float>> x, bool inverse);
void fft2_real(Queue& q, View<std::complex<float>> y, View<const float> x);
void ifft2_real(Queue& q, View<float> y, View<const std::complex<float>> x);
}  // namespace cuda

}  // namespace tweedie

// Batched 2-D FFTs of images: the seam to FFTW and cuFFT. (FFTW is GPL: binaries that link this file's CPU
// body are too.)
#pragma once

#include <complex>

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y = sum x exp(-2 pi i (ku/H + lv/W)) over each (n, c) plane: unnormalised, zero frequency first. Planar.
/// y may be x.
void fft2(Queue& q, View<std::complex<float>> y, View<const std::complex<float>> x);
/// The inverse of `fft2`, 1/(HW) included: ifft2(fft2(x)) = x. y may be x.
void ifft2(Queue& q, View<std::complex<float>> y, View<const std::complex<float>> x);
/// The half spectrum of real planes: y (N, C, H, W/2 + 1), x (N, C, H, W).
void fft2_real(Queue& q, View<std::complex<float>> y, View<const float> x);
/// The inverse of `fft2_real`, 1/(HW) included; x is not changed.
void ifft2_real(Queue& q, View<float> y, View<const std::complex<float>> x);

}  // namespace tweedie

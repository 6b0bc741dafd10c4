// Seeded draws and smoothing for generators of kernels and displacements: the same numbers everywhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "kernels/philox.hpp"

namespace tweedie {

// The standard's distributions differ between libraries; these, on its generator, do not.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : generator_(seed) {}
  double uniform() { return double(generator_() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// A whole number from low to high, both included.
  int whole(int low, int high) { return low + int(uniform() * (double(high) - low + 1)); }
  /// Two independent standard normals.
  philox::Pair normals() {
    const std::uint64_t bits = generator_();
    return philox::normals(std::uint32_t(bits), std::uint32_t(bits >> 32));
  }
  /// Beta(1, b), by the inverse of its distribution function.
  double beta_1(double b) { return 1 - std::pow(1 - uniform(), 1 / b); }
  /// Beta(2, b), whole b: the second smallest of b + 1 uniforms.
  double beta_2(int b) {
    double least = 2, second = 2;
    for (int i = 0; i <= b; ++i) {
      const double u = uniform();
      if (u < least)
        second = std::exchange(least, u);
      else
        second = std::min(second, u);
    }
    return second;
  }
  /// Triangular on [0, high] with the given mode.
  double triangular(double mode, double high) {
    const double u = uniform(), share = high > 0 ? mode / high : 0;
    return u < share ? std::sqrt(u * high * mode) : high - std::sqrt((1 - u) * high * (high - mode));
  }

 private:
  std::mt19937_64 generator_;
};

/// Smooths a rows x columns picture by a Gaussian of standard deviation sigma, cut at 3 sigma and of sum 1,
/// with 0 outside the picture.
void smooth(std::vector<double>& picture, int rows, int columns, double sigma);

}  // namespace tweedie

// The singular value decomposition of an operator, as far as fast transforms know it.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "engine/context.hpp"

namespace tweedie {

/// A = U diag(s) V^T for images of one shape (C, H, W), any number of samples. Coefficients are as many as an
/// image has values and stand in tensors of its shape (N, C, H, W), real even where the transform is a
/// Fourier transform (see `hartley_from_half`). Every call returns new memory, planar.
class Spectral {
 public:
  virtual ~Spectral() = default;
  /// Coefficients of images (N, C, H, W): V is orthogonal, |V^T x| = |x|.
  virtual Tensor Vt(const Tensor& x) = 0;
  /// Images of coefficients: V V^T x = x.
  virtual Tensor V(const Tensor& c) = 0;
  /// Coefficients of measurements, in the places of their singular values, 0 where `listed` is 0.
  virtual Tensor Ut(const Tensor& y) = 0;
  /// Measurements of coefficients; those where `listed` is 0 are not looked at. U^T U c = listed c.
  virtual Tensor U(const Tensor& c) = 0;
  /// True where U U^T y = y for every y that holds 0 wherever nothing is measured: A can make all of them.
  virtual bool onto() const { return true; }
  /// Singular values (1, C, H, W) on the device, 0 where nothing is measured.
  const Tensor& s() const { return s_; }
  /// (1, C, H, W): 1 where a column of U belongs to the coefficient, else 0. The same places as those of s >
  /// 0, but for singular values that are 0 (or were set to 0) although their column exists.
  const Tensor& listed() const { return listed_ ? listed_ : s_; }
  /// The largest singular value.
  double largest() const { return largest_; }

 protected:
  /// `s` and `listed` are the values of one image's shape; an empty `listed` means that of every s, which are
  /// then zeros and ones.
  Spectral(Context& context, const Shape& image, const std::vector<float>& s,
           const std::vector<float>& listed)
      : s_(context.upload({1, image.C, image.H, image.W}, s)),
        largest_(s.empty() ? 0 : *std::max_element(s.begin(), s.end())) {
    if (!listed.empty()) listed_ = context.upload(s_.shape(), listed);
  }

 private:
  Tensor s_, listed_;
  double largest_;
};

/// Keeps the decomposition for the last shape of images that was asked for.
class SpectralCache {
 public:
  /// `make(image)` makes it where the kept one is for another (C, H, W); N does not matter.
  template <class Make>
  Spectral* get(const Shape& image, Make make) {
    const Shape one{1, image.C, image.H, image.W};
    if (!kept_ || of_ != one) {
      kept_ = make(one);
      of_ = one;
    }
    return kept_.get();
  }

 private:
  Shape of_;
  std::unique_ptr<Spectral> kept_;
};

}  // namespace tweedie

// A measured picture brought to the size of the image.
#pragma once

#include "engine/device_rows.hpp"

namespace tweedie {

enum class Interpolation { nearest, cubic };  ///< cubic: a = -1/2, edges mirrored with repetition

/// Enlargement by a whole factor along both axes.
class Enlargement {
 public:
  Enlargement(Context& context, Interpolation kind, int factor)
      : context_(context), kind_(kind), factor_(factor) {}
  /// `image` is the shape of the result, y's N and C in it; pixels of it beyond factor times y's size are 0,
  /// and what y has beyond it is cut off.
  Tensor apply(const Tensor& y, const Shape& image);

 private:
  struct Axis1 {
    int from = 0, to = 0;
    DeviceRows rows;
  };
  const DeviceRows& rows(Axis1& cached, int from, int to);

  Context& context_;
  Interpolation kind_;
  int factor_;
  Axis1 along_h_, along_w_;
};

/// The matrix of one axis, from `from` pixels to the first `to` of factor * from.
SparseRows enlargement_rows(Interpolation kind, int factor, int from, int to);

}  // namespace tweedie

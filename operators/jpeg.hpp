// JPEG compression.
#pragma once

#include <memory>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/kinds.hpp"
#include "operators/separable.hpp"

namespace tweedie {

/// What the baseline JPEG of a quality leaves of colour images (N, 3, H, W) in [-1, 1]: h(x) =
/// decode(encode(x)), an image again. As ITU-T T.81 and JFIF have it: luma and chroma of BT.601, chroma
/// averaged over 2 x 2 pixels (4:2:0), DCT of 8 x 8 pixels, coefficients quantised by the tables of T.81's
/// annex K scaled by libjpeg's rule. Unlike libjpeg's, pixels are not rounded to bytes nor clipped, and
/// chroma is enlarged by repeating pixels. So the measurement holds the quantised coefficients and nothing
/// else, and h h = h: decoding, which y already is, is the pseudo-inverse. Rounding has no gradient: it is
/// passed over (straight-through), and `backward` is the adjoint of what is left, the averaging of chroma.
class Jpeg : public ImageOperator {
 public:
  enum class Chroma { full, halved };  ///< 4:4:4, 4:2:0
  /// quality: 1 to 100. Errors: another one.
  Jpeg(Context& context, int quality, Chroma chroma);
  /// Errors: not 3 channels; sides that are no multiples of 8, or with halved chroma of 16.
  Shape output_shape(const Shape& image) const override;
  std::unique_ptr<Saved> make_saved() const override;
  Tensor forward(const Tensor& x, Saved* saved = nullptr) override;
  Tensor backward(const Tensor& dy, Saved& saved) override;
  bool has_pseudo_inverse() const override { return true; }
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override;

 private:
  struct State;
  /// A plane's steps of quantisation, repeated over H x W.
  Tensor steps(const int (&table)[64], int H, int W);
  void prepare(const Shape& image);
  /// (rows of m) x for every pixel, or m^T x added to y.
  Tensor colours(const Tensor& m, const Tensor& x);
  void add_colours(Tensor& y, const Tensor& m, const Tensor& x, bool first);
  Tensor quantised(const Tensor& planes, const Tensor& steps);
  /// Chroma as it is after averaging and enlarging.
  Tensor halved(const Tensor& c);
  Tensor doubled(const Tensor& c);

  Context& context_;
  int quality_;
  Chroma chroma_;
  Tensor to_luma_, to_chroma_;      ///< (1, 1, 1, 3), (1, 1, 2, 3): of images in [-1, 1] to bytes' units
  Tensor from_luma_, from_chroma_;  ///< the transposes of the columns of the inverse
  Tensor shift_up_, shift_down_;    ///< of luma: T.81's level shift by 128, where x = 0 is 127.5
  SeparableOperator dct_;
  int H_ = 0, W_ = 0;  // of the images that these are for:
  Tensor luma_steps_, chroma_steps_;
};

extern const OperatorKind jpeg_kind;

}  // namespace tweedie

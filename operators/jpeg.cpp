#include "operators/jpeg.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/coefficients.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/matmul.hpp"
#include "kernels/resample.hpp"

namespace tweedie {
namespace {

// ITU-T T.81, tables K.1 and K.2.
constexpr int luminance[64] = {16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,   //
                               14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,   //
                               18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,   //
                               49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99};  //
constexpr int chrominance[64] = {17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,        //
                                 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,        //
                                 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,        //
                                 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99};       //

/// The orthonormal DCT of every 8 pixels.
SparseRows dct_rows(int pixels) {
  SparseRows m{pixels, pixels, {0}, {}, {}};
  for (int row = 0; row < pixels; ++row) {
    const int u = row % 8;
    for (int k = 0; k < 8; ++k) {
      m.index.push_back(row - u + k);
      m.weight.push_back(
          float((u == 0 ? std::sqrt(0.125) : 0.5) * std::cos((2 * k + 1) * u * std::numbers::pi / 16)));
    }
    m.start.push_back(int(m.index.size()));
  }
  return m;
}

}  // namespace

struct Jpeg::State : Saved {
  Shape image;
};

Jpeg::Jpeg(Context& context, int quality, Chroma chroma)
    : context_(context), quality_(quality), chroma_(chroma), dct_(context, dct_rows) {
  require(quality >= 1 && quality <= 100, "jpeg: a quality of ", quality, "; expected 1 to 100");
  // Y = r R + g G + b B, Cb = (B - Y) / (2 - 2 b), Cr = (R - Y) / (2 - 2 r); 127.5 bytes are one unit of the
  // image.
  const double r = 0.299, g = 0.587, b = 0.114, unit = 127.5, cb = 2 - 2 * b, cr = 2 - 2 * r;
  const auto matrix = [&](int rows, const std::vector<double>& values, double scale) {
    std::vector<float> scaled;
    for (const double value : values) scaled.push_back(float(value * scale));
    return context.upload({1, 1, rows, 3}, scaled);
  };
  to_luma_ = matrix(1, {r, g, b}, unit);
  to_chroma_ = matrix(2, {-r / cb, -g / cb, (1 - b) / cb, (1 - r) / cr, -g / cr, -b / cr}, unit);
  from_luma_ = matrix(1, {1, 1, 1}, 1 / unit);
  from_chroma_ = matrix(2, {0, -cb * b / g, cb, cr, -cr * r / g, 0}, 1 / unit);
  shift_down_ = context.upload({1, 1, 1, 1}, std::vector<float>{-0.5f});
  shift_up_ = context.upload({1, 1, 1, 1}, std::vector<float>{0.5f});
}

Shape Jpeg::output_shape(const Shape& image) const {
  const int block = chroma_ == Chroma::halved ? 16 : 8;
  require(image.C == 3, "jpeg: images ", image, "; expected 3 channels");
  require(image.H % block == 0 && image.W % block == 0, "jpeg: images of ", image.H, "x", image.W,
          " pixels; expected multiples of ", block);
  return image;
}

Tensor Jpeg::steps(const int (&table)[64], int H, int W) {
  const int scale = quality_ < 50 ? 5000 / quality_ : 200 - 2 * quality_;
  std::vector<float> values;
  for (int h = 0; h < H; ++h)
    for (int w = 0; w < W; ++w)
      values.push_back(float(std::clamp((table[h % 8 * 8 + w % 8] * scale + 50) / 100, 1, 255)));
  return context_.upload({1, 1, H, W}, values);
}

void Jpeg::prepare(const Shape& image) {
  (void)output_shape(image);
  if (luma_steps_ && image.H == H_ && image.W == W_) return;
  const int part = chroma_ == Chroma::halved ? 2 : 1;
  luma_steps_ = steps(luminance, image.H, image.W);
  chroma_steps_ = steps(chrominance, image.H / part, image.W / part);
  H_ = image.H;
  W_ = image.W;
}

Tensor Jpeg::colours(const Tensor& m, const Tensor& x) {
  const Shape s = x.shape();
  const int rows = m.shape().H, pixels = int(s.plane());
  Tensor y = context_.planar({s.N, rows, s.H, s.W});
  matmul(context_.queue, {y.data(), rows, pixels, pixels, y.shape().sample(), false},
         {m.data(), rows, 3, 3, 0, false}, {x.data(), 3, pixels, pixels, s.sample(), false}, s.N);
  return y;
}

void Jpeg::add_colours(Tensor& y, const Tensor& m, const Tensor& x, bool first) {
  const Shape s = x.shape();
  const int rows = m.shape().H, pixels = int(s.plane());
  matmul(context_.queue, {y.data(), 3, pixels, pixels, y.shape().sample(), false},
         {m.data(), rows, 3, 3, 0, true}, {x.data(), rows, pixels, pixels, s.sample(), false}, s.N, 1,
         first ? 0 : 1);
}

Tensor Jpeg::quantised(const Tensor& planes, const Tensor& table) {
  Tensor c = dct_.apply(planes);
  quantise(context_.queue, c, c, table);
  return dct_.adjoint(c, planes.shape());
}

Tensor Jpeg::halved(const Tensor& c) {
  const Shape s = c.shape();
  Tensor y = context_.planar({s.N, s.C, s.H / 2, s.W / 2});
  average_pool2(context_.queue, y, c);
  return y;
}

Tensor Jpeg::doubled(const Tensor& c) {
  const Shape s = c.shape();
  Tensor y = context_.planar({s.N, s.C, 2 * s.H, 2 * s.W});
  upsample_nearest2(context_.queue, y, c);
  return y;
}

std::unique_ptr<Saved> Jpeg::make_saved() const { return std::make_unique<State>(); }

Tensor Jpeg::forward(const Tensor& x, Saved* saved) {
  prepare(x.shape());
  if (saved) saved_as<State>(*saved, "jpeg").image = x.shape();
  Tensor luma = colours(to_luma_, x);  // (N, 1, H, W)
  add_bias(context_.queue, luma, luma, shift_down_.data());
  luma = quantised(luma, luma_steps_);
  add_bias(context_.queue, luma, luma, shift_up_.data());
  Tensor chroma = colours(to_chroma_, x);  // (N, 2, H, W)
  chroma = chroma_ == Chroma::halved ? doubled(quantised(halved(chroma), chroma_steps_))
                                     : quantised(chroma, chroma_steps_);
  Tensor y = context_.planar(x.shape());
  add_colours(y, from_luma_, luma, true);
  add_colours(y, from_chroma_, chroma, false);
  return y;
}

Tensor Jpeg::backward(const Tensor& dy, Saved& saved) {
  const Shape& image = saved_as<State>(saved, "jpeg").image;
  require(dy.shape() == image, "jpeg: measurement ", dy.shape(), " for images ", image);
  Tensor dx = context_.planar(image);
  add_colours(dx, to_luma_, colours(from_luma_, dy), true);
  Tensor dchroma = colours(from_chroma_, dy);
  if (chroma_ == Chroma::halved) dchroma = doubled(halved(dchroma));  // its own adjoint
  add_colours(dx, to_chroma_, dchroma, false);
  return dx;
}

Tensor Jpeg::pseudo_inverse(const Tensor& y, const Shape& image) {
  require(y.shape() == image, "jpeg: measurement ", y.shape(), " for images ", image);
  Tensor x = context_.planar(image);
  copy(context_.queue, x, y);
  return x;
}

namespace {

std::unique_ptr<ForwardOperator> make_jpeg(Context& context, const Settings& s, const OperatorData&) {
  return std::make_unique<Jpeg>(context, s.integer("quality"),
                                s.text("chroma") == "4:2:0" ? Jpeg::Chroma::halved : Jpeg::Chroma::full);
}

constexpr Setting settings[] = {
    Setting::whole("quality", 10, 1, 100, "of the compression, as libjpeg counts it").stated_in_files(),
    Setting::text("chroma", "4:2:0", "4:2:0, 4:4:4", "chroma averaged over 2 x 2 pixels, or not"),
};

}  // namespace

const OperatorKind jpeg_kind{.name = "jpeg",
                             .what = "JPEG compression of --quality",
                             .make = make_jpeg,
                             .settings = settings,
                             .image_channels = 3};

}  // namespace tweedie

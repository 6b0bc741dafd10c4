#include "operators/inpainting.hpp"

#include <algorithm>
#include <numeric>
#include <random>

#include "kernels/elementwise.hpp"

namespace tweedie {
namespace {

// A whole number in [0, bound): by rejection, since the standard's distributions differ between libraries.
std::uint64_t below(std::mt19937_64& generator, std::uint64_t bound) {
  const std::uint64_t limit = ~std::uint64_t(0) - ~std::uint64_t(0) % bound;
  for (;;) {
    const std::uint64_t draw = generator();
    if (draw < limit) return draw % bound;
  }
}

// Pixels are their own coefficients, and singular values are zeros and ones.
class PixelSpectral : public Spectral {
 public:
  PixelSpectral(Context& context, const Shape& image, const std::vector<float>& mask)
      : Spectral(context, image, mask, {}), context_(context) {}
  Tensor Vt(const Tensor& x) override { return copied(x); }
  Tensor V(const Tensor& c) override { return copied(c); }
  Tensor Ut(const Tensor& y) override { return masked(y); }
  Tensor U(const Tensor& c) override { return masked(c); }

 private:
  Tensor copied(const Tensor& x) {
    Tensor y = context_.planar(x.shape());
    copy(context_.queue, y, x);
    return y;
  }
  Tensor masked(const Tensor& x) {
    Tensor y = context_.planar(x.shape());
    multiply(context_.queue, y, x, s());
    return y;
  }
  Context& context_;
};

}  // namespace

Spectral* Identity::spectral(const Shape& image) {
  return spectral_.get(image, [this](const Shape& s) {
    return std::make_unique<PixelSpectral>(context_, s, std::vector<float>(std::size_t(s.size()), 1.f));
  });
}

Tensor Identity::apply(const Tensor& x) {
  Tensor y = context_.planar(x.shape());
  copy(context_.queue, y, x);
  return y;
}

Tensor Identity::adjoint(const Tensor& y, const Shape& image) {
  require(y.shape() == image, "identity: measurement ", y.shape(), " for images ", image);
  return forward(y);
}

Inpainting::Inpainting(Context& context, Tensor mask) : context_(context), mask_(std::move(mask)) {}

Shape Inpainting::output_shape(const Shape& image) const {
  const Shape& m = mask_.shape();
  require(m.H == image.H && m.W == image.W, "inpainting: a mask of ", m.H, "x", m.W, " pixels for images of ",
          image.H, "x", image.W);
  return image;
}

Tensor Inpainting::apply(const Tensor& x) {
  Tensor y = context_.planar(output_shape(x.shape()));
  multiply(context_.queue, y, x, mask_);
  return y;
}

Tensor Inpainting::adjoint(const Tensor& y, const Shape& image) {
  require(y.shape() == image, "inpainting: measurement ", y.shape(), " for images ", image);
  return forward(y);
}

Spectral* Inpainting::spectral(const Shape& image) {
  if (mask_.shape().N != 1) return nullptr;
  return spectral_.get(output_shape(image), [this](const Shape& s) {
    std::vector<float> mask = context_.download(mask_);
    for (std::size_t i = mask.size(); i < std::size_t(s.size()); ++i)
      mask.push_back(mask[i - std::size_t(s.plane())]);
    return std::make_unique<PixelSpectral>(context_, s, mask);
  });
}

void Inpainting::discard_unmeasured(Tensor& y) { multiply(context_.queue, y, y, mask_); }

std::vector<float> box_mask(int H, int W, int top, int left, int height, int width) {
  require(top >= 0 && left >= 0 && height > 0 && width > 0 && top + height <= H && left + width <= W,
          "inpainting: a box of ", height, "x", width, " pixels at (", top, ", ", left,
          ") leaves the image of ", H, "x", W);
  std::vector<float> mask(std::size_t(H) * std::size_t(W), 1.f);
  for (int h = top; h < top + height; ++h)
    for (int w = left; w < left + width; ++w) mask[std::size_t(h) * std::size_t(W) + std::size_t(w)] = 0;
  return mask;
}

std::vector<float> random_box_mask(int H, int W, int height, int width, int margin, std::uint64_t seed) {
  const int rows = H - 2 * margin - height, columns = W - 2 * margin - width;
  require(margin >= 0 && rows >= 0 && columns >= 0, "inpainting: a box of ", height, "x", width, " pixels, ",
          margin, " from the border, does not fit into ", H, "x", W);
  std::mt19937_64 generator(seed);
  const int top = margin + int(below(generator, std::uint64_t(rows) + 1));
  const int left = margin + int(below(generator, std::uint64_t(columns) + 1));
  return box_mask(H, W, top, left, height, width);
}

std::vector<float> inverted(std::vector<float> mask) {
  for (float& m : mask) m = 1 - m;
  return mask;
}

std::vector<float> both(std::vector<float> mask, const std::vector<float>& other) {
  require(mask.size() == other.size(), "inpainting: masks of ", mask.size(), " and ", other.size(),
          " pixels");
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] *= other[i];
  return mask;
}

std::vector<float> random_mask(int H, int W, double fraction, std::uint64_t seed) {
  require(fraction >= 0 && fraction <= 1, "inpainting: a fraction of ", fraction,
          " dropped pixels; expected 0 to 1");
  const std::size_t pixels = std::size_t(H) * std::size_t(W);
  const std::size_t dropped = std::size_t(double(pixels) * fraction);
  std::vector<std::size_t> order(pixels);
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::mt19937_64 generator(seed);
  std::vector<float> mask(pixels, 1.f);
  for (std::size_t i = 0; i < dropped; ++i) {  // the first `dropped` of a Fisher-Yates shuffle
    std::swap(order[i], order[i + below(generator, pixels - i)]);
    mask[order[i]] = 0;
  }
  return mask;
}

namespace {

std::unique_ptr<ForwardOperator> make_identity(Context& context, const Settings&, const OperatorData&) {
  return std::make_unique<Identity>(context);
}

std::unique_ptr<ForwardOperator> make_inpainting(Context& context, const Settings& settings,
                                                 const OperatorData& data) {
  const Tensor mask = data.at("mask");
  require(bool(mask), settings.what(), ": no mask given");
  return std::make_unique<Inpainting>(context, mask);
}

// Two numbers that a task file gives as a range; a command line gives the first alone.
constexpr Setting drop = Setting::number("drop", 0.92, 0, 1, "fraction of pixels lost");
constexpr Setting drop_to =
    Setting::number("drop_to", Setting::none, 0, 1, "the fraction is drawn between `drop` and this")
        .spelled("");
constexpr Setting box = Setting::whole("box", Setting::none, 1, 1 << 20,
                                       "side of the box in pixels (default: half the image, 128 at most)");
constexpr Setting box_end =
    Setting::whole("box_end", Setting::none, 1, 1 << 20, "sides are drawn from `box` to below this")
        .spelled("");
constexpr Setting margin =
    Setting::whole("margin", 16, 0, 1 << 20, "least pixels from the box to the border").spelled("");
constexpr Setting random_settings[] = {drop, drop_to};
constexpr Setting box_settings[] = {box, box_end, margin};
constexpr Setting both_settings[] = {drop, drop_to, box, box_end, margin};

std::vector<float> draw_random(const Settings& s, int H, int W, std::uint64_t seed) {
  const double low = s.number("drop"), high = s.stated("drop_to") ? s.number("drop_to") : low;
  std::mt19937_64 generator(seed + 2);
  const double u = double(generator() >> 11) * 0x1p-53;
  return random_mask(H, W, low + u * (high - low), seed);
}

// The margin of the published code suits 256 pixels; smaller images keep what they can of it.
std::vector<float> draw_box(const Settings& s, int H, int W, std::uint64_t seed) {
  const int low = s.stated("box") ? s.integer("box") : std::min(128, std::min(H, W) / 2);
  const int high = s.stated("box_end") ? std::max(s.integer("box_end"), low + 1) : low + 1;
  std::mt19937_64 generator(seed + 1);
  const int height = low + int(generator() % std::uint64_t(high - low));
  const int width = low + int(generator() % std::uint64_t(high - low));
  const int edge = std::max(0, std::min({s.integer("margin"), (H - height) / 2, (W - width) / 2}));
  return random_box_mask(H, W, height, width, edge, seed);
}

std::vector<float> draw_both(const Settings& s, int H, int W, std::uint64_t seed) {
  return both(draw_box(s, H, W, seed), draw_random(s, H, W, seed));
}

std::vector<float> draw_extreme(const Settings& s, int H, int W, std::uint64_t seed) {
  return inverted(draw_box(s, H, W, seed));
}

constexpr DrawRow draws[] = {
    {"random", "a fraction --drop of the pixels lost", random_settings, draw_random},
    {"box", "a hole of side --box", box_settings, draw_box},
    {"both", "a hole, and a fraction of the rest", both_settings, draw_both},
    {"extreme", "all lost but a box", box_settings, draw_extreme},
};
constexpr ArrayRow arrays[] = {
    {"mask", ArrayRow::Form::mask, "--mask", "picture of what was observed: white; what was lost: black"}};

}  // namespace

const OperatorKind identity_kind{
    .name = "noise", .what = "noise alone", .make = make_identity, .task = "denoising", .alias = "identity"};

const OperatorKind inpainting_kind{.name = "inpainting",
                                   .what = "pixels lost where --mask is black",
                                   .make = make_inpainting,
                                   .arrays = arrays,
                                   .draws = draws,
                                   .foreign = "give what was observed with --task inpainting --mask FILE"};

}  // namespace tweedie

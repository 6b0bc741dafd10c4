#include "operators/fienup.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/complex.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/fft.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {
namespace {

constexpr int check_every = 10, stages = 10;

/// Where entry i of the centred order stands in an FFT's own.
int uncentred(int i, int n) { return (i + (n + 1) / 2) % n; }

/// What `centred_magnitude_backward` takes for the half spectra of real planes with magnitudes y: y comes
/// orthonormal and whole in the centred order, the result is that of unnormalised transforms, (planes, 1, H,
/// W/2 + 1), in the centred order of *its* shape.
std::vector<float> half_magnitudes(const std::vector<float>& y, const Shape& planes) {
  const int H = planes.H, W = planes.W, half = W / 2 + 1;
  const double root = std::sqrt(double(planes.plane()));
  std::vector<float> magnitudes;
  magnitudes.reserve(std::size_t(planes.N) * std::size_t(H) * std::size_t(half));
  for (int n = 0; n < planes.N; ++n) {
    const float* const plane = y.data() + n * planes.plane();
    const auto measured = [&](int k, int l) {  // of frequency (k, l), 0 <= k < H, 0 <= l < W
      return double(plane[std::int64_t((k + H / 2) % H) * W + (l + W / 2) % W]);
    };
    for (int h = 0; h < H; ++h)
      for (int w = 0; w < half; ++w) {
        const int k = uncentred(h, H), l = uncentred(w, half);
        const double mean = (measured(k, l) + measured((H - k) % H, (W - l) % W)) / 2;
        magnitudes.push_back(float(root * std::max(mean, 0.0)));
      }
  }
  return magnitudes;
}

/// The planes of all samples and channels in padded form, and what is known of them.
class Planes {
 public:
  Planes(Context& context, const PhaseRetrieval& op, const Tensor& y, const Shape& image,
         const FienupOptions& options)
      : context_(context),
        q_(context.queue),
        options_(options),
        unit_(op.range() == PhaseRetrieval::Range::unit),
        shape_{image.N * image.C, 1, y.shape().H, y.shape().W},
        inner_{shape_.N, 1, image.H, image.W},
        half_{shape_.N, 1, shape_.H, shape_.W / 2 + 1},
        low_(unit_             ? 0.f
             : options.bounded ? -1.f
                               : -std::numeric_limits<float>::infinity()),
        high_(options.bounded ? 1.f : std::numeric_limits<float>::infinity()),
        y_(y.reshaped(shape_)),
        magnitudes_(context.upload(half_, half_magnitudes(context.download(y_), shape_))),
        spectrum_(context.spectrum(half_)),
        complex_(context.spectrum(shape_)),
        squares_(context.per_sample(shape_.N)),
        support_(context.upload({1, 1, shape_.H, shape_.W}, support())),
        norm_(norms(y_)),
        misfit_(norm_.size(), std::numeric_limits<double>::infinity()),
        stage_misfit_(misfit_) {
    for (Tensor* plane : {&g_, &projected_, &target_, &work_, &best_}) *plane = context.planar(shape_);
    fill(q_, best_, 0);
    if (unit_)
      context_.uniform(g_);  // positive at frequency 0, as a photograph is
    else
      context_.normal(g_);
    project();
    copy(q_, g_, projected_);
  }

  void error_reduction() {
    constrain();
    copy(q_, g_, target_);
  }

  /// g <- g' where it obeys, else g - beta (g' - T g').
  void hybrid_input_output() {
    constrain();
    feed_back();
  }

  /// As that, but outside the support g <- the filtered g - beta g'.
  void oversampling_smoothness() {
    constrain();
    axpby(q_, smooth_, 1.f, g_, float(-options_.beta), projected_);
    fft2_real(q_, spectrum_, smooth_);
    const View<float> parts(reinterpret_cast<float*>(spectrum_.data()), {half_.N, 1, half_.H, 2 * half_.W});
    multiply(q_, parts, parts, filter_);
    ifft2_real(q_, smooth_, spectrum_);
    feed_back();
    axpby(q_, g_, 1.f, g_, -1.f, smooth_);
    multiply(q_, g_, g_, support_);
    add(q_, g_, g_, smooth_);
  }

  /// The low-pass filter of a stage, 0 to 9; its best iterate is still to come.
  void start_stage(int stage) {
    const double a = 2.0 * (stages - stage) / stages;
    std::vector<float> twice;  // for the real and the imaginary part
    for (int h = 0; h < half_.H; ++h)
      for (int w = 0; w < half_.W; ++w) {
        const double fh = double(std::min(h, half_.H - h)) / shape_.H, fw = double(w) / shape_.W;
        twice.insert(twice.end(), 2, float(std::exp(-(fh * fh + fw * fw) / (2 * a * a))));
      }
    filter_ = context_.upload({1, 1, half_.H, 2 * half_.W}, twice);
    if (!smooth_) smooth_ = context_.planar(shape_);
    if (!stage_best_) stage_best_ = context_.planar(shape_);
    std::fill(stage_misfit_.begin(), stage_misfit_.end(), std::numeric_limits<double>::infinity());
  }
  void end_stage() { copy(q_, g_, stage_best_); }

  /// Keeps T g' of the planes where it is better than what was kept, and g where it is in this stage.
  void check() {
    pad_to_complex(q_, complex_, target_, 1, 0);
    fft2(q_, complex_, complex_);
    centred_magnitude(q_, work_, complex_, float(1 / std::sqrt(double(shape_.plane()))));
    axpby(q_, work_, 1.f, work_, -1.f, y_);
    const std::vector<double> misfit = norms(work_);
    for (std::size_t p = 0; p < misfit.size(); ++p) {
      if (misfit[p] < misfit_[p]) keep(best_, target_, misfit_, misfit, p);
      if (stage_best_ && misfit[p] < stage_misfit_[p]) keep(stage_best_, g_, stage_misfit_, misfit, p);
    }
  }
  /// The largest misfit of a plane's best iterate, of |y|.
  double worst() const {
    double worst = 0;
    for (std::size_t p = 0; p < misfit_.size(); ++p)
      if (misfit_[p] > 0) worst = std::max(worst, misfit_[p] / norm_[p]);
    return worst;
  }
  void back_to_best() { copy(q_, g_, best_); }
  const std::vector<double>& misfit() const { return misfit_; }

  /// The best iterates as images.
  Tensor images(const Shape& image) {
    Tensor x = context_.planar(inner_);
    pad_to_complex(q_, complex_, best_, 1, 0);
    crop_real(q_, x, complex_, unit_ ? 2.f : 1.f);
    if (unit_) {
      const Tensor one = context_.upload(inner_, std::vector<float>(std::size_t(inner_.size()), 1.f));
      axpby(q_, x, 1.f, x, -1.f, one);
    }
    return x.reshaped(image);
  }

 private:
  std::vector<float> support() const {
    std::vector<float> mask(std::size_t(shape_.plane()), 0.f);
    const int top = (shape_.H - inner_.H) / 2, left = (shape_.W - inner_.W) / 2;
    for (int h = 0; h < inner_.H; ++h)
      std::fill_n(mask.begin() + std::int64_t(top + h) * shape_.W + left, inner_.W, 1.f);
    return mask;
  }

  std::vector<double> norms(const Tensor& x) {
    sum_squares(q_, squares_, x);
    std::vector<double> values = context_.download(squares_);
    for (double& value : values) value = std::sqrt(value);
    return values;
  }

  /// g' = P g.
  void project() {
    fft2_real(q_, spectrum_, g_);
    centred_magnitude_backward(q_, spectrum_, magnitudes_, spectrum_, 1.f);
    ifft2_real(q_, projected_, spectrum_);
  }

  /// g' and T g'.
  void constrain() {
    project();
    clamp(q_, target_, projected_, low_, high_);
    multiply(q_, target_, target_, support_);
  }

  void feed_back() {
    const float beta = float(options_.beta);
    axpbypcz(q_, g_, 1.f, g_, -beta, projected_, beta, target_);
    // Where g' obeys, T g' is g', and g still what it was but for rounding: there, g + (g' - g).
    axpby(q_, work_, 1.f, projected_, -1.f, g_);
    clamp_backward(q_, work_, work_, projected_, low_, high_);
    multiply(q_, work_, work_, support_);
    add(q_, g_, g_, work_);
  }

  void keep(Tensor& to, const Tensor& from, std::vector<double>& kept, const std::vector<double>& misfit,
            std::size_t p) {
    copy(q_, to.view().sample(int(p)), from.view().sample(int(p)));
    kept[p] = misfit[p];
  }

  Context& context_;
  Queue& q_;
  const FienupOptions& options_;
  bool unit_;
  Shape shape_, inner_, half_;  ///< (planes, 1, H', W'), (planes, 1, H, W), (planes, 1, H', W'/2 + 1)
  float low_, high_;
  Tensor y_, magnitudes_;
  TensorOf<std::complex<float>> spectrum_, complex_;
  TensorOf<double> squares_;
  Tensor support_, g_, projected_, target_, work_, best_, smooth_, filter_, stage_best_;
  std::vector<double> norm_, misfit_, stage_misfit_;
};

/// Whether to go on after iteration k, counted from 1.
bool look(Planes& planes, int k, const FienupOptions& options, const FienupProgress& progress) {
  planes.check();
  if (progress && !progress(k, planes.worst())) return false;
  return planes.worst() > options.tolerance;
}

/// One run of the method; returns the iterations done and whether to go on.
std::pair<int, bool> iterate(Planes& planes, const FienupOptions& options, const FienupProgress& progress) {
  const bool smoothness = options.method == FienupMethod::oversampling_smoothness;
  int stage = -1;
  for (int k = 1; k <= options.iterations; ++k) {
    const auto stage_of = [&](int i) { return int(std::int64_t(i - 1) * stages / options.iterations); };
    const bool first = smoothness && stage_of(k) != stage,
               last = smoothness && stage_of(k + 1) != stage_of(k);
    if (first) planes.start_stage(stage = stage_of(k));
    switch (options.method) {
      case FienupMethod::error_reduction:
        planes.error_reduction();
        break;
      case FienupMethod::hybrid_input_output:
        planes.hybrid_input_output();
        break;
      case FienupMethod::oversampling_smoothness:
        planes.oversampling_smoothness();
        break;
    }
    if (k % check_every == 0 || k == options.iterations || last)
      if (!look(planes, k, options, progress)) return {k, false};
    if (last) planes.end_stage();
  }
  return {options.iterations, true};
}

std::vector<double> standardised(const float* plane, std::int64_t pixels) {
  std::vector<double> values(plane, plane + pixels);
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / double(pixels);
  for (double& value : values) squares += (value - mean) * (value - mean), value -= mean;
  for (double& value : values) value /= std::sqrt(std::max(squares, 1e-300));
  return values;
}

}  // namespace

FienupMethod fienup_method(const std::string& name) {
  if (name == "er") return FienupMethod::error_reduction;
  if (name == "hio") return FienupMethod::hybrid_input_output;
  require(name == "oss", "phase retrieval: method '", name, "'; expected er, hio or oss");
  return FienupMethod::oversampling_smoothness;
}

FienupResult fienup(Context& context, const PhaseRetrieval& op, const Tensor& y, const Shape& image,
                    const FienupOptions& options, const FienupProgress& progress) {
  require(image.size() > 0, "phase retrieval: images ", image, " have no pixels");
  require(y.shape() == op.output_shape(image), "phase retrieval: magnitudes ", y.shape(), " of images ",
          image, "; expected ", op.output_shape(image));
  require(options.iterations >= 1 && options.polish >= 0, "phase retrieval: ", options.iterations, " and ",
          options.polish, " iterations; expected 1 or more, and 0 or more");
  require(options.beta > 0 && options.beta <= 2, "phase retrieval: beta ", options.beta,
          "; expected more than 0, at most 2");
  Planes planes(context, op, y, image, options);
  auto [done, more] = iterate(planes, options, progress);
  const int polish = options.method == FienupMethod::error_reduction ? 0 : options.polish;
  if (more && polish > 0) planes.back_to_best();
  for (int k = 1; more && k <= polish; ++k) {
    planes.error_reduction();
    ++done;
    if (k % check_every == 0 || k == polish) more = look(planes, done, options, progress);
  }
  return {planes.images(image), planes.misfit(), done};
}

void keep_better(Context& context, FienupResult& best, const FienupResult& other) {
  const Shape s = best.x.shape(), planes{s.N * s.C, 1, s.H, s.W};
  require(other.x.shape() == s && best.misfit.size() == other.misfit.size(),
          "phase retrieval: results of shapes ", s, " and ", other.x.shape());
  Tensor to = best.x.reshaped(planes);
  const Tensor from = other.x.reshaped(planes);
  for (std::size_t p = 0; p < best.misfit.size(); ++p)
    if (other.misfit[p] < best.misfit[p]) {
      copy(context.queue, to.view().sample(int(p)), from.view().sample(int(p)));
      best.misfit[p] = other.misfit[p];
    }
}

Tensor half_turned(Context& context, const Tensor& x) {
  std::vector<float> values = context.download(x);
  const std::int64_t plane = x.shape().plane();
  for (auto at = values.begin(); at != values.end(); at += plane) std::reverse(at, at + plane);
  return context.upload(x.shape(), values);
}

Tensor align_channels(Context& context, const Tensor& x, bool either_sign) {
  const Shape s = x.shape();
  const std::int64_t pixels = s.plane();
  std::vector<float> values = context.download(x);
  std::vector<double> before;  // the sum of the channels already aligned, each with mean 0 and norm 1
  for (int p = 0; p < s.N * s.C; ++p) {
    float* const plane = values.data() + p * pixels;
    std::vector<double> channel = standardised(plane, pixels);
    if (p % s.C == 0) {
      before = channel;
      continue;
    }
    double upright = 0, turned = 0;
    for (std::size_t i = 0; i < channel.size(); ++i) {
      upright += before[i] * channel[i];
      turned += before[i] * channel[channel.size() - 1 - i];
    }
    const bool turn = either_sign ? std::abs(turned) > std::abs(upright) : turned > upright;
    const double sign = either_sign && (turn ? turned : upright) < 0 ? -1 : 1;
    if (turn) {
      std::reverse(plane, plane + pixels);
      std::reverse(channel.begin(), channel.end());
    }
    for (std::size_t i = 0; i < channel.size(); ++i) {
      if (sign < 0) plane[i] = -plane[i];
      before[i] += sign * channel[i];
    }
  }
  return context.upload(s, values);
}

}  // namespace tweedie

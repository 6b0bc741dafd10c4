#include "operators/spectral_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <complex>

#include "kernels/fft.hpp"
#include "kernels/simplex.hpp"
#include "operators/kernel_haze.hpp"

namespace tweedie {
namespace {

using Modes = std::vector<double>;  // of one plane's half spectrum, real

/// Transforms of even real planes, whose spectra are real.
class EvenPlanes {
 public:
  EvenPlanes(Context& context, int H, int W)
      : context_(context), H_(H), W_(W), modes_(context.spectrum({1, 1, H, W / 2 + 1})) {}

  Modes spectrum(const std::vector<float>& plane) {
    fft2_real(context_.queue, modes_, context_.upload({1, 1, H_, W_}, plane));
    host_.resize(std::size_t(modes_.shape().size()));
    copy_to_host(context_.queue, host_.data(), modes_.data(), host_.size() * sizeof(host_[0]));
    Modes real;
    for (const std::complex<float>& mode : host_) real.push_back(double(mode.real()));
    return real;
  }
  std::vector<float> plane(const Modes& spectrum) {
    host_.clear();
    for (const double mode : spectrum) host_.emplace_back(float(mode), 0.f);
    copy_from_host(context_.queue, modes_.data(), host_.data(), host_.size() * sizeof(host_[0]));
    Tensor out = context_.planar({1, 1, H_, W_});
    ifft2_real(context_.queue, out, modes_);
    return context_.download(out);
  }
  int H() const { return H_; }
  int W() const { return W_; }
  int half() const { return W_ / 2 + 1; }

 private:
  Context& context_;
  int H_, W_;
  TensorOf<std::complex<float>> modes_;
  std::vector<std::complex<float>> host_;
};

/// A kernel about pixel 0 of a plane.
std::vector<float> wrapped(const std::vector<float>& kernel, int rows, int columns, int H, int W) {
  std::vector<float> plane(std::size_t(H) * std::size_t(W), 0.f);
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      const int h = (i - (rows - 1) / 2 + H) % H, w = (j - (columns - 1) / 2 + W) % W;
      plane[std::size_t(h * W + w)] = kernel[std::size_t(i * columns + j)];
    }
  return plane;
}

std::vector<float> unwrapped(const std::vector<float>& plane, int rows, int columns, int H, int W) {
  std::vector<float> kernel;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      const int h = (i - (rows - 1) / 2 + H) % H, w = (j - (columns - 1) / 2 + W) % W;
      kernel.push_back(plane[std::size_t(h * W + w)]);
    }
  return kernel;
}

/// What a kernel of odd sides cannot tell apart: frequencies are averaged by lags that fade to its sides.
class Smoothing {
 public:
  Smoothing(EvenPlanes& planes, int rows, int columns, const Modes& weight)
      : planes_(planes), weight_(weight) {
    const auto fade = [](int i, int n, int side) {
      return std::max(0.0, 1 - double(std::min(i, n - i)) / side);
    };
    for (int h = 0; h < planes.H(); ++h)
      for (int w = 0; w < planes.W(); ++w)
        fade_.push_back(float(fade(h, planes.H(), rows) * fade(w, planes.W(), columns)));
    total_ = faded(weight_);
  }
  Modes operator()(Modes values) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] *= weight_[i];
    Modes mean = faded(values);
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] /= std::max(total_[i], 1e-6);
    return mean;
  }

 private:
  Modes faded(const Modes& values) {
    std::vector<float> lags = planes_.plane(values);
    for (std::size_t i = 0; i < lags.size(); ++i) lags[i] *= fade_[i];
    return planes_.spectrum(lags);
  }
  EvenPlanes& planes_;
  const Modes& weight_;
  std::vector<float> fade_;
  Modes total_;
};

Tensor gaussian_start(Context& context, int rows, int columns) {
  std::vector<float> values;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      const double down = (i - rows / 2) / (rows / 6.6), right = (j - columns / 2) / (columns / 6.6);
      values.push_back(float(std::exp(-0.5 * (down * down + right * right))));
    }
  double sum = 0;
  for (const float v : values) sum += v;
  for (float& v : values) v = float(v / sum);
  return context.upload({1, 1, rows, columns}, values);
}

/// One kernel's expectation and maximisation: what K becomes, before it is held to its pixels.
Modes next_response(const Modes& K, const Modes& S, const Modes& power, const Modes& weight, double contrast,
                    double noise, Smoothing& smooth) {
  const std::size_t modes = K.size(), channels = S.size() / modes;
  Modes next(modes), share(modes, 0.0);
  for (std::size_t i = 0; i < modes; ++i) {
    double product = 0, square = 0;
    for (std::size_t c = 0; c < channels; ++c) {
      const double s = contrast * S[c * modes + i], y = power[c * modes + i], P = K[i] * K[i] * s + noise;
      const double moment = K[i] * K[i] * s * s * y / (P * P) + s * noise / P;
      product += K[i] * s * y / P;
      square += moment;
      share[i] += moment / s / double(channels);
    }
    // What is not looked at stays.
    next[i] = weight[i] > 0 ? product / square : K[i];
  }
  const Modes mean = smooth(share);
  for (std::size_t i = 0; i < modes; ++i) next[i] *= std::sqrt(std::max(mean[i], 1e-6));
  return next;
}

}  // namespace

SpectralKernel spectral_kernel(Context& context, SpectrumPrior& prior, const Tensor& y,
                               const SpectralKernelOptions& o) {
  const Shape s = y.shape();
  require(s.N == 1, "spectral kernel: a batch of ", s.N, " measurements; expected one");
  require(o.rows > 0 && o.columns > 0 && o.iterations > 0 && o.sigma > 0, "spectral kernel: ", o.rows, " x ",
          o.columns, " pixels, ", o.iterations, " iterations, sigma ", o.sigma,
          "; expected positive numbers");
  const int rows = o.rows - (o.rows + 1) % 2, columns = o.columns - (o.columns + 1) % 2;
  require(rows <= s.H && columns <= s.W, "spectral kernel: a kernel of ", o.columns, " x ", o.rows,
          " pixels for a picture of ", s.W, " x ", s.H);
  EvenPlanes planes(context, s.H, s.W);
  const Modes S = prior.spectrum(s);
  Modes power = prior.cross_power(y, y);
  for (double& p : power) p /= double(s.plane());
  Modes weight;
  for (int h = 0; h < s.H; ++h)
    for (int w = 0; w < planes.half(); ++w) weight.push_back(h > 0 && w > 0 ? 1 : 0);
  Smoothing smooth(planes, rows, columns, weight);

  SpectralKernel found;
  Tensor kernel = gaussian_start(context, rows, columns);
  for (int iteration = 0; iteration < o.iterations; ++iteration) {
    const Modes K = planes.spectrum(wrapped(context.download(kernel), rows, columns, s.H, s.W));
    const Modes next = next_response(K, S, power, weight, found.contrast, o.sigma * o.sigma, smooth);
    std::vector<float> values = unwrapped(planes.plane(next), rows, columns, s.H, s.W);
    double sum = 0;
    for (const float v : values) sum += v;
    const double scale = std::clamp(sum * sum, 0.2, 5.0);
    found.contrast *= scale;
    for (float& v : values) v = float(v / std::sqrt(scale));
    kernel = context.upload(kernel.shape(), values);
    project_to_simplex(context.queue, kernel, kernel.view());
  }
  std::vector<float> values = context.download(kernel),
                     whole(std::size_t(o.rows) * std::size_t(o.columns), 0.f);
  HazeRemoval{o.threshold}(values, rows, columns);
  for (int i = 0; i < rows; ++i)
    std::copy_n(values.begin() + i * columns, columns, whole.begin() + i * o.columns);
  found.kernel = context.upload({1, 1, o.rows, o.columns}, whole);
  return found;
}

Tensor spectral_mean(Context& context, SpectrumPrior& prior, const Tensor& y, const SpectralKernel& found,
                     double sigma) {
  const Shape s = y.shape(), k = found.kernel.shape();
  EvenPlanes planes(context, s.H, s.W);
  const Modes K = planes.spectrum(wrapped(context.download(found.kernel), k.H, k.W, s.H, s.W));
  const Modes S = prior.spectrum(s);
  std::vector<float> gain;
  for (std::size_t i = 0; i < S.size(); ++i) {
    const double r = K[i % K.size()], p = found.contrast * S[i];
    gain.push_back(float(r * p / (r * r * p + sigma * sigma)));
  }
  return prior.filter(y, prior.upload_gain(s, gain));
}

}  // namespace tweedie

#include "layers/kernel_wizard.hpp"

#include "kernels/activation.hpp"
#include "kernels/concat.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/layout.hpp"
#include "kernels/pixel_shuffle.hpp"

namespace tweedie {
namespace {

constexpr float slope_trunk = 0.1f, slope_adapter = 0.2f;

void activate(Context& context, Tensor& x, float slope) { leaky_relu(context.queue, x, x, slope); }
void activate_backward(Context& context, Tensor& dy, const Tensor& y, float slope) {
  leaky_relu_backward(context.queue, dy, dy, y, slope);
}

Tensor concatenate(Context& context, const Tensor& a, const Tensor& b) {
  const Shape& s = a.shape();
  Tensor y = context.features({s.N, s.C + b.shape().C, s.H, s.W});
  concat_channels(context.queue, y, a, b);
  return y;
}

Tensor shuffle(Context& context, const Tensor& x, int channels) {
  const Shape& s = x.shape();
  Tensor y = context.features({s.N, padded_channels(channels), 2 * s.H, 2 * s.W});
  pixel_shuffle2(context.queue, y, x);
  return y;
}

Tensor shuffle_backward(Context& context, const Tensor& dy, int channels) {
  const Shape& s = dy.shape();
  Tensor dx = context.features({s.N, padded_channels(channels), s.H / 2, s.W / 2});
  pixel_shuffle2_backward(context.queue, dx, dy);
  return dx;
}

/// Planar values in the layout of features, with channels added.
Tensor enter(Context& context, const Tensor& planar) {
  const Shape& s = planar.shape();
  Tensor x = context.features({s.N, padded_channels(s.C), s.H, s.W});
  convert_layout(context.queue, x, planar);
  return x;
}

Tensor leave(Context& context, const Tensor& features, const Shape& shape) {
  Tensor y = context.planar(shape);
  convert_layout(context.queue, y, features);
  return y;
}

}  // namespace

KernelWizardConfig parse_kernel_wizard_config(const nlohmann::json& json, const std::string& where) {
  KernelWizardConfig config;
  const auto read = [&](const char* key, int& value) {
    require(json.is_object() && json.contains(key) && json.at(key).is_number_integer() &&
                json.at(key).get<std::int64_t>() > 0 && json.at(key).get<std::int64_t>() < (1 << 20),
            where, ": ", key, " is missing or not a positive whole number");
    value = json.at(key).get<int>();
  };
  read("input_nc", config.input_nc);
  read("nf", config.nf);
  read("front_RBs", config.front_RBs);
  read("back_RBs", config.back_RBs);
  read("kernel_dim", config.kernel_dim);
  return config;
}

KernelWizard::KernelWizard(Context& context, const WeightScope& scope, const KernelWizardConfig& c)
    : context_(context), config_(c) {
  const int nf = c.nf, channels[levels] = {nf, 2 * nf, 4 * nf, 8 * nf, 8 * nf};
  const auto trunk = [&](const char* part, int index) { return scope.sub(part).sub(std::to_string(index)); };
  extract_.emplace_back(context, trunk("feature_extractor", 0), c.input_nc, nf, 3);
  for (const int index : {2, 4})
    extract_.emplace_back(context, trunk("feature_extractor", index), nf, nf, 3, 2);
  const auto blocks = [&](std::vector<Residual>& list, const char* part, int first, int count) {
    for (int i = 0; i < count; ++i) {
      const WeightScope block = trunk(part, first + i);
      list.push_back(
          {Conv2d(context, block.sub("conv1"), nf, nf, 3), Conv2d(context, block.sub("conv2"), nf, nf, 3)});
    }
  };
  blocks(front_, "feature_extractor", 6, c.front_RBs);
  WeightScope level = scope.sub("adapter.model");
  for (int i = 0; i < levels; ++i) {
    down_.emplace_back(context, level.sub(i == 0 ? "down.0" : "down.1"), i == 0 ? nf : channels[i - 1],
                       channels[i], 4, 2, 1, false);
    const int inner = i == levels - 1 ? c.kernel_dim : channels[i];
    up_.emplace_back(context, level.sub("up.1"), std::vector<int>{channels[i], inner},
                     i == 0 ? nf : channels[i - 1], 4, 2, 1, i == 0);
    level = level.sub("submodule");
  }
  blocks(back_, "recon_trunk", 0, c.back_RBs);
  recon_.emplace_back(context, trunk("recon_trunk", c.back_RBs), nf, 4 * nf, 3);
  recon_.emplace_back(context, trunk("recon_trunk", c.back_RBs + 3), nf, 256, 3);
  recon_.emplace_back(context, trunk("recon_trunk", c.back_RBs + 6), 64, 64, 3);
  recon_.emplace_back(context, trunk("recon_trunk", c.back_RBs + 8), 64, c.input_nc, 3);
}

Shape KernelWizard::code_shape(const Shape& image) const {
  require(image.C == config_.input_nc, "nonlinear blur: images of ", image.C, " channels; the network takes ",
          config_.input_nc);
  require(image.H % stride == 0 && image.W % stride == 0, "nonlinear blur: ", image.H, "x", image.W,
          " pixels; the network takes multiples of ", stride);
  return {image.N, config_.kernel_dim, image.H / stride, image.W / stride};
}

Tensor KernelWizard::residual(const Residual& block, const Tensor& x, Tensor* saved) const {
  Tensor inner = block.conv1.forward(context_, x);
  activate(context_, inner, 0);
  Tensor y = block.conv2.forward(context_, inner);
  add(context_.queue, y, y, x);
  if (saved) *saved = std::move(inner);
  return y;
}

Tensor KernelWizard::residual_backward(const Residual& block, Tensor dy, const Tensor& saved) const {
  const Shape s = dy.shape();
  Tensor inner = block.conv2.backward(context_, dy, s.H, s.W);
  activate_backward(context_, inner, saved, 0);
  Tensor dx = block.conv1.backward(context_, inner, s.H, s.W);
  add(context_.queue, dx, dx, dy);
  return dx;
}

Tensor KernelWizard::extract(Tensor x, Saved* saved) const {
  for (int i = 0; i < 3; ++i) {
    x = extract_[std::size_t(i)].forward(context_, x);
    activate(context_, x, slope_trunk);
    if (saved) saved->features[i] = x;
  }
  if (saved) saved->front.resize(front_.size());
  for (std::size_t i = 0; i < front_.size(); ++i)
    x = residual(front_[i], x, saved ? &saved->front[i] : nullptr);
  return x;
}

Tensor KernelWizard::adapt(const Tensor& features, const Tensor& code, Saved* saved) const {
  Tensor down[levels], x = down_[0].forward(context_, features);
  for (int i = 1; i < levels; ++i) {
    activate(context_, x, slope_adapter);
    down[i] = x;
    x = down_[std::size_t(i)].forward(context_, x);
  }
  for (int i = levels - 1; i >= 0; --i) {
    x = concatenate(context_, x, i == levels - 1 ? enter(context_, code) : down[i + 1]);
    activate(context_, x, 0);
    if (saved) {
      saved->up[i] = x;
      if (i < levels - 1) saved->down[i + 1] = down[i + 1];
    }
    x = up_[std::size_t(i)].forward(context_, x);
  }
  tanh_forward(context_.queue, x, x);
  if (saved) saved->adapted = x;
  return x;
}

Tensor KernelWizard::reconstruct(Tensor x, Saved* saved) const {
  if (saved) saved->back.resize(back_.size());
  for (std::size_t i = 0; i < back_.size(); ++i) x = residual(back_[i], x, saved ? &saved->back[i] : nullptr);
  for (int i = 0; i < 3; ++i) {
    x = recon_[std::size_t(i)].forward(context_, x);
    if (i < 2) x = shuffle(context_, x, i == 0 ? config_.nf : 64);
    activate(context_, x, slope_trunk);
    if (saved) saved->recon[i] = x;
  }
  return recon_[3].forward(context_, x);
}

Tensor KernelWizard::forward(const Tensor& x, const Tensor& code, Saved* saved) const {
  require(code.shape() == code_shape(x.shape()), "nonlinear blur: a kernel's code of ", code.shape(),
          " for images ", x.shape());
  Tensor y =
      leave(context_, reconstruct(adapt(extract(enter(context_, x), saved), code, saved), saved), x.shape());
  add(context_.queue, y, y, x);
  return y;
}

Tensor KernelWizard::adapt_backward(Tensor dy, const Saved& saved, Tensor* dcode) const {
  tanh_backward(context_.queue, dy, dy, saved.adapted);
  Tensor skipped[levels];  // gradient of down[i] through the concatenation
  for (int i = 0; i < levels; ++i) {
    const Tensor both = [&] {
      Tensor d = up_[std::size_t(i)].backward(context_, dy);
      activate_backward(context_, d, saved.up[i], 0);
      return d;
    }();
    const Shape s = both.shape();
    const int first = down_[std::size_t(i)].geometry().out;
    dy = context_.features({s.N, first, s.H, s.W});
    Tensor rest = context_.features({s.N, s.C - first, s.H, s.W});
    split_channels(context_.queue, dy, rest, both);
    if (i < levels - 1)
      skipped[i + 1] = std::move(rest);
    else if (dcode)
      *dcode = leave(context_, rest, {s.N, config_.kernel_dim, s.H, s.W});
  }
  for (int i = levels - 1; i > 0; --i) {
    const Shape s = saved.down[i].shape();
    dy = down_[std::size_t(i)].backward(context_, dy, s.H, s.W);
    add(context_.queue, dy, dy, skipped[i]);
    activate_backward(context_, dy, saved.down[i], slope_adapter);
  }
  const Shape s = saved.adapted.shape();
  return down_[0].backward(context_, dy, s.H, s.W);
}

Tensor KernelWizard::backward(const Tensor& dy, Saved& saved, Tensor* dcode) const {
  require(bool(saved.adapted), "nonlinear blur: a backward without a forward before it");
  Tensor d = enter(context_, dy);
  for (int i = 3; i >= 0; --i) {
    d = recon_[std::size_t(i)].backward(context_, d, d.shape().H, d.shape().W);
    if (i == 0) break;
    activate_backward(context_, d, saved.recon[i - 1], slope_trunk);
    if (i < 3) d = shuffle_backward(context_, d, i == 1 ? 4 * config_.nf : 256);
  }
  for (std::size_t i = back_.size(); i-- > 0;) d = residual_backward(back_[i], d, saved.back[i]);
  d = adapt_backward(std::move(d), saved, dcode);
  for (std::size_t i = front_.size(); i-- > 0;) d = residual_backward(front_[i], d, saved.front[i]);
  for (int i = 2; i >= 0; --i) {
    activate_backward(context_, d, saved.features[i], slope_trunk);
    const Shape before = i == 0 ? dy.shape() : saved.features[i - 1].shape();
    d = extract_[std::size_t(i)].backward(context_, d, before.H, before.W);
  }
  for (Tensor* const each : {&saved.adapted, &saved.features[0], &saved.features[1], &saved.features[2],
                             &saved.recon[0], &saved.recon[1], &saved.recon[2]})
    *each = {};
  for (int i = 0; i < levels; ++i) saved.down[i] = saved.up[i] = {};
  for (Tensor& each : saved.front) each = {};  // the vectors stay: the next forward allocates nothing
  for (Tensor& each : saved.back) each = {};
  Tensor dx = leave(context_, d, dy.shape());
  add(context_.queue, dx, dx, dy);
  return dx;
}

}  // namespace tweedie

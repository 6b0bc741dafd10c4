#include "operators/nonlinear_blur.hpp"

#include "kernels/elementwise.hpp"
#include "kernels/random.hpp"
#include "weights/weight_file.hpp"

namespace tweedie {

NonlinearBlur::NonlinearBlur(Context& context, std::unique_ptr<KernelWizard> network, const Tensor& code,
                             Draw draw, std::uint64_t seed)
    : context_(context),
      network_(std::move(network)),
      code_(code),
      given_(bool(code)),
      draw_(draw),
      seed_(seed) {
  if (!code) return;
  require(draw == Draw::once,
          "nonlinear blur: a kernel's code is given, and one is to be drawn at every call");
  require(code.shape().N == 1, "nonlinear blur: a kernel's code of ", code.shape(), "; expected one sample");
}

Shape NonlinearBlur::output_shape(const Shape& image) const {
  Shape code = network_->code_shape(image);
  code.N = 1;
  require(!given_ || code == code_.shape(), "nonlinear blur: a kernel's code of ", code_.shape(),
          " for images ", image, ", which take ", code);
  return image;
}

const Tensor& NonlinearBlur::code_for(const Shape& image) {
  output_shape(image);
  const Shape all = network_->code_shape(image), one{1, all.C, all.H, all.W};
  Queue& q = context_.queue;
  if (draw_ == Draw::per_call) {
    codes_ = context_.normal(all);
    axpby(q, codes_, 1.2f, codes_, 0.f, codes_);
    return codes_;
  }
  if (!code_ || code_.shape() != one) {
    code_ = context_.planar(one);
    // Far from where a context of the same seed draws its noise.
    normal(q, code_, seed_, std::uint64_t(1) << 63);
    axpby(q, code_, 1.2f, code_, 0.f, code_);
    codes_ = {};
  }
  if (!codes_ || codes_.shape() != all) {
    codes_ = context_.planar(all);
    for (int n = 0; n < all.N; ++n) copy(q, codes_.view().sample(n), code_.view());
  }
  return codes_;
}

Tensor NonlinearBlur::to_unit(const Tensor& x) {
  Tensor half = context_.planar(x.shape());
  fill(context_.queue, half, 0.5f);
  axpby(context_.queue, half, 0.5f, x, 1.f, half);
  return half;
}

struct NonlinearBlur::Evaluated : Saved {
  KernelWizard::Saved network;
  Tensor raw;  ///< 2 v - 1, v the network's output, before it is clamped
};

std::unique_ptr<Saved> NonlinearBlur::make_saved() const { return std::make_unique<Evaluated>(); }

Tensor NonlinearBlur::forward(const Tensor& x, Saved* saved) {
  Evaluated* const kept = saved ? &saved_as<Evaluated>(*saved, "nonlinear blur") : nullptr;
  Tensor v = network_->forward(to_unit(x), code_for(x.shape()), kept ? &kept->network : nullptr);
  Tensor raw = context_.planar(v.shape());
  fill(context_.queue, raw, 1.f);
  axpby(context_.queue, raw, 2.f, v, -1.f, raw);
  clamp(context_.queue, v, raw, -1.f, 1.f);
  if (kept) kept->raw = std::move(raw);
  return v;
}

Tensor NonlinearBlur::backward(const Tensor& dy, Saved& saved) {
  Evaluated& kept = saved_as<Evaluated>(saved, "nonlinear blur");
  require(bool(kept.raw), "nonlinear blur: a backward without a forward before it");
  // The factors 2 behind the network and 1/2 before it cancel.
  Tensor d = context_.planar(dy.shape());
  clamp_backward(context_.queue, d, dy, kept.raw, -1.f, 1.f);
  kept.raw = {};
  return network_->backward(d, kept.network);
}

std::unique_ptr<KernelWizard> load_kernel_wizard(Context& context, const std::string& path) {
  WeightFile file(path);
  require(file.header().architecture == "kernel_wizard", path, ": holds a ", file.header().architecture,
          ", expected a kernel_wizard");
  auto network = std::make_unique<KernelWizard>(
      context, WeightScope(file), parse_kernel_wizard_config(file.header().config, path + ": config"));
  file.require_all_used();
  return network;
}

namespace {

// The DPS repository names the network by the path of its options; ours comes with its weight file.
std::unique_ptr<ForwardOperator> make_nonlinear_blur(Context& context, const Settings& s,
                                                     const OperatorData& data) {
  require(!data.weights.empty(), s.what(), ": the weight file of its network is not given");
  std::unique_ptr<KernelWizard> network = load_kernel_wizard(context, data.weights);
  const KernelWizardConfig& c = network->config();
  const auto agree = [&](const char* key, int value) {
    if (!s.stated(key)) return;
    require(s.integer(key) == value, s.what(), ": ", key, " is ", s.integer(key), ", the network of ",
            data.weights, " has ", value);
  };
  agree("input_nc", c.input_nc);
  agree("nf", c.nf);
  agree("front_RBs", c.front_RBs);
  agree("back_RBs", c.back_RBs);
  agree("kernel_dim", c.kernel_dim);
  const Tensor code = s.stated("seed") ? Tensor() : data.at("kernel");
  const auto draw = s.text("draw") == "once" ? NonlinearBlur::Draw::once : NonlinearBlur::Draw::per_call;
  return std::make_unique<NonlinearBlur>(context, std::move(network), code, draw, s.seed("seed"));
}

constexpr Setting of_network(const char* name) {
  return Setting::whole(name, Setting::none, 0, 1 << 20, "must be the network's").spelled("");
}
constexpr Setting settings[] = {
    of_network("input_nc"),
    of_network("nf"),
    of_network("front_RBs"),
    of_network("back_RBs"),
    of_network("kernel_dim"),
    Setting::text("draw", "once", "once, per_call", "how often a kernel is drawn").spelled(""),
    Setting::seed("seed", "of the kernel").spelled(""),
};
constexpr ArrayRow arrays[] = {{"kernel"}};  // its code, (1, kernel_dim, H/128, W/128)

}  // namespace

const OperatorKind nonlinear_blur_kind{.name = "nonlinear_blur",
                                       .what = "blur by a network",
                                       .make = make_nonlinear_blur,
                                       .settings = settings,
                                       .arrays = arrays,
                                       .steps = {1.0, 1.0, 0.3, 0.09},
                                       .ignored = "opt_yml_path",
                                       .compat = "draw=per_call",
                                       .network = "weight file of the network that blurs",
                                       .foreign = "give the kernel with --task kernel_blur --kernel FILE"};

}  // namespace tweedie

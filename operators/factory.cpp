#include "operators/factory.hpp"

#include "operators/colourisation.hpp"
#include "operators/composed.hpp"
#include "operators/ct.hpp"
#include "operators/inpainting.hpp"
#include "operators/kernel_blur.hpp"
#include "operators/motion_kernel.hpp"
#include "operators/mri.hpp"
#include "operators/nonlinear_blur.hpp"
#include "operators/phase_retrieval.hpp"
#include "operators/sampling_mask.hpp"
#include "operators/separable.hpp"
#include "operators/settings.hpp"

namespace tweedie {
namespace {

Boundary boundary(JsonSettings& s) {
  const std::string name = s.text("boundary", "reflect");
  require(name == "reflect" || name == "circular", "blur: boundary '", name,
          "'; expected reflect or circular");
  return name == "reflect" ? Boundary::reflect : Boundary::circular;
}

std::unique_ptr<ForwardOperator> super_resolution(Context& context, JsonSettings& s) {
  s.ignore("in_shape");  // the DPS repository's; ours takes the shape of the image
  const int factor = s.integer("scale_factor");
  const std::string kernel = s.text("kernel", "bicubic");
  require(kernel == "bicubic" || kernel == "average", "super-resolution: kernel '", kernel,
          "'; expected bicubic or average");
  return std::make_unique<SeparableOperator>(
      context,
      [factor, average = kernel == "average"](int pixels) {
        return average ? average_rows(pixels, factor) : bicubic_rows(pixels, factor);
      },
      true);
}

std::unique_ptr<ForwardOperator> gaussian_blur(Context& context, JsonSettings& s) {
  const std::vector<double> taps = gaussian_taps(s.integer("kernel_size", 61), s.number("intensity", 3.0));
  return std::make_unique<SeparableOperator>(
      context, [taps, rule = boundary(s)](int pixels) { return correlation_rows(pixels, taps, rule); });
}

// The kernel is data where no seed is stated; else the native generator draws it.
std::unique_ptr<ForwardOperator> motion_blur(Context& context, JsonSettings& s, const OperatorData& data) {
  const int size = s.integer("kernel_size", 61);
  require(size < 4096, "motion blur: kernel_size ", size, "; expected less than 4096");
  const bool given = data.kernel && !s.has("seed");
  const std::uint64_t seed = s.seed("seed");
  const double intensity = s.number("intensity", 0.5);
  const Shape taps{1, 1, size, size};
  const Tensor kernel = given ? data.kernel : context.upload(taps, motion_kernel(size, intensity, seed));
  require(kernel.shape() == taps, "motion blur: a kernel of shape ", kernel.shape(), " for kernel_size ",
          size);
  return make_blur(context, kernel, boundary(s));
}

// Any kernel, of any odd sides.
std::unique_ptr<ForwardOperator> kernel_blur(Context& context, JsonSettings& s, const OperatorData& data) {
  require(bool(data.kernel), "kernel_blur: no kernel given");
  return make_blur(context, data.kernel, boundary(s));
}

std::unique_ptr<ForwardOperator> phase_retrieval(Context& context, JsonSettings& s) {
  const std::string range = s.text("range", "pm1");
  require(range == "pm1" || range == "unit", "phase retrieval: range '", range, "'; expected pm1 or unit");
  return std::make_unique<PhaseRetrieval>(
      context, s.number("oversample", 2),
      range == "unit" ? PhaseRetrieval::Range::unit : PhaseRetrieval::Range::pm1);
}

// The DPS repository names the network by the path of its options; ours comes with its weight file.
std::unique_ptr<ForwardOperator> nonlinear_blur(Context& context, JsonSettings& s, const OperatorData& data) {
  require(!data.weights.empty(), "nonlinear blur: the weight file of its network is not given");
  s.ignore("opt_yml_path");
  const std::string draw = s.text("draw", "once");
  require(draw == "once" || draw == "per_call", "nonlinear blur: draw '", draw,
          "'; expected once or per_call");
  std::unique_ptr<KernelWizard> network = load_kernel_wizard(context, data.weights);
  const KernelWizardConfig& c = network->config();
  const auto agree = [&](const char* key, int value) {
    const int stated = s.integer(key, value);
    require(stated == value, "nonlinear blur: ", key, " is ", stated, ", the network of ", data.weights,
            " has ", value);
  };
  agree("input_nc", c.input_nc);
  agree("nf", c.nf);
  agree("front_RBs", c.front_RBs);
  agree("back_RBs", c.back_RBs);
  agree("kernel_dim", c.kernel_dim);
  const Tensor code = s.has("seed") ? Tensor() : data.kernel;
  return std::make_unique<NonlinearBlur>(
      context, std::move(network), code,
      draw == "once" ? NonlinearBlur::Draw::once : NonlinearBlur::Draw::per_call, s.seed("seed"));
}

// The first of a list works on the image, each further one on what the one before measured.
std::unique_ptr<ForwardOperator> composed(Context& context, JsonSettings& s, const OperatorData& data) {
  std::unique_ptr<ForwardOperator> op;
  for (const nlohmann::json& each : s.list("operators")) {
    std::unique_ptr<ForwardOperator> next = make_operator(context, each, data);
    op = op ? compose(std::move(op), std::move(next)) : std::move(next);
  }
  require(bool(op), "composed operator: 'operators' is an empty list");
  return op;
}

std::unique_ptr<ForwardOperator> ct(Context& context, JsonSettings& s) {
  const RadonSettings standard;
  return std::make_unique<Radon>(
      context, RadonSettings{s.integer("angles", standard.angles), s.number("first", standard.first),
                             s.number("span", standard.span), s.integer("detectors", standard.detectors)});
}

// The mask is data where nothing about its drawing is stated.
std::unique_ptr<ForwardOperator> mri(Context& context, JsonSettings& s, const OperatorData& data) {
  const auto image = s.flag("complex", false) ? CartesianMri::Image::complex : CartesianMri::Image::real;
  std::function<std::vector<float>(int, int)> mask;
  const bool drawn = s.has("mask") || s.has("acceleration") || s.has("centre") || s.has("seed");
  if (data.mask && !drawn) {
    const Shape m = data.mask.shape();
    require(m.N == 1 && m.C == 1, "MRI: a mask of shape ", m, "; expected (1, 1, H, W), or (1, 1, 1, W)");
    mask = [m, given = context.download(data.mask)](int H, int W) {
      require((m.H == H || m.H == 1) && m.W == W, "MRI: a mask of ", m.H, "x", m.W, " entries for images of ",
              H, "x", W);
      std::vector<float> all = given;
      while (all.size() < std::size_t(H) * std::size_t(W)) all.insert(all.end(), given.begin(), given.end());
      return all;
    };
  } else {
    const Sampling standard;
    const Sampling sampling{s.text("mask", standard.pattern), s.number("acceleration", standard.acceleration),
                            s.number("centre", standard.centre), s.seed("seed")};
    mask = [sampling](int H, int W) { return sampling_mask(H, W, sampling); };
  }
  return std::make_unique<CartesianMri>(context, std::move(mask), image, data.sensitivity);
}

}  // namespace

std::vector<std::string> operator_names() {
  return {
      "noise",           "inpainting",     "super_resolution", "gaussian_blur", "motion_blur", "kernel_blur",
      "phase_retrieval", "nonlinear_blur", "colourisation",    "composed",      "ct",          "mri"};
}

std::unique_ptr<ForwardOperator> make_operator(Context& context, const nlohmann::json& settings,
                                               const OperatorData& data) {
  JsonSettings s(settings, "operator");
  const std::string name = s.text("name");
  std::unique_ptr<ForwardOperator> op;
  if (name == "noise" || name == "identity") {
    op = std::make_unique<Identity>(context);
  } else if (name == "inpainting") {
    require(bool(data.mask), "inpainting: no mask given");
    op = std::make_unique<Inpainting>(context, data.mask);
  } else if (name == "super_resolution") {
    op = super_resolution(context, s);
  } else if (name == "gaussian_blur") {
    op = gaussian_blur(context, s);
  } else if (name == "motion_blur") {
    op = motion_blur(context, s, data);
  } else if (name == "kernel_blur") {
    op = kernel_blur(context, s, data);
  } else if (name == "phase_retrieval") {
    op = phase_retrieval(context, s);
  } else if (name == "nonlinear_blur") {
    op = nonlinear_blur(context, s, data);
  } else if (name == "colourisation") {
    op = std::make_unique<Colourisation>(context);
  } else if (name == "composed") {
    op = composed(context, s, data);
  } else if (name == "ct") {
    op = ct(context, s);
  } else if (name == "mri") {
    op = mri(context, s, data);
  } else {
    std::string known;
    for (const std::string& each : operator_names()) known += (known.empty() ? "" : ", ") + each;
    throw Error(message("operator '", name, "' is not known; expected one of ", known));
  }
  s.require_all_used();
  return op;
}

}  // namespace tweedie

#include "operators/blind.hpp"

#include <cmath>

#include "operators/composed.hpp"
#include "operators/fixed.hpp"
#include "operators/motion_kernel.hpp"
#include "operators/tilt_map.hpp"
#include "operators/turbulence.hpp"

namespace tweedie {

BlindOperator make_blind_operator(Context& context, const std::string& name, Padding padding) {
  if (name == "blind_blur") return {std::make_unique<Convolution>(context, padding), {"image", "kernel"}};
  if (name == "tilt") return {std::make_unique<Warp>(context), {"image", "tilt"}};
  if (name == "turbulence")
    return {std::make_unique<Turbulence>(context, padding), {"image", "kernel", "tilt"}};
  throw Error(message("operator '", name,
                      "' is not one of several unknowns; expected blind_blur, tilt or turbulence"));
}

std::vector<float> gaussian_kernel(int size, double sigma) {
  require(size >= 1 && sigma > 0, "Gaussian kernel: ", size, " pixels, sigma ", sigma,
          "; expected positive numbers");
  const int radius = int(4 * sigma + 0.5), middle = size / 2;
  const auto tap = [&](int i) {
    const int d = i - middle;
    return std::abs(d) > radius ? 0 : std::exp(-0.5 * d * d / (sigma * sigma));
  };
  double sum = 0;
  for (int i = 0; i < size; ++i) sum += tap(i);
  std::vector<float> kernel;
  for (int i = 0; i < size; ++i)
    for (int j = 0; j < size; ++j) kernel.push_back(float(tap(i) * tap(j) / (sum * sum)));
  return kernel;
}

namespace {

/// An operator of several unknowns, each looked at through a crop.
class OnCrops : public ForwardOperator {
 public:
  OnCrops(Context& context, ForwardOperator& op, std::vector<Shape> sides)
      : op_(op), sides_(std::move(sides)) {
    require(int(sides_.size()) == op_.unknowns(), "crops of ", sides_.size(), " unknowns for an operator of ",
            op_.unknowns());
    for (const Shape& side : sides_) crops_.push_back(make_crop(context, side.H, side.W));
  }
  int unknowns() const override { return op_.unknowns(); }
  bool linear_in(int unknown) const override { return op_.linear_in(unknown); }
  Shape output_shape(std::span<const Shape> u) const override {
    require(u.size() == sides_.size(), "crops of ", sides_.size(), " unknowns: ", u.size(), " given");
    std::vector<Shape> inner;
    for (std::size_t k = 0; k < u.size(); ++k) inner.push_back({u[k].N, u[k].C, sides_[k].H, sides_[k].W});
    return op_.output_shape(inner);
  }
  std::unique_ptr<Saved> make_saved() const override {
    auto state = std::make_unique<State>();
    state->inner = op_.make_saved();
    return state;
  }
  Tensor forward(Unknowns u, Saved* saved = nullptr) override {
    State* state = saved ? &saved_as<State>(*saved, "crops") : nullptr;
    std::vector<Tensor> of_this_call;
    std::vector<Tensor>& cropped = state ? state->cropped : of_this_call;
    if (state) state->shapes.clear();
    cropped.clear();  // a call that failed may have left some
    for (std::size_t k = 0; k < u.size(); ++k) {
      cropped.push_back(whole(u[k].shape(), k) ? u[k] : crops_[k]->forward(u[k]));
      if (state) state->shapes.push_back(u[k].shape());
    }
    Tensor y = op_.forward(Unknowns(cropped), state ? state->inner.get() : nullptr);
    cropped.clear();  // what the way back needs of them is in `inner`
    return y;
  }
  void backward(std::span<Tensor* const> du, const Tensor& dy, Saved& saved) override {
    State& state = saved_as<State>(saved, "crops");
    op_.backward(du, dy, *state.inner);
    for (std::size_t k = 0; k < du.size(); ++k)
      if (du[k] && !whole(state.shapes[k], k))
        *du[k] = dynamic_cast<LinearOperator&>(*crops_[k]).adjoint(*du[k], state.shapes[k]);
  }
  using ForwardOperator::backward;
  using ForwardOperator::forward;
  void discard_unmeasured(Tensor& y) override { op_.discard_unmeasured(y); }

 private:
  struct State : Saved {
    std::unique_ptr<Saved> inner;
    std::vector<Shape> shapes;
    std::vector<Tensor> cropped;  // empty between calls, for its memory
  };
  bool whole(const Shape& given, std::size_t k) const {
    return given.H == sides_[k].H && given.W == sides_[k].W;
  }

  ForwardOperator& op_;
  std::vector<Shape> sides_;
  std::vector<std::unique_ptr<ForwardOperator>> crops_;
};

// ---- rows ------------------------------------------------------------------------------------------------

std::unique_ptr<ForwardOperator> joint_of(Context& context, const char* name, const Settings& s) {
  return make_blind_operator(context, name, parse_padding(s.text("padding"))).op;
}

std::vector<float> draw_kernel(const Settings& s, int size) {
  const bool gaussian = s.text("kernel") == "gaussian";
  const double intensity = s.stated("intensity") ? s.number("intensity") : gaussian ? 3 : 0.5;
  require(gaussian ? intensity > 0 : intensity <= 1, s.what(), ": intensity ", intensity, " of a ",
          s.text("kernel"), " kernel; expected ",
          gaussian ? "its standard deviation, above 0" : "a number from 0 to 1");
  require(gaussian || size >= 3, s.what(), ": a motion kernel of ", size, " pixels; expected 3 or more");
  return gaussian ? gaussian_kernel(size, intensity) : motion_kernel(size, intensity, s.seed("seed"));
}

Shape shape_of_unknown(const Settings& s, const std::string& unknown, const Shape& image) {
  if (unknown == "kernel") return {1, 1, s.integer("kernel_size"), s.integer("kernel_size")};
  return {1, 2, image.H, image.W};
}

Tensor draw_unknown(Context& context, const Settings& s, const std::string& unknown, const Shape& image) {
  const Shape shape = shape_of_unknown(s, unknown, image);
  return context.upload(
      shape, unknown == "kernel" ? draw_kernel(s, shape.H) : tilt_map(image.H, image.W, s.seed("seed")));
}

Tensor given_or_neutral(Context& context, const Settings& s, const OperatorData& data,
                        const std::string& unknown, const Shape& image) {
  if (Tensor given = data.at(unknown)) return given;
  const Shape shape = shape_of_unknown(s, unknown, image);
  std::vector<float> values(std::size_t(shape.size()), 0.f);
  if (unknown == "kernel") values[std::size_t((shape.H - 1) / 2 * shape.W + (shape.W - 1) / 2)] = 1;
  return context.upload(shape, values);
}

std::unique_ptr<ForwardOperator> make_known_blur(Context& context, const Settings& s,
                                                 const OperatorData& data) {
  return fixed(context, joint_of(context, "blind_blur", s), 0,
               {Tensor(), given_or_neutral(context, s, data, "kernel", {})});
}

// A tilt that is not given is no tilt: what is left is a blur.
std::unique_ptr<ForwardOperator> make_known_turbulence(Context& context, const Settings& s,
                                                       const OperatorData& data) {
  const Tensor tilt = data.at("tilt");
  if (!tilt) return make_known_blur(context, s, data);
  return fixed(context, joint_of(context, "turbulence", s), 0,
               {Tensor(), given_or_neutral(context, s, data, "kernel", {}), tilt});
}

constexpr const char* paddings = "zero, reflect, replicate, circular";
constexpr Setting settings[] = {
    Setting::text("kernel", "motion", "motion, gaussian", "kernel that a measurement is simulated with")
        .spelled("--true-kernel"),
    Setting::whole("kernel_size", 64, 1, 4095, "pixels along a side of the kernel"),
    Setting::number(
        "intensity", Setting::none, 0, 1000,
        "of a motion kernel 0 (nearly straight) to 1 (a scribble), default 0.5; of a Gaussian one "
        "its standard deviation, default 3"),
    Setting::text("padding", "zero", paddings, "how the image goes on beyond its edge"),
    Setting::seed("seed", "of kernel and tilt").spelled(""),
};
constexpr Setting turbulence_settings[] = {
    Setting::text("kernel", "gaussian", "motion, gaussian", "kernel that a measurement is simulated with")
        .spelled("--true-kernel"),
    settings[1],
    settings[2],
    settings[3],
    settings[4],
};
constexpr ArrayRow arrays[] = {
    {"kernel", ArrayRow::Form::kernel, "--kernel", "file of the kernel that a measurement is simulated with"},
    {"tilt", ArrayRow::Form::numbers}};
constexpr const char* unknowns[] = {"kernel", "tilt"};
constexpr BlindRow blur_row{
    std::span(unknowns, 1),
    [](Context& context, const Settings& s) { return joint_of(context, "blind_blur", s); }, shape_of_unknown,
    draw_unknown};
constexpr BlindRow turbulence_row{
    unknowns, [](Context& context, const Settings& s) { return joint_of(context, "turbulence", s); },
    shape_of_unknown, draw_unknown};

}  // namespace

std::unique_ptr<ForwardOperator> on_crops(Context& context, ForwardOperator& op, std::vector<Shape> sides) {
  return std::make_unique<OnCrops>(context, op, std::move(sides));
}

const OperatorKind blind_blur_kind{.name = "blind_blur",
                                   .what = "blur by a kernel that nobody knows",
                                   .make = make_known_blur,
                                   .settings = settings,
                                   .arrays = std::span(arrays, 1),
                                   .blind = &blur_row};

const OperatorKind turbulence_kind{.name = "turbulence",
                                   .what =
                                       "turbulent air: an unknown displacement of every pixel, then an "
                                       "unknown blur",
                                   .make = make_known_turbulence,
                                   .settings = turbulence_settings,
                                   .arrays = arrays,
                                   .blind = &turbulence_row};

}  // namespace tweedie

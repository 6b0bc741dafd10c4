#include "operators/factory.hpp"

#include "operators/inpainting.hpp"
#include "operators/separable.hpp"
#include "operators/settings.hpp"

namespace tweedie {
namespace {

Boundary boundary(Settings& s) {
  const std::string name = s.text("boundary", "reflect");
  require(name == "reflect" || name == "circular", "blur: boundary '", name,
          "'; expected reflect or circular");
  return name == "reflect" ? Boundary::reflect : Boundary::circular;
}

std::unique_ptr<ForwardOperator> super_resolution(Context& context, Settings& s) {
  s.ignore("in_shape");  // the DPS repository's; ours takes the shape of the image
  const int factor = s.integer("scale_factor");
  const std::string kernel = s.text("kernel", "bicubic");
  require(kernel == "bicubic" || kernel == "average", "super-resolution: kernel '", kernel,
          "'; expected bicubic or average");
  return std::make_unique<SeparableOperator>(context, [factor, average = kernel == "average"](int pixels) {
    return average ? average_rows(pixels, factor) : bicubic_rows(pixels, factor);
  });
}

std::unique_ptr<ForwardOperator> gaussian_blur(Context& context, Settings& s) {
  const std::vector<double> taps = gaussian_taps(s.integer("kernel_size", 61), s.number("intensity", 3.0));
  return std::make_unique<SeparableOperator>(
      context, [taps, rule = boundary(s)](int pixels) { return correlation_rows(pixels, taps, rule); });
}

}  // namespace

std::vector<std::string> operator_names() {
  return {"noise", "inpainting", "super_resolution", "gaussian_blur"};
}

std::unique_ptr<ForwardOperator> make_operator(Context& context, const nlohmann::json& settings,
                                               const OperatorData& data) {
  Settings s(settings, "operator");
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
  } else {
    std::string known;
    for (const std::string& each : operator_names()) known += (known.empty() ? "" : ", ") + each;
    throw Error(message("operator '", name, "' is not known; expected one of ", known));
  }
  s.require_all_used();
  return op;
}

}  // namespace tweedie

#include "operators/recorded.hpp"

#include "operators/circular.hpp"
#include "operators/colourisation.hpp"
#include "operators/inpainting.hpp"
#include "operators/truncated.hpp"

namespace tweedie {
namespace {

/// A member of the table, which must be there.
template <class T>
T member(const nlohmann::json& table, const char* key) {
  const auto found = table.find(key);
  require(found != table.end(), "operator ", table.at("name").dump(), ": the setting '", key, "' is missing");
  try {
    return found->get<T>();
  } catch (const nlohmann::json::exception&) {
    throw Error(message("operator ", table.at("name").dump(), ": '", key, "' is ", found->dump()));
  }
}

Tensor kernel_of(const nlohmann::json& table, const OperatorData& data) {
  const Tensor kernel = data.at("kernel");
  require(bool(kernel), "operator ", table.at("name").dump(), ": no kernel given");
  return kernel;
}

std::unique_ptr<ForwardOperator> deblur_separable(Context& context, const nlohmann::json& table, int pixels,
                                                  const std::vector<int>& order) {
  const auto name = member<std::string>(table, "singular_order");
  require(name == "correct" || name == "compat", "deblur_separable: singular_order '", name,
          "'; expected correct or compat");
  require((name == "compat") == !order.empty(),
          "deblur_separable: singular_order compat, and only it, takes an order");
  const std::vector<double> taps = ddrm_gaussian(member<int>(table, "taps"), member<double>(table, "sigma"));
  return std::make_unique<TruncatedSeparable>(context, ddrm_blur(pixels, taps), member<double>(table, "zero"),
                                              order);
}

}  // namespace

std::unique_ptr<ForwardOperator> make_recorded_operator(Context& context, const nlohmann::json& table,
                                                        const OperatorData& data, const Shape& image,
                                                        const std::vector<int>& order) {
  require(table.is_object() && table.contains("name") && table.at("name").is_string(),
          "operator: expected a table with a 'name', found ", table.dump());
  const auto name = table.at("name").get<std::string>();
  const auto square = [&] {
    require(image.H == image.W, "operator ", name, ": images of ", image.H, "x", image.W,
            "; expected square ones");
    return image.H;
  };
  if (name == "denoising") return std::make_unique<Identity>(context);
  if (name == "inpainting") return make_operator(context, nlohmann::json{{"name", name}}, data);
  if (name == "sr_averagepooling")
    return make_operator(context,
                         {{"name", "super_resolution"},
                          {"scale_factor", member<int>(table, "scale_factor")},
                          {"kernel", "average"}},
                         data);
  if (name == "colorization")
    return std::make_unique<Colourisation>(context, member<std::vector<float>>(table, "weights"));
  if (name == "sr_bicubic")
    return std::make_unique<TruncatedSeparable>(
        context, ddrm_bicubic(square(), member<int>(table, "scale_factor"), member<double>(table, "a")),
        member<double>(table, "zero"));
  if (name == "deblur_separable") return deblur_separable(context, table, square(), order);
  if (name == "gaussian_blur_circular")
    return std::make_unique<CircularBlur>(context, kernel_of(table, data), Direction::convolve);
  if (name == "super_resolution_circular")
    return std::make_unique<CircularReduction>(context, kernel_of(table, data),
                                               member<int>(table, "scale_factor"));
  return make_operator(context, table, data);
}

}  // namespace tweedie

#include "tools/metrics/catalogue.hpp"

#include <algorithm>
#include <memory>

#include "tools/metrics/kernel_match.hpp"
#include "tools/metrics/resize.hpp"
#include "tools/metrics/similarity.hpp"

namespace tweedie::metrics {
namespace {

struct LpipsRow {
  const char *name, *tool;
  LpipsVariant variant;
};
constexpr FeatureLength torchmetrics_length{0, 1e-8f};
const LpipsRow lpips_rows[] = {
    {"lpips-vgg", "lpips (lpips, vgg v0.1)", {Trunk::vgg}},
    {"lpips-alex", "lpips (lpips, alex v0.1)", {Trunk::alex}},
    {"lpips-squeeze", "lpips (lpips, squeeze v0.1)", {Trunk::squeeze}},
    {"lpips-piq-avgpool", "lpips (piq, vgg, average pooling)", {Trunk::vgg, TrunkPooling::average}},
    {"lpips-vgg-torchmetrics",
     "lpips (torchmetrics, vgg)",
     {Trunk::vgg, TrunkPooling::maximum, torchmetrics_length}},
    {"lpips-alex-torchmetrics",
     "lpips (torchmetrics, alex)",
     {Trunk::alex, TrunkPooling::maximum, torchmetrics_length}},
};

struct KernelRow {
  const char *name, *tool;
  bool higher_is_better;
  double (*value)(const Matrix&, const Matrix&);
};
constexpr KernelRow kernel_rows[] = {
    {"mnc", "mnc (kernels; Hu & Yang)", true,
     [](const Matrix& a, const Matrix& b) { return match(a, b).mnc; }},
    {"kernel-mse-sum1", "mse (kernels of sum 1)", false, mse_of_unit_sum},
    {"kernel-mse-max1", "mse (kernels of maximum 1)", false, mse_of_unit_maximum},
};

Matrix kernel_of(const Planes& image) {
  const Planes gray = luma(image);
  Matrix m(gray.height, gray.width);
  m.data = gray.data;
  return m;
}

// Phase retrieval finds an image or not, with little in between; 20 dB lie between the two.
constexpr double success_decibels = 20;

double lpips_of(Context& context, const Lpips& lpips, const Planes& x, const Planes& y) {
  require_same_size("lpips", x, y);
  const auto rgb = [&](const Planes& p) {
    std::vector<float> values;
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t i = 0; i < p.plane(); ++i)
        values.push_back(float(2 * p.data[std::size_t(p.channels == 3 ? c : 0) * p.plane() + i] - 1));
    return context.upload({1, 3, p.height, p.width}, values);
  };
  return lpips.forward(rgb(x), rgb(y)).at(0);
}

}  // namespace

std::vector<Metric> catalogue() {
  std::vector<Metric> all;
  for (const PsnrVariant& v : psnr_variants()) all.push_back({v.name, v.tool, Of::pair, true, 3});
  all.push_back({"psnr-pooled", "psnr (torchmetrics, pooled)", Of::pairs, true, 3});
  all.push_back({"psnr-half-turn", "psnr (best of two, half a turn apart)", Of::pair, true, 3});
  all.push_back({"success", "share over 20 dB (best of two, half a turn apart)", Of::pair, true, 2});
  for (const SsimVariant& v : ssim_variants()) all.push_back({v.name, v.tool, Of::pair, true});
  for (const LpipsRow& row : lpips_rows) all.push_back({row.name, row.tool});
  all.push_back({"mse", "mse ([0, 1])", Of::pair, false, 6});
  all.push_back({"relative-l2", "|x - y| / |y|"});
  for (const KernelRow& row : kernel_rows)
    all.push_back({row.name, row.tool, Of::pair, row.higher_is_better, row.higher_is_better ? 4 : 8});
  for (const InceptionInput& input : inception_inputs()) {
    const std::string tool = input.tool;
    all.push_back({std::string("fid-") + input.name, "fid (" + tool + ")", Of::sets});
    all.push_back({std::string("kid-") + input.name, "kid x 1000 (inputs of " + tool + ")", Of::sets});
  }
  return all;
}

std::vector<Metric> parse_metrics(const std::string& list) {
  const std::vector<Metric> all = catalogue();
  std::vector<Metric> chosen;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    std::string name = list.substr(begin, end - begin);
    if (name == "fid") name = "fid-pytorch";
    if (name == "kid") name = "kid-fidelity";
    const auto named = [&](const Metric& m) { return m.name == name; };
    const auto found = std::find_if(all.begin(), all.end(), named);
    if (found == all.end()) {
      std::string names;
      for (const Metric& m : all) names += (names.empty() ? "" : ", ") + m.name;
      throw Error(message("there is no metric '", name, "'; there are ", names));
    }
    require(std::none_of(chosen.begin(), chosen.end(), named), "the metric ", name, " is asked for twice");
    chosen.push_back(*found);
    begin = end + 1;
  }
  return chosen;
}

PairMetric make_pair_metric(Context& context, const Metric& metric, const std::string& networks) {
  for (const PsnrVariant& v : psnr_variants())
    if (metric.name == v.name) return [&v](const Planes& x, const Planes& y) { return psnr(x, y, v); };
  for (const SsimVariant& v : ssim_variants())
    if (metric.name == v.name) return [&v](const Planes& x, const Planes& y) { return ssim(x, y, v); };
  for (const LpipsRow& row : lpips_rows)
    if (metric.name == row.name) {
      const std::shared_ptr<Lpips> lpips = load_lpips(context, networks, row.variant, metric.name);
      return [&context, lpips](const Planes& x, const Planes& y) { return lpips_of(context, *lpips, x, y); };
    }
  for (const KernelRow& row : kernel_rows)
    if (metric.name == row.name)
      return [&row](const Planes& x, const Planes& y) { return row.value(kernel_of(x), kernel_of(y)); };
  if (metric.name == "psnr-half-turn") return psnr_half_turn;
  if (metric.name == "success")
    return [](const Planes& x, const Planes& y) { return double(psnr_half_turn(x, y) > success_decibels); };
  if (metric.name == "relative-l2") return relative_l2;
  require(metric.name == "mse" || metric.of == Of::pairs, metric.name, " is not a metric of pairs of images");
  return mean_squared_error;
}

SetMetric set_metric(const Metric& metric) {
  require(metric.of == Of::sets, metric.name, " is not a metric of sets of images");
  return {metric.name.substr(4), metric.name.starts_with("kid")};
}

}  // namespace tweedie::metrics

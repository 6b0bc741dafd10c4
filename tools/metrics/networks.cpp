#include "tools/metrics/networks.hpp"

#include <filesystem>

#include "weights/metric_networks.hpp"
#include "weights/weight_file.hpp"

namespace tweedie::metrics {
namespace {

WeightFile open(const std::string& folder, const std::string& architecture, const std::string& metric) {
  const std::string path = network_file(folder, architecture, metric);
  WeightFile file(path);
  require(file.header().architecture == architecture, path, ": holds a ", file.header().architecture, ", ",
          metric, " needs a ", architecture);
  return file;
}

}  // namespace

std::string network_file(const std::string& folder, const std::string& architecture,
                         const std::string& metric) {
  const std::string path = (std::filesystem::path(folder) / (architecture + ".h5")).string();
  std::error_code error;
  require(std::filesystem::exists(path, error), metric, " looks through a network, and there is no ", path,
          ": ", how_to_get(metric_network(architecture)), "; then give its folder with --networks");
  return path;
}

std::unique_ptr<Lpips> load_lpips(Context& context, const std::string& folder, const LpipsVariant& variant,
                                  const std::string& metric) {
  WeightFile file = open(folder, std::string("lpips_") + name(variant.trunk), metric);
  auto lpips = std::make_unique<Lpips>(context, WeightScope(file), WeightScope(file), variant);
  file.require_all_used();
  return lpips;
}

std::unique_ptr<Inception> load_inception(Context& context, const std::string& folder,
                                          const std::string& metric) {
  WeightFile file = open(folder, "inception_fid", metric);
  auto inception = std::make_unique<Inception>(context, WeightScope(file));
  file.require_all_used();
  return inception;
}

}  // namespace tweedie::metrics

// tweedie-verify: our numbers against recorded ones.
#include <fmt/format.h>

#include "tools/device_option.hpp"
#include "tools/network.hpp"
#include "tools/numbers.hpp"
#include "tools/programs.hpp"
#include "tools/report.hpp"
#include "tools/run_main.hpp"
#include "tools/say.hpp"
#include "tools/verify/checks.hpp"

namespace tweedie {
namespace {

struct Options {
  std::string images, weights, device = "auto", operator_weights, kernel_weights, tilt_weights;
  std::vector<std::string> files;
  double tolerance = 1e-4;
  bool json = false;
};

std::string table(const std::string& path, const std::vector<verify::Check>& checks) {
  std::string text = path + "\n";
  for (const verify::Check& c : checks) {
    const char* verdict = !c.judged ? "-" : c.passed() ? "ok" : "FAILED";
    const std::string held = c.judged ? fmt::format("tolerance {:.0e}", c.tolerance) : "not judged";
    text +=
        fmt::format("  {:<6} {:<36} {} error {:.2e} ({}), worst at {}: {:.6g}, expected {:.6g}\n", verdict,
                    c.name, c.absolute ? "absolute" : "relative", c.error, held, c.worst, c.ours, c.theirs);
    if (!c.note.empty()) text += fmt::format("         {}\n", c.note);
  }
  return text;
}

Json to_json(const std::vector<verify::Check>& checks) {
  Json list = Json::array();
  for (const verify::Check& c : checks)
    list.push_back({{"array", c.name},
                    {c.absolute ? "absolute_error" : "relative_error", c.error},
                    {"tolerance", c.tolerance},
                    {"worst_index", c.worst},
                    {"ours", c.ours},
                    {"reference", c.theirs},
                    {"note", c.note},
                    {"judged", c.judged},
                    {"passed", c.passed()}});
  return list;
}

int verify_files(const Options& options) {
  Context context(choose_device(options.device));
  std::optional<LoadedNetwork> network;
  if (!options.weights.empty()) network.emplace(load_network(context, options.weights));
  std::map<std::string, LoadedNetwork> others;
  std::map<std::string, UNet*> priors;
  for (const auto& [unknown, path] :
       {std::pair{"kernel", options.kernel_weights}, {"tilt", options.tilt_weights}})
    if (!path.empty())
      priors[unknown] = others.emplace(unknown, load_network(context, path)).first->second.unet.get();
  const verify::Setup setup{context, options.tolerance,        network ? network->unet.get() : nullptr,
                            priors,  options.operator_weights, options.images};
  Json report = Json::object();
  int failed = 0, total = 0;
  for (const std::string& path : options.files) {
    const std::vector<verify::Check> checks = verify::check_file(setup, ArrayFile(path));
    for (const verify::Check& c : checks) {
      failed += c.judged && !c.passed();
      total += c.judged;
    }
    if (options.json)
      report[path] = to_json(checks);
    else
      print_result(table(path, checks));
  }
  if (options.json)
    print_result(
        Json{{"device", name(context.device())}, {"passed", failed == 0}, {"files", report}}.dump(2) + "\n");
  else
    print_result(fmt::format("{} of {} arrays agree on {}\n", total - failed, total, name(context.device())));
  return failed ? 1 : 0;
}

}  // namespace

int verify_program(int argc, char** argv) {
  return run_main("tweedie-verify", argc, argv, [](CLI::App& app, int count, char** words) {
    Options options;
    app.description(
        "Compares this build's numbers with reference files recorded from another implementation: networks, "
        "forward\n"
        "operators, whole sampling trajectories, schedules, metrics. Exit code 0: all agree; 1: some do not; "
        "2: bad "
        "input.\n"
        "A trajectory is judged by its steps, each taken from the recorded state before it; its free run is "
        "shown "
        "beside\nthem. A network's t is what its file's attribute `timesteps` says: network, or schedule.");
    app.add_option("files", options.files, "Reference files (HDF5)")->required();
    app.add_option("--weights", options.weights, "Weight file of the network (network and trajectory files)");
    app.add_option("--kernel-weights", options.kernel_weights,
                   "Weight file of the prior of blur kernels (blind trajectory files)");
    app.add_option("--tilt-weights", options.tilt_weights,
                   "Weight file of the prior of displacements (blind trajectory files)");
    app.add_option("--operator-weights", options.operator_weights,
                   "Weight file of an operator that is a network");
    app.add_option(
        "--images", options.images,
        "Folder of the photographs that recordings of Inception name (default: ../images beside the file)");
    app.add_option("--tolerance", options.tolerance,
                   "Largest relative L2 error of an array (recordings of metrics have their own)")
        ->capture_default_str()
        ->check(positive_number());
    add_device_option(app, options.device);
    app.add_flag("--json", options.json, "Print a JSON report instead of text");
    app.parse(count, words);
    return verify_files(options);
  });
}

}  // namespace tweedie

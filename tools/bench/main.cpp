// tweedie-bench: how fast, against what the machine can do.
#include "tools/bench/kernels.hpp"
#include "tools/bench/model.hpp"
#include "tools/bench/training.hpp"
#include "tools/device_option.hpp"
#include "tools/numbers.hpp"
#include "tools/run_main.hpp"
#include "tools/say.hpp"
#include "tools/threads.hpp"
#include "weights/unet_config.hpp"

int main(int argc, char** argv) {
  tweedie::wait_politely(argv);
  using namespace tweedie;
  return run_main("tweedie-bench", argc, argv, [](CLI::App& app, int count, char** words) {
    bench::ModelOptions model;
    bench::KernelOptions kernels;
    std::string device = "auto", precision = "fp32";
    bool json = false, train = false;
    app.description(
        "Measures kernels, or one DPS step of a whole network with random weights (--model). Figures are for "
        "this\n"
        "machine and this run; compare ratios, not seconds of different days.");
    app.add_option("--model", model.preset, "Time a DPS step of this preset, such as ffhq256 or imagenet256")
        ->check(CLI::IsMember(preset_names()));
    app.add_option("--config", model.config, "The same of the network of a configuration file (JSON, YAML)")
        ->excludes("--model");
    app.add_flag("--train", train, "Time a training step, against a DPS step of the same batch");
    app.add_option("--batch", model.batch, "Images a step")
        ->capture_default_str()
        ->check(whole_number(1, 1024));
    app.add_option("--repeats", model.repeats, "Steps timed, after one that is not")
        ->capture_default_str()
        ->check(whole_number(1, 999));
    app.add_option("--height", model.height, "Rows (0: the preset's)")->check(whole_number(0));
    app.add_option("--width", model.width, "Columns (0: the preset's)")->check(whole_number(0));
    app.add_option("--filter", kernels.filter, "Kernels whose name contains this");
    add_device_option(app, device);
    add_precision_option(app, precision);
    app.add_flag("--json", json, "Print JSON instead of text");
    app.parse(count, words);
    Context context(choose_device(device), 1);
    context.queue.set_precision(choose_precision(precision));
    const bool whole = !model.preset.empty() || !model.config.empty();
    require(whole || !train, "--train: of which network? Give --model or --config");
    if (train) {
      const Json report = bench::bench_training(context, model);
      print_result(json ? report.dump(2) + "\n" : bench::describe_training(report));
      return 0;
    }
    if (whole) {
      const Json report = bench::bench_model(context, model);
      print_result(json ? report.dump(2) + "\n" : bench::describe_model(report));
      return 0;
    }
    const Json report = bench::bench_kernels(context, kernels);
    print_result(json ? report.dump(2) + "\n" : bench::describe_kernels(report));
    return 0;
  });
}

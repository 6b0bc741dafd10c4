#include "tools/bench/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "engine/guidance.hpp"
#include "kernels/timer.hpp"
#include "layers/unet_cost.hpp"
#include "operators/inpainting.hpp"
#include "tools/bench/measure.hpp"
#include "tools/network.hpp"
#include "weights/random_source.hpp"

namespace tweedie::bench {
namespace {

struct Sum {
  double seconds = 0, operations = 0;
};

Sum fastest_convolutions(Queue& q, const ConvolutionCounts& counts, int repeats) {
  Sum sum;
  for (const auto& [problem, times] : counts)
    for (const bool backward : {false, true}) {
      sum.seconds += times * convolution_best_seconds(q, problem.g, problem.x, backward, repeats);
      sum.operations += times * operations_of(problem);
    }
  return sum;
}

double median(const std::vector<double>& sorted) { return sorted[sorted.size() / 2]; }

struct Network {
  std::unique_ptr<UNet> unet;
  std::optional<std::uint64_t> load_bytes;  ///< by which reading it raised the process's peak
};

Network make_network(Context& context, const ModelOptions& o) {
  Network network;
  if (o.weights.empty()) {
    RandomSource source(1);
    network.unet = std::make_unique<UNet>(context, WeightScope(source), model_config(o));
  } else {
    const auto before = peak_memory_bytes();
    network.unet = load_network(context, o.weights).unet;
    if (const auto after = peak_memory_bytes(); before && after) network.load_bytes = *after - *before;
  }
  if (network.unet->config().num_classes) network.unet->set_labels({0});
  return network;
}

}  // namespace

UNetConfig model_config(const ModelOptions& o) {
  return o.config.empty() ? preset(o.preset).unet
                          : parse_model_settings(read_config_file(o.config), o.config).unet;
}

Shape model_image(const ModelOptions& o, const UNetConfig& config) {
  return {o.batch, config.in_channels, o.height ? o.height : config.image_size,
          o.width ? o.width : config.image_size};
}

void run_dps_steps(Context& context, Denoiser& denoiser, Shape image, int steps,
                   const std::function<bool()>& seen) {
  const Schedule schedule = make_schedule("linear", 1000, std::to_string(steps));
  Inpainting op(context, context.upload({1, 1, image.H, image.W}, random_mask(image.H, image.W, 0.92, 1)));
  Likelihood likelihood(context, op, op.forward(context.normal(image)));
  DpsGuidance guidance(context, likelihood, 1.0);
  ContextNoise noise(context);
  const SamplerOptions options{
      Method::ddpm, denoiser.learns_variance() ? Variance::learned_range : Variance::fixed_small, 0, true};
  sample(context, denoiser, schedule, options, context.normal(image), &guidance, noise,
         [&](const Step&, const Tensor&) {
           context.queue.synchronize();
           return seen();
         });
}

std::vector<double> time_dps_steps(Context& context, UNet& unet, Shape image, int repeats) {
  std::vector<double> seconds;
  Stopwatch watch(context.queue);
  run_dps_steps(context, unet, image, repeats + 1, [&] {
    seconds.push_back(watch.lap());
    return true;
  });
  seconds.erase(seconds.begin());  // plans are made, engines tried and memory is taken in the first
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

Json bench_model(Context& context, const ModelOptions& o) {
  const Network network = make_network(context, o);
  UNet& unet = *network.unet;
  const UNetConfig& config = unet.config();
  Shape image = model_image(o, config);
  const std::vector<double> seconds = time_dps_steps(context, unet, image, o.repeats);
  const std::size_t peak = context.queue.meter().peak,
                    weights = std::size_t(unet.parameters()) * sizeof(float);
  const auto resident = peak_memory_bytes();
  const Sum convolution = fastest_convolutions(context.queue, convolutions_of(config, image), o.repeats);
  Json report;
  report["model"] = !o.weights.empty() ? o.weights : !o.config.empty() ? o.config : o.preset;
  report["config"] = to_json(config);
  put_device(report, context.device());
  report["precision"] = name(context.queue.precision());
  report["parameters"] = unet.parameters();
  report["batch"] = o.batch;
  report["image"] = {image.H, image.W};
  put_seconds(report, "step_seconds", seconds);
  if (o.batch > 1) {
    image.N = 1;
    report["batch_over_single"] = median(seconds) / median(time_dps_steps(context, unet, image, o.repeats));
  }
  report["convolution_seconds"] = convolution.seconds;
  report["step_over_convolution"] = median(seconds) / convolution.seconds;
  report["convolution_gflop"] = convolution.operations * 1e-9;
  report["peak_bytes_above_weights"] = peak - weights;
  report["weight_bytes"] = weights;
  if (resident) report["peak_resident_bytes"] = *resident;
  if (network.load_bytes) report["load_over_weights"] = double(*network.load_bytes) / double(weights);
  return report;
}

std::string describe_model(const Json& r) {
  const double step = r["step_seconds"], convolution = r["convolution_seconds"];
  std::string text = fmt::format(
      "{}: one DPS step, batch {}, {}x{}, {}, on {}\n"
      "  step                  {:.3f} s (median; {:.3f} to {:.3f})\n"
      "  its convolutions      {:.3f} s, each at its fastest ({:.0f} GFLOP, {:.0f} GFLOP/s)\n"
      "  step / convolutions   {:.2f}\n"
      "  peak above weights    {:.2f} GiB ({:.2f} GiB of weights)\n",
      r["model"].get<std::string>(), r["batch"].get<int>(), r["image"][0].get<int>(),
      r["image"][1].get<int>(), r["precision"].get<std::string>(), r["device"].get<std::string>(), step,
      r["step_seconds_min"].get<double>(), r["step_seconds_max"].get<double>(), convolution,
      r["convolution_gflop"].get<double>(), r["convolution_gflop"].get<double>() / convolution,
      step / convolution, r["peak_bytes_above_weights"].get<double>() / (1 << 30),
      r["weight_bytes"].get<double>() / (1 << 30));
  if (r.contains("batch_over_single"))
    text += fmt::format("  step / step of one    {:.2f}\n", r["batch_over_single"].get<double>());
  if (r.contains("load_over_weights"))
    text += fmt::format("  peak of loading       {:.2f} times the weights\n",
                        r["load_over_weights"].get<double>());
  return text;
}

}  // namespace tweedie::bench

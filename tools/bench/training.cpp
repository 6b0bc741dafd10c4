#include "tools/bench/training.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/training/objective.hpp"
#include "engine/training/optimiser.hpp"
#include "kernels/timer.hpp"
#include "layers/unet.hpp"
#include "tools/bench/measure.hpp"
#include "weights/random_source.hpp"

namespace tweedie::bench {
namespace {

std::vector<double> time_training(Context& context, UNet& unet, Shape image, int repeats) {
  const Schedule schedule = make_schedule("linear", 1000);
  const Objective objective = default_objective(unet.learns_variance(), 1000);
  Parameters parameters(context, unet.list_parameters());
  Gradients gradients(parameters);
  Optimiser optimiser(context, parameters.values(), {});
  const std::unique_ptr<Saved> saved = unet.make_training_saved();
  std::vector<int> indices;
  std::vector<float> times;
  for (int n = 0; n < image.N; ++n) {
    indices.push_back((1 + 331 * n) % 1000);
    times.push_back(float(indices.back()));
  }
  const std::vector<double> weights(std::size_t(image.N), 1.0 / image.N);
  const Tensor x_start = context.normal(image);
  std::vector<double> seconds;
  Stopwatch watch(context.queue);
  for (int repeat = 0; repeat <= repeats; ++repeat) {
    watch.start();
    NoisedBatch batch(context, schedule, objective, x_start, context.normal(image), indices, weights);
    const Tensor output = unet.forward(batch.x_t(), times, saved.get());
    Tensor gradient;
    batch.losses(gradient, output);
    unet.backward(gradient, *saved, gradients);
    optimiser.step(parameters.values(), gradients.values(), 1e-4);
    seconds.push_back(watch.seconds());
  }
  seconds.erase(seconds.begin());  // plans are made and memory is taken in the first
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

}  // namespace

Json bench_training(Context& context, const ModelOptions& o) {
  const UNetConfig config = model_config(o);
  const Shape image = model_image(o, config);
  RandomSource source(1);
  UNet unet(context, WeightScope(source), config);
  if (config.num_classes) unet.set_labels({0});
  const std::vector<double> dps = time_dps_steps(context, unet, image, o.repeats),
                            training = time_training(context, unet, image, o.repeats);
  Json report;
  report["model"] = o.config.empty() ? o.preset : o.config;
  put_device(report, context.device());
  report["precision"] = name(context.queue.precision());
  report["parameters"] = unet.parameters();
  report["batch"] = o.batch;
  report["image"] = {image.H, image.W};
  report["dps_seconds"] = dps[dps.size() / 2];
  put_seconds(report, "training_seconds", training);
  report["training_over_dps"] = training[training.size() / 2] / dps[dps.size() / 2];
  return report;
}

std::string describe_training(const Json& r) {
  const double seconds = r["training_seconds"];
  return fmt::format(
      "{}: one training step, {} parameters, batch {}, {}x{}, {}, on {}\n"
      "  step                  {:.4f} s (median; {:.4f} to {:.4f}), {:.3g} images/s\n"
      "  a DPS step            {:.4f} s\n"
      "  training / DPS        {:.2f}\n",
      r["model"].get<std::string>(), r["parameters"].get<std::int64_t>(), r["batch"].get<int>(),
      r["image"][0].get<int>(), r["image"][1].get<int>(), r["precision"].get<std::string>(),
      r["device"].get<std::string>(), seconds, r["training_seconds_min"].get<double>(),
      r["training_seconds_max"].get<double>(), r["batch"].get<int>() / seconds,
      r["dps_seconds"].get<double>(), r["training_over_dps"].get<double>());
}

}  // namespace tweedie::bench

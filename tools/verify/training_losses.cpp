#include <algorithm>
#include <cmath>

#include "kernels/diffusion_terms.hpp"
#include "kernels/elementwise.hpp"
#include "tools/verify/training.hpp"

namespace tweedie::verify {
namespace {

using Kind = Objective::Kind;

// One recorded diffusion, and what a batch of it is made of.
struct Recorded {
  const Setup& setup;
  const ArrayFile& file;
  std::string name;
  Schedule schedule;
  double time_scale = 1;
  Shape shape = {};
  std::vector<float> x_start = {}, noise = {};

  NoisedBatch batch(const std::vector<int>& indices, const Objective& objective) const {
    Context& context = setup.context;
    return {context,
            schedule,
            objective,
            context.upload(shape, x_start),
            context.upload(shape, noise),
            indices,
            std::vector<double>(indices.size(), 1.0 / double(indices.size()))};
  }
  std::vector<int> indices(const char* dataset) const {
    const std::vector<std::int64_t> t = file.integers(name + "/" + dataset);
    return {t.begin(), t.end()};
  }
  std::vector<float> times(const std::vector<int>& indices) const {
    std::vector<float> t;
    for (const int i : indices) t.push_back(float(schedule.timesteps.at(std::size_t(i)) * time_scale));
    return t;
  }
  Objective objective(const std::string& loss) const {
    if (loss == "mse") return {Kind::hybrid, 1};
    if (loss == "rescaled_mse") return {Kind::hybrid, schedule.steps() / 1000.0};
    return {Kind::bound, double(schedule.steps())};
  }
};

Recorded recorded(const Setup& setup, const ArrayFile& file, const std::string& name) {
  const nlohmann::json d = file.json_attribute("diffusion", name);
  Recorded r{
      setup, file, name,
      make_schedule(d.value("noise_schedule", "linear"), d.at("steps"), d.value("timestep_respacing", ""))};
  if (d.value("rescale_timesteps", false)) r.time_scale = 1000.0 / double(d.at("steps"));
  r.shape = shape_of(file, "x_start_uint8");
  r.x_start = images_of_bytes(file.floats("x_start_uint8"));
  r.noise = file.floats("noise");
  return r;
}

// Losses of the recorded output: a matter of the loss alone, in double.
void check_loss(std::vector<Check>& checks, const Recorded& r, const std::string& loss) {
  const std::string at = r.name + "/" + loss;
  const std::vector<int> t = r.indices("t");
  const Tensor output = load(r.setup.context, r.file, r.name + "/model_output");
  const auto terms = [&](const Objective& objective, Tensor& gradient) {
    return r.batch(t, objective).losses(gradient, output);
  };
  Tensor gradient;
  const NoisedBatch::Losses losses = terms(r.objective(loss), gradient);
  const auto check = [&](const std::string& dataset, const std::vector<double>& ours, double tolerance) {
    if (!r.file.has(dataset)) return;
    const std::vector<double> theirs = r.file.doubles(dataset);
    checks.push_back(compare<double>(dataset, ours, theirs, tolerance));
  };
  check(at + "/loss", losses.loss, 1e-7);
  check(at + "/mse", losses.mse, 1e-7);
  // As guided-diffusion returns it: rescaled where the loss rescales it.
  std::vector<double> vb = losses.vb;
  if (loss == "rescaled_mse")
    for (double& value : vb) value *= r.objective(loss).factor;
  check(at + "/vb", vb, 1e-7);
  Tensor unused;
  check(at + "/simple_plus_0.001_vb", terms({Kind::hybrid, 0.001}, unused).loss, 1e-7);
  check(at + "/simple_plus_0.001_T_vb", terms({Kind::hybrid, 0.001 * r.schedule.steps()}, unused).loss, 1e-7);
  if (!r.file.has(at + "/grad_model_output")) return;
  const std::vector<float> ours = r.setup.context.download(gradient),
                           theirs = r.file.floats(at + "/grad_model_output");
  const std::size_t wide = ours.size() / t.size();
  for (std::size_t n = 0; n < t.size(); ++n)
    checks.push_back(compare<float>(message(at, "/grad_model_output, t = ", t[n]),
                                    std::span(ours).subspan(n * wide, wide),
                                    std::span(theirs).subspan(n * wide, wide), 1e-4));
}

// The network's output, and the losses of it: each sample to its own tolerance.
void check_network_losses(std::vector<Check>& checks, const Recorded& r, Trained& trained) {
  const std::vector<int> t = r.indices("t");
  const std::vector<float> times = r.times(t), their_times = r.file.floats(r.name + "/model_t");
  checks.push_back(compare<float>(r.name + "/model_t", times, their_times, 1e-7));
  for (const char* const loss : {"mse", "rescaled_mse", "rescaled_kl"}) {
    NoisedBatch batch = r.batch(t, r.objective(loss));
    if (std::string(loss) == "mse" && r.file.has(r.name + "/x_t")) {
      const std::vector<float> x_t = r.setup.context.download(batch.x_t()),
                               theirs = r.file.floats(r.name + "/x_t");
      checks.push_back(compare<float>(r.name + "/x_t", x_t, theirs, 1e-6));
    }
    const Tensor output = trained.unet.forward(batch.x_t(), times);
    if (std::string(loss) == "mse") {
      const std::vector<float> ours = r.setup.context.download(output),
                               theirs = r.file.floats(r.name + "/model_output");
      checks.push_back(compare<float>(r.name + "/model_output", ours, theirs, r.setup.tolerance));
    }
    Tensor gradient;
    const std::vector<double> ours = batch.losses(gradient, output).loss,
                              theirs = r.file.doubles(r.name + "/" + loss + "/loss");
    for (std::size_t n = 0; n < t.size(); ++n)
      checks.push_back(compare<double>(message(r.name, "/", loss, "/loss of the network, t = ", t[n]),
                                       std::span(ours).subspan(n, 1), std::span(theirs).subspan(n, 1),
                                       t[n] == 0 ? 5e-3 : 2e-5));
  }
}

void check_recorded_gradients(std::vector<Check>& checks, const Recorded& r, Trained& trained) {
  for (const char* const loss : {"mse", "rescaled_mse", "rescaled_kl"}) {
    const std::string name = "param_grads_" + r.name + "_" + loss;
    if (!r.file.has(name) && !r.file.has(name + "_samples") && !r.file.has(name + "_summary")) continue;
    const std::vector<int> t = r.indices("t_param_grads");
    NoisedBatch batch = r.batch(t, r.objective(loss));
    const Tensor output = trained.unet.forward(batch.x_t(), r.times(t), trained.saved.get());
    Tensor gradient;
    batch.losses(gradient, output);
    fill(r.setup.context.queue, trained.gradients.values(), 0);
    trained.unet.backward(gradient, *trained.saved, trained.gradients);
    for (Check& check : check_gradients(trained, r.file, name, 2e-4, 5e-4))
      checks.push_back(std::move(check));
  }
}

void check_decoder(std::vector<Check>& checks, const ArrayFile& file) {
  const std::string at = "decoder_log_likelihood/";
  const std::vector<double> x = file.doubles(at + "x"), mean = file.doubles(at + "mean"),
                            log_scale = file.doubles(at + "log_scale");
  std::vector<double> value, by_mean, by_log_scale;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const DecoderLikelihood p = decoder_log_likelihood(x[i], mean.at(i), log_scale.at(i));
    value.push_back(p.value);
    by_mean.push_back(p.by_mean);
    by_log_scale.push_back(p.by_log_scale);
  }
  for (const auto& [name, ours] :
       {std::pair{"value", value}, {"grad_mean", by_mean}, {"grad_log_scale", by_log_scale}}) {
    const std::vector<double> theirs = file.doubles(at + name);
    checks.push_back(compare<double>(at + name, ours, theirs, 1e-9));
  }
}

}  // namespace

std::vector<Check> check_training_losses(const Setup& setup, const ArrayFile& file) {
  require(setup.network, file.path(), ": losses of a network; give its weights with --weights");
  std::vector<Check> checks;
  if (file.has("decoder_log_likelihood")) check_decoder(checks, file);
  Trained trained(setup.context, *setup.network);
  for (const std::string& name : file.names()) {
    if (!file.has(name + "/model_t")) continue;
    const Recorded r = recorded(setup, file, name);
    for (const char* const loss : {"mse", "rescaled_mse", "rescaled_kl"}) check_loss(checks, r, loss);
    check_network_losses(checks, r, trained);
    check_recorded_gradients(checks, r, trained);
  }
  return checks;
}

}  // namespace tweedie::verify

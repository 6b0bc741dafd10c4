#include "tools/train/trainer.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "weights/random_source.hpp"

namespace tweedie {
namespace {

bool starts_at_zero(const std::string& key) {
  return key.find("out_layers.3.") != std::string::npos || key.find("proj_out.") != std::string::npos ||
         key.starts_with("out.2.");
}

bool finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

InitialWeights::InitialWeights(std::uint64_t seed) : seed_(seed) {}

bool InitialWeights::has(const std::string&) const { return true; }

std::vector<float> InitialWeights::read(const std::string& key, const Extents& expected) {
  if (starts_at_zero(key)) return std::vector<float>(std::size_t(element_count(expected)), 0.f);
  return RandomSource(seed_).read(key, expected);
}

Trainer::Trainer(Context& context, const TrainSettings& settings, TensorSource& initial)
    : Trainer(context, settings, initial, alone_) {}

Trainer::Trainer(Context& context, const TrainSettings& settings, TensorSource& initial, Ranks& ranks)
    : context_(context),
      ranks_(ranks),
      settings_(settings),
      schedule_(make_schedule(settings.diffusion.noise_schedule, settings.diffusion.steps)),
      objective_(default_objective(settings.unet.learn_sigma(), schedule_.steps())),
      network_(std::make_unique<UNet>(context, WeightScope(initial), settings.unet,
                                      time_scale(settings.diffusion))),
      parameters_(std::make_unique<Parameters>(context, network_->list_parameters())),
      gradients_(*parameters_),
      optimiser_(context, parameters_->values(), settings.optimiser),
      timesteps_(make_timestep_sampler(settings.timesteps, schedule_.steps())),
      saved_(network_->make_training_saved()) {
  require(settings.diffusion.model_mean_type == "epsilon", "training: the network predicts epsilon, not ",
          settings.diffusion.model_mean_type);
}

std::vector<DrawnTimestep> Trainer::draw_timesteps() {
  Tensor uniforms = context_.planar({settings_.batch, 1, 1, 1});
  context_.uniform(uniforms.view());
  std::vector<DrawnTimestep> drawn;
  for (const float uniform : context_.download(uniforms)) drawn.push_back(timesteps_->draw(uniform));
  return drawn;
}

std::vector<int> Trainer::drop(std::vector<int> labels) {
  const double share = settings_.diffusion.label_dropout;
  if (share == 0) return labels;
  Tensor uniforms = context_.planar({int(labels.size()), 1, 1, 1});
  context_.uniform(uniforms.view());
  const std::vector<float> drawn = context_.download(uniforms);
  for (std::size_t n = 0; n < labels.size(); ++n)
    if (double(drawn[n]) < share) labels[n] = UNet::any_class;
  return labels;
}

void Trainer::accumulate(const Batch& batch, std::vector<Seen>& seen) {
  const UNetConfig& c = settings_.unet;
  const int N = settings_.batch;
  const Shape shape{N, c.in_channels, settings_.data.size, settings_.data.size};
  Tensor x = context_.upload(shape, batch.x);
  const std::vector<DrawnTimestep> timesteps = draw_timesteps();
  const double share = 1.0 / (double(N) * batches());
  std::vector<int> indices;
  std::vector<double> weights;
  times_.clear();
  for (const DrawnTimestep& t : timesteps) {
    indices.push_back(t.index);
    weights.push_back(t.weight * share);
    times_.push_back(float(schedule_.timesteps[std::size_t(t.index)]));
  }
  NoisedBatch noised(context_, schedule_, objective_, std::move(x), context_.normal(shape), indices, weights);
  if (c.num_classes) network_->set_labels(drop(batch.labels));
  const Tensor output = network_->forward(noised.x_t(), times_, saved_.get());
  Tensor gradient;
  const NoisedBatch::Losses terms = noised.losses(gradient, output);
  for (std::size_t n = 0; n < terms.loss.size(); ++n) {
    if (!std::isfinite(terms.loss[n])) stop_at_loss(noised.x_t(), terms.loss[n]);
    seen.push_back(
        {double(timesteps[n].index), timesteps[n].weight, terms.loss[n], terms.mse[n], terms.vb[n]});
  }
  network_->backward(gradient, *saved_, gradients_);
}

// In the order in which one process would have seen them: batch by batch, of all ranks in turn.
std::vector<Trainer::Seen> Trainer::of_all_ranks(const std::vector<Seen>& own) {
  if (ranks_.size() == 1) return own;
  constexpr std::size_t fields = 5;
  std::vector<double> flat;
  for (const Seen& s : own)
    for (const double field : {s.index, s.weight, s.loss, s.mse, s.vb}) flat.push_back(field);
  const std::vector<double> all = ranks_.gather(flat);
  std::vector<Seen> ordered;
  const auto N = std::size_t(settings_.batch), of_rank = own.size();
  for (std::size_t i = 0; i < of_rank; i += N)
    for (std::size_t rank = 0; rank < std::size_t(ranks_.size()); ++rank)
      for (std::size_t n = i; n < i + N; ++n) {
        const double* const at = all.data() + (rank * of_rank + n) * fields;
        ordered.push_back({at[0], at[1], at[2], at[3], at[4]});
      }
  return ordered;
}

StepReport Trainer::step(const std::function<const Batch&()>& next) {
  const std::int64_t k = steps();
  std::vector<Seen> own;
  for (int i = 0; i < settings_.accumulate; ++i) {
    const std::int64_t m = std::int64_t(i) * ranks_.size() + ranks_.rank();
    context_.start_stream(std::uint64_t(k * batches() + m + 1));
    accumulate(next(), own);
  }
  if (ranks_.size() > 1) {
    std::vector<float> gradients = context_.download(gradients_.values());
    ranks_.add_up(gradients);
    copy_from_host(context_.queue, gradients_.values().data(), gradients.data(),
                   gradients.size() * sizeof(float));
  }
  StepReport report;
  std::vector<int> drawn;
  std::vector<double> losses;
  const std::vector<Seen> all = of_all_ranks(own);
  for (const Seen& s : all) {
    report.loss += s.weight * s.loss / double(all.size());
    report.mse += s.mse / double(all.size());
    report.vb += s.vb / double(all.size());
    drawn.push_back(int(s.index));
    losses.push_back(s.loss);
  }
  report.rate = settings_.course().at(k);
  report.gradient_norm = optimiser_.step(parameters_->values(), gradients_.values(), report.rate);
  if (!std::isfinite(report.gradient_norm)) stop_at_gradient();
  timesteps_->update(drawn, losses);
  return report;
}

// Looks at every layer's output in turn, for the first that is not finite.
void Trainer::stop_at_loss(const Tensor& x, double loss) {
  for (std::size_t i = 0; i < parameters_->count(); ++i)
    require(finite(parameters_->read(parameters_->values(), i)), "step ", steps() + 1, ": the loss is ", loss,
            "; the parameter ", parameters_->name(i), " is not finite");
  std::string first;
  network_->set_probe([&](const std::string& layer, const Tensor& y) {
    if (first.empty() && !finite(context_.download(y))) first = layer;
  });
  network_->forward(x, times_);
  network_->set_probe({});
  throw Error(message("step ", steps() + 1, ": the loss is ", loss, "; ",
                      first.empty() ? "every layer's output is finite (too large a loss?)"
                                    : "the first output that is not finite is that of " + first,
                      "; a lower rate or clipping may help"));
}

// Backward, so that the first gradient to break is the last parameter in order.
void Trainer::stop_at_gradient() {
  for (std::size_t i = parameters_->count(); i-- > 0;)
    require(finite(parameters_->read(gradients_.values(), i)), "step ", steps() + 1,
            ": a gradient is not finite, first that of ", parameters_->name(i),
            "; a lower rate or clipping may help");
  throw Error(message("step ", steps() + 1, ": the norm of the gradients is not finite"));
}

void Trainer::with_average(const std::function<void()>& body) {
  Tensor kept = context_.planar(values().shape());
  copy(context_.queue, kept, values());
  copy(context_.queue, values(), optimiser_.average());
  body();
  copy(context_.queue, values(), kept);
}

}  // namespace tweedie

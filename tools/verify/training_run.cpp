#include <algorithm>
#include <cmath>

#include "engine/training/optimiser.hpp"
#include "kernels/elementwise.hpp"
#include "tools/verify/training.hpp"

namespace tweedie::verify {
namespace {

// A recorded run, replayed from the weights as they were given.
class Replay {
 public:
  Replay(const Setup& setup, const ArrayFile& file, Trained& trained, const Tensor& start)
      : context_(setup.context), file_(file), trained_(trained), start_(start) {
    const nlohmann::json d = file.json_attribute("diffusion");
    schedule_ = make_schedule(d.at("noise_schedule"), d.at("steps"));
    const Extents e = file.extents("x_start_uint8");
    require(e.size() == 5, file.path(), ": x_start_uint8 has shape ", to_string(e));
    shape_ = {int(e[1]), int(e[2]), int(e[3]), int(e[4])};
    steps_ = int(e[0]);
    x_ = images_of_bytes(file.floats("x_start_uint8"));
    noise_ = file.floats("noise");
    t_ = file.integers("t");
    rate_ = file.json_attribute("optimizer").at("lr");
  }

  std::vector<Check> run(const std::string& group) {
    OptimiserOptions options;
    options.weight_decay = file_.number_attribute("weight_decay", group).at(0);
    options.clip = file_.number_attribute("clip_grad_norm", group).at(0);
    options.ema_rate = 0.999;
    copy(context_.queue, trained_.parameters.values(), start_);
    fill(context_.queue, trained_.gradients.values(), 0);
    Optimiser optimiser(context_, start_, options);
    Tensor fast = context_.planar(start_.shape());  // the average of rate 0.9
    copy(context_.queue, fast, start_);
    std::vector<double> losses, gradient_norms, parameter_norms;
    checks_.clear();
    for (int k = 0; k < steps_; ++k) {
      parameter_norms.push_back(arena_norm(context_, trained_.parameters.values()));
      const std::vector<double> loss = forward_backward(k);
      losses.insert(losses.end(), loss.begin(), loss.end());
      gradient_norms.push_back(
          optimiser.step(trained_.parameters.values(), trained_.gradients.values(), rate_));
      axpby(context_.queue, fast, 0.9f, fast, 0.1f, trained_.parameters.values());
      compare_changes(group + "/step" + std::to_string(k + 1), optimiser.average(), fast);
    }
    check(group + "/loss", losses, 2e-5);
    check(group + "/grad_norm", gradient_norms, 1e-4);
    check(group + "/param_norm", parameter_norms, 1e-6);
    return checks_;
  }

 private:
  void check(const std::string& name, const std::vector<double>& ours, double tolerance) {
    const std::vector<double> theirs = file_.doubles(name);
    checks_.push_back(compare<double>(name, ours, theirs, tolerance));
  }

  std::vector<double> forward_backward(int k) {
    const std::size_t N = std::size_t(shape_.N), each = std::size_t(shape_.size());
    std::vector<int> indices;
    std::vector<float> times;
    for (std::size_t n = 0; n < N; ++n) {
      indices.push_back(int(t_.at(std::size_t(k) * N + n)));
      times.push_back(float(schedule_.timesteps.at(std::size_t(indices.back()))));
    }
    NoisedBatch batch(context_, schedule_, {Objective::Kind::hybrid, schedule_.steps() / 1000.0},
                      context_.upload(shape_, std::span(x_).subspan(std::size_t(k) * each, each)),
                      context_.upload(shape_, std::span(noise_).subspan(std::size_t(k) * each, each)),
                      indices, std::vector<double>(N, 1.0 / double(N)));
    const Tensor output = trained_.unet.forward(batch.x_t(), times, trained_.saved.get());
    Tensor gradient;
    const NoisedBatch::Losses losses = batch.losses(gradient, output);
    trained_.unet.backward(gradient, *trained_.saved, trained_.gradients);
    return losses.loss;
  }

  // How far a tensor has moved, against what is recorded. An average of rate 0.999 moves by less than float32
  // resolves on values of 1, so that its error is measured in roundings of its values.
  void compare_changes(const std::string& at, const Tensor& slow, const Tensor& fast) {
    if (!file_.has(at)) return;
    for (const auto& [what, arena, tolerance] :
         {std::tuple<const char*, const Tensor*, double>{"param_change", &trained_.parameters.values(), 2e-2},
          {"ema0.9_change", &fast, 2e-2},
          {"ema_change", &slow, 0.2}})
      for (std::size_t i = 0; i < trained_.parameters.count(); ++i) {
        const std::string name = at + "/" + what + "/" + trained_.parameters.name(i);
        if (!file_.has(name)) continue;
        const std::vector<float> now = trained_.parameters.read(*arena, i),
                                 before = trained_.parameters.read(start_, i);
        std::vector<double> change;
        double largest = 1;
        for (std::size_t j = 0; j < now.size(); ++j) {
          change.push_back(double(now[j]) - before[j]);
          largest = std::max(largest, double(std::abs(before[j])));
        }
        const std::vector<double> theirs = file_.doubles(name);
        Check c = compare<double>(name, change, theirs, tolerance);
        if (arena == &slow && !at.ends_with("step20")) {
          c.absolute = true;
          c.error = std::abs(c.ours - c.theirs);
          c.tolerance = 1e-5 * largest;
        }
        checks_.push_back(c);
      }
    compare_norms(at);
  }

  // Norms of every tensor's change; those whose gradient is rounding alone move at random.
  void compare_norms(const std::string& at) {
    const std::string group = at.substr(0, at.find('/'));
    const std::vector<std::string> names = file_.json_attribute("names", group),
                                   noise = file_.json_attribute("noise_dominated", group);
    const std::vector<double> theirs = file_.doubles(at + "/param_change_norm");
    Check worst{at + "/param_change_norm", 0, 0, 0, 0, 5e-2};
    for (std::size_t k = 0; k < names.size(); ++k) {
      if (std::find(noise.begin(), noise.end(), names[k]) != noise.end()) continue;
      std::size_t i = 0;
      while (i + 1 < trained_.parameters.count() && trained_.parameters.name(i) != names[k]) ++i;
      const std::vector<float> now = trained_.parameters.read(trained_.parameters.values(), i),
                               before = trained_.parameters.read(start_, i);
      double sum = 0;
      for (std::size_t j = 0; j < now.size(); ++j) sum += std::pow(double(now[j]) - before[j], 2);
      const double error = std::abs(std::sqrt(sum) - theirs.at(k)) / theirs.at(k);
      if (error <= worst.error) continue;
      worst.error = error;
      worst.worst = k;
      worst.ours = std::sqrt(sum);
      worst.theirs = theirs[k];
    }
    checks_.push_back(worst);
  }

  Context& context_;
  const ArrayFile& file_;
  Trained& trained_;
  const Tensor& start_;
  Schedule schedule_;
  Shape shape_;
  int steps_ = 0;
  std::vector<float> x_, noise_;
  std::vector<std::int64_t> t_;
  double rate_ = 0;
  std::vector<Check> checks_;
};

}  // namespace

std::vector<Check> check_training_run(const Setup& setup, const ArrayFile& file) {
  require(setup.network, file.path(), ": a network's training; give its first weights with --weights");
  Context& context = setup.context;
  Trained trained(context, *setup.network);
  Tensor start = context.planar(trained.parameters.values().shape());
  copy(context.queue, start, trained.parameters.values());
  Replay replay(setup, file, trained, start);
  std::vector<Check> checks;
  for (const std::string& group : file.names())
    if (file.has(group + "/grad_norm"))
      for (Check& check : replay.run(group)) checks.push_back(std::move(check));
  copy(context.queue, trained.parameters.values(), start);
  require(!checks.empty(), file.path(), ": no runs in it");
  return checks;
}

}  // namespace tweedie::verify

#include "tools/verify/training.hpp"

#include <algorithm>
#include <cmath>

#include "engine/training/timestep_sampler.hpp"
#include "kernels/elementwise.hpp"
#include "weights/random_source.hpp"

namespace tweedie::verify {
namespace {

double norm(const std::vector<double>& x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return std::sqrt(sum);
}

// Differences of many tensors: of all together, of the worst one, and of those that are rounding alone.
class Tally {
 public:
  void add(const std::string& name, const std::vector<double>& ours, const std::vector<double>& theirs) {
    std::vector<double> difference(ours.size());
    for (std::size_t i = 0; i < ours.size(); ++i) difference[i] = ours[i] - theirs[i];
    rows_.push_back({name, norm(difference), norm(theirs), norm(ours)});
    differences_ += rows_.back().difference * rows_.back().difference;
    squares_ += rows_.back().norm * rows_.back().norm;
  }
  std::vector<Check> checks(const std::string& name, double together, double each) const {
    const double all = std::sqrt(squares_);
    std::vector<Check> checks{{name + ", all", std::sqrt(differences_) / all, 0, all, all, together}};
    Check worst{name + ", each", 0, 0, 0, 0, each}, noise{name + ", rounding", 0, 0, 0, 0, 1e-5};
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const Row& row = rows_[i];
      const bool rounding = row.norm < 1e-6 * all;
      Check& check = rounding ? noise : worst;
      const double error = row.difference / (rounding ? all : row.norm);
      if (error <= check.error) continue;
      check.name = name + (rounding ? ", rounding: " : ", each, worst: ") + row.name;
      check.error = error;
      check.worst = i;
      check.ours = row.ours;
      check.theirs = row.norm;
    }
    checks.push_back(worst);
    checks.push_back(noise);
    return checks;
  }

 private:
  struct Row {
    std::string name;
    double difference, norm, ours;
  };
  std::vector<Row> rows_;
  double differences_ = 0, squares_ = 0;
};

std::vector<double> every(const std::vector<float>& values, std::size_t stride) {
  std::vector<double> kept;
  for (std::size_t i = 0; i < values.size(); i += stride) kept.push_back(values[i]);
  return kept;
}

// sqrt(3 mean_j (difference of projection j)^2) estimates the norm of the difference: it sees all elements.
std::vector<Check> check_summary(const Trained& trained, const ArrayFile& file, const std::string& name,
                                 double together, double each) {
  const std::vector<double> norms = file.doubles(name + "/norm"),
                            projections = file.doubles(name + "/projections");
  const std::vector<std::string> names = file.json_attribute("names", name);
  require(norms.size() == names.size() && projections.size() == 8 * names.size(), file.path(), ": ", name,
          ": sizes differ");
  double differences = 0, squares = 0;
  for (const double value : norms) squares += value * value;
  Check worst{name + ", each", 0, 0, 0, 0, each};
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::size_t k = 0;
    while (k < trained.parameters.count() && trained.parameters.name(k) != names[i]) ++k;
    require(k < trained.parameters.count(), file.path(), ": the network has no parameter ", names[i]);
    const std::vector<float> g = trained.parameters.read(trained.gradients.values(), k);
    double sum = 0;
    for (std::size_t j = 0; j < 8; ++j) {
      const std::vector<double> u = fill_uniforms("proj" + std::to_string(j) + "/" + names[i], g.size());
      double projection = 0;
      for (std::size_t e = 0; e < g.size(); ++e) projection += g[e] * (2 * u[e] - 1);
      const double d = projection - projections[8 * i + j];
      sum += 3 * d * d / 8;
    }
    differences += sum;
    if (norms[i] * norms[i] < 1e-12 * squares || std::sqrt(sum) / norms[i] <= worst.error) continue;
    worst.error = std::sqrt(sum) / norms[i];
    worst.name = name + ", each, worst: " + names[i];
    worst.worst = i;
    worst.theirs = norms[i];
  }
  const double all = std::sqrt(squares);
  return {{name + ", all", std::sqrt(differences) / all, 0, all, all, together}, worst};
}

}  // namespace

std::vector<float> images_of_bytes(const std::vector<float>& bytes) {
  std::vector<float> x;
  for (const float value : bytes) x.push_back(value / 127.5f - 1.f);
  return x;
}

std::vector<Check> check_gradients(const Trained& trained, const ArrayFile& file, const std::string& name,
                                   double together, double each) {
  std::vector<Check> checks;
  const auto append = [&](const std::vector<Check>& more) {
    checks.insert(checks.end(), more.begin(), more.end());
  };
  for (const std::string& group : {name, name + "_samples"}) {
    if (!file.has(group)) continue;
    Tally tally;
    for (std::size_t i = 0; i < trained.parameters.count(); ++i) {
      const std::string dataset = group + "/" + trained.parameters.name(i);
      require(file.has(dataset), file.path(), ": there is no ", dataset);
      const std::size_t stride =
          group == name ? 1 : std::size_t(file.number_attribute("stride", dataset).at(0));
      const std::vector<double> theirs = file.doubles(dataset),
                                ours = every(trained.parameters.read(trained.gradients.values(), i), stride);
      require(ours.size() == theirs.size(), file.path(), ": ", dataset, ": ", theirs.size(),
              " values, we have ", ours.size());
      tally.add(trained.parameters.name(i), ours, theirs);
    }
    append(tally.checks(group, together, each));
  }
  if (file.has(name + "_summary")) append(check_summary(trained, file, name + "_summary", together, each));
  return checks;
}

std::vector<Check> check_parameter_gradients(const Setup& setup, const ArrayFile& file,
                                             const std::vector<float>& t) {
  if (!file.has("param_grads") && !file.has("param_grads_samples")) return {};
  Trained trained(setup.context, *setup.network);
  trained.unet.forward(load(setup.context, file, "x"), t, trained.saved.get());
  trained.unet.backward(load(setup.context, file, "grad_out"), *trained.saved, trained.gradients);
  // float32 gradients of single tensors differ by more than outputs do: sums over all pixels that cancel.
  const double tolerance = std::max(1e-3, setup.tolerance);
  return check_gradients(trained, file, "param_grads", tolerance, tolerance);
}

std::vector<Check> check_loss_aware(const ArrayFile& file) {
  const auto number = [&](const char* name) { return file.number_attribute(name).at(0); };
  LossAwareTimesteps sampler(int(number("num_timesteps")), int(number("history_per_term")),
                             number("uniform_prob"));
  const std::vector<std::int64_t> timesteps = file.integers("timesteps");
  const std::vector<double> losses = file.doubles("losses");
  std::vector<Check> checks;
  std::size_t fed = 0;
  for (int k = 0; file.has("snapshot" + std::to_string(k)); ++k) {
    const std::string name = "snapshot" + std::to_string(k) + "/";
    for (const std::size_t end = std::size_t(file.integers(name + "fed").at(0)); fed < end; ++fed) {
      const int t = int(timesteps.at(fed));
      sampler.update(std::span(&t, 1), std::span(&losses.at(fed), 1));
    }
    const std::vector<double> weights = sampler.weights();
    double sum = 0;
    for (const double weight : weights) sum += weight;
    std::vector<double> p, indices, sample_weights;
    for (const double weight : weights) p.push_back(weight / sum);
    for (const double uniform : file.doubles(name + "uniforms")) {
      const DrawnTimestep drawn = sampler.draw(uniform);
      indices.push_back(drawn.index);
      sample_weights.push_back(drawn.weight);
    }
    const auto check = [&](const char* array, const std::vector<double>& ours, double tolerance) {
      const std::vector<double> theirs = file.doubles(name + array);
      checks.push_back(compare<double>(name + array, ours, theirs, tolerance));
    };
    check("history", sampler.history(), 0);
    check("counts", {sampler.counts().begin(), sampler.counts().end()}, 0);
    check("weights", weights, 1e-12);
    check("p", p, 1e-12);
    check("indices", indices, 0);
    check("sample_weights", sample_weights, 1e-6);
  }
  require(!checks.empty(), file.path(), ": no snapshots in it");
  return checks;
}

}  // namespace tweedie::verify

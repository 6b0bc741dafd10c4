// Recorded operators of several unknowns, and runs that sampled image, kernel and tilt together (BlindDPS).
#include <algorithm>
#include <cmath>

#include "engine/joint.hpp"
#include "operators/blind.hpp"
#include "tools/verify/checks.hpp"
#include "tools/verify/recording.hpp"

namespace tweedie::verify {
namespace {

constexpr double gradient_tolerance = 1e-3;  // of single gradients, before their scale makes them small

/// Before the name of a dataset about an unknown; nothing for the image.
std::string prefix(const std::string& unknown) { return unknown == "image" ? "" : unknown + "_"; }

BlindOperator read_operator(const Setup& setup, const nlohmann::json& settings) {
  return make_blind_operator(setup.context, settings.at("name").get<std::string>(),
                             parse_padding(settings.value("padding", "zero")));
}

/// The values at which a file's operator was recorded.
std::vector<Tensor> read_unknowns(const Setup& setup, const ArrayFile& file, const BlindOperator& blind,
                                  const std::string& image) {
  std::vector<Tensor> u;
  for (const std::string& name : blind.unknowns)
    u.push_back(load(setup.context, file, name == "image" ? image : name));
  return u;
}

/// One recorded unknown: its start, and its states and estimates at some steps.
struct Track {
  std::string name;
  RecordedNoise noise;
  Shape shape;
  std::vector<float> start, grad_first;
  Recording x, x0;
  std::vector<double> norms;
  std::optional<Recording> hat;  // the kernel as the operator took it

  Track(Context& context, const ArrayFile& file, const std::string& unknown)
      : name(unknown),
        noise(context, file, prefix(unknown)),
        shape(shape_of(file, prefix(unknown) + "x_T")),
        start(file.floats(prefix(unknown) + "x_T")),
        grad_first(file.floats(prefix(unknown) + "grad_first")),
        x(file, prefix(unknown) + "x"),
        x0(file, prefix(unknown) + "x0_hat"),
        norms(file.doubles(prefix(unknown) + "grad_norm")) {
    if (file.has(prefix(unknown) + "hat")) hat.emplace(file, prefix(unknown) + "hat");
  }
};

/// What a replay has of one unknown.
struct Ours {
  std::vector<float> x, x0, hat, grad_first;
  std::vector<double> norms, step_sizes;
};

void append(std::vector<float>& to, std::span<const float> values) {
  to.insert(to.end(), values.begin(), values.end());
}

class BlindRun {
 public:
  BlindRun(const Setup& setup, const ArrayFile& file)
      : setup_(setup),
        context_(setup.context),
        file_(file),
        diffusion_(read_diffusion(file)),
        simplex_(context_),
        blind_(read_operator(setup, file.json_attribute("task").at("operator"))),
        misfit_(context_, *blind_.op, load(context_, file, "measurement")),
        distance_(file.doubles("distance")) {
    tracks_.reserve(blind_.unknowns.size());
    walkers_.reserve(blind_.unknowns.size());
    const nlohmann::json solver = file.json_attribute("solver");
    for (const std::string& name : blind_.unknowns) {
      tracks_.emplace_back(context_, file, name);
      walkers_.emplace_back(context_, options(name, solver), &prior(name),
                            name == "kernel" ? &simplex_ : nullptr, diffusion_.schedule, diffusion_.options,
                            tracks_.back().noise);
    }
  }

  Check clean() {
    const std::vector<Tensor> truth = read_unknowns(setup_, file_, blind_, "x_true");
    return compare<float>("measurement_clean", context_.download(blind_.op->forward(Unknowns(truth))),
                          file_.floats("measurement_clean"), setup_.tolerance);
  }

  /// The whole run from the recorded starts.
  std::vector<Check> run() {
    std::vector<Ours> ours(tracks_.size());
    std::vector<double> distance;
    for (std::size_t k = 0; k < tracks_.size(); ++k)
      walkers_[k].x = context_.upload(tracks_[k].shape, tracks_[k].start);
    joint_sample(walkers_, misfit_, [&](int executed) {
      distance.push_back(std::sqrt(context_.download(misfit_.distance_squared()).at(0)));
      for (std::size_t k = 0; k < tracks_.size(); ++k) keep(ours[k], k, executed);
      return executed + 1 < int(distance_.size());
    });
    std::vector<Check> checks{compare<double>("distance", distance, distance_, setup_.tolerance)};
    std::vector<double> step_sizes;  // of all unknowns, step by step
    for (std::size_t i = 0; i < distance.size(); ++i)
      for (const Ours& each : ours) step_sizes.push_back(each.step_sizes.at(i));
    checks.push_back(compare<double>("step_size", step_sizes, file_.doubles("step_size"), setup_.tolerance));
    for (std::size_t k = 0; k < tracks_.size(); ++k) add(checks, ours[k], tracks_[k]);
    return checks;
  }

  /// Every recorded step whose predecessor is recorded too, all unknowns from there.
  std::vector<Check> single_steps() {
    std::vector<std::vector<float>> ours(tracks_.size()), theirs(tracks_.size());
    for (const int executed : tracks_[0].x.steps) {
      const auto recorded = [&](const Track& t) {
        return t.x.has(executed) && (executed == 0 || t.x.has(executed - 1));
      };
      if (!std::all_of(tracks_.begin(), tracks_.end(), recorded)) continue;
      for (std::size_t k = 0; k < tracks_.size(); ++k) {
        const Track& t = tracks_[k];
        walkers_[k].x =
            context_.upload(t.shape, executed == 0 ? std::span<const float>(t.start) : t.x.at(executed - 1));
      }
      misfit_.step(walkers_, diffusion_.schedule.steps() - 1 - executed, executed);
      for (std::size_t k = 0; k < tracks_.size(); ++k) {
        append(ours[k], context_.download(walkers_[k].x));
        append(theirs[k], tracks_[k].x.at(executed));
      }
    }
    std::vector<Check> checks;
    for (std::size_t k = 0; k < tracks_.size(); ++k)
      checks.push_back(
          compare<float>(tracks_[k].x.name + ", step by step", ours[k], theirs[k], setup_.tolerance));
    return checks;
  }

 private:
  UNet& prior(const std::string& unknown) const {
    const auto found = setup_.priors.find(unknown);
    UNet* const network = unknown == "image"             ? setup_.network
                          : found != setup_.priors.end() ? found->second
                                                         : nullptr;
    require(network, file_.path(), ": a blind run; give the weights of its ", unknown, " with --",
            unknown == "image" ? "" : unknown + "-", "weights");
    return *network;
  }

  // Computed as the BlindDPS repository does: every estimate is limited to [-1, 1], the tilt's too.
  static WalkerOptions options(const std::string& name, const nlohmann::json& solver) {
    WalkerOptions o;
    o.name = name;
    const std::string rule = solver.at("scale_rule").get<std::string>();
    require(rule == "constant" || rule == "sqrt_abar", "blind run: scale_rule '", rule,
            "'; expected constant or sqrt_abar");
    o.step.kind = rule == "constant" ? StepRule::Kind::constant : StepRule::Kind::sqrt_abar;
    if (rule == "constant")
      o.step.scale = solver.at("scale").at(name == "image" ? "img" : name).get<double>();
    o.clip = solver.value("clip_denoised", true) ? 1 : 0;
    return o;
  }

  void keep(Ours& ours, std::size_t k, int executed) {
    Walker& walker = walkers_[k];
    const Track& track = tracks_[k];
    const std::vector<float> gradient = context_.download(walker.gradient());
    double squares = 0;
    for (const float g : gradient) squares += double(g) * g;
    ours.norms.push_back(std::sqrt(squares));
    ours.step_sizes.push_back(walker.options().step.at(walker.evaluation().alphas_cumprod()));
    if (executed == 0) ours.grad_first = gradient;
    if (track.x.has(executed)) append(ours.x, context_.download(walker.x));
    const Tensor& estimate = walker.evaluation().x0;
    if (track.x0.has(executed)) append(ours.x0, context_.download(estimate));
    if (track.hat && track.hat->has(executed)) append(ours.hat, context_.download(walker.physical(estimate)));
  }

  void add(std::vector<Check>& checks, const Ours& ours, const Track& track) const {
    const double tolerance = setup_.tolerance;
    checks.push_back(compare<float>(track.x.name, ours.x, track.x.values, tolerance));
    checks.push_back(compare<float>(track.x0.name, ours.x0, track.x0.values, tolerance));
    if (track.hat) checks.push_back(compare<float>(track.hat->name, ours.hat, track.hat->values, tolerance));
    const std::string before = prefix(track.name);
    checks.push_back(compare<float>(before + "grad_first", ours.grad_first, track.grad_first,
                                    std::max(tolerance, gradient_tolerance)));
    checks.push_back(compare<double>(before + "grad_norm", ours.norms, track.norms,
                                     std::max(tolerance, gradient_tolerance)));
  }

  const Setup& setup_;
  Context& context_;
  const ArrayFile& file_;
  Diffusion diffusion_;
  SimplexChart simplex_;
  BlindOperator blind_;
  JointMisfit misfit_;
  std::vector<double> distance_;
  std::vector<Track> tracks_;
  std::vector<Walker> walkers_;
};

}  // namespace

std::vector<Check> check_blind_operator(const Setup& setup, const ArrayFile& file) {
  Context& context = setup.context;
  const BlindOperator blind = read_operator(setup, file.json_attribute("operator"));
  const std::vector<Tensor> u = read_unknowns(setup, file, blind, "x");
  const std::unique_ptr<Saved> saved = blind.op->make_saved();
  const Tensor y = blind.op->forward(Unknowns(u), saved.get());
  std::vector<Tensor> du(u.size());
  std::vector<Tensor*> asked;
  for (Tensor& d : du) asked.push_back(&d);
  blind.op->backward(asked, load(context, file, "cotangent"), *saved);
  std::vector<Check> checks{compare<float>("y", context.download(y), file.floats("y"), setup.tolerance)};
  for (std::size_t k = 0; k < u.size(); ++k) {
    const std::string name = blind.unknowns[k] == "image" ? "vjp" : "vjp_" + blind.unknowns[k];
    checks.push_back(compare<float>(name, context.download(du[k]), file.floats(name), setup.tolerance));
  }
  return checks;
}

std::vector<Check> check_blind_trajectory(const Setup& setup, const ArrayFile& file) {
  BlindRun blind(setup, file);
  std::vector<Check> checks{blind.clean()};
  for (Check& check : blind.single_steps()) checks.push_back(std::move(check));
  for (Check& check : blind.run()) checks.push_back(std::move(check));
  return checks;
}

}  // namespace tweedie::verify

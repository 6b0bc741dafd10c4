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
  std::vector<double> norms;
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
      scales_.push_back(std::make_unique<TimeScale>(prior(name), diffusion_.time_scale));
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

  /// The whole run from the recorded starts. What does not agree is compared with how far the same run goes
  /// when its starts are changed by one rounding error: interpolation between pixels has kinks, and clipped
  /// estimates flip. Within ten times that it says nothing and is not judged (the steps are); beyond, it
  /// fails.
  std::vector<Check> run() {
    const Replay replay = replayed(0, 0);
    std::vector<Check> checks = compared(replay, nullptr);
    if (std::all_of(checks.begin(), checks.end(), [](const Check& c) { return c.passed(); })) return checks;
    std::vector<double> spread(checks.size(), 0.0);
    for (std::uint64_t trial = 1; trial <= 4; ++trial) {
      const std::vector<Check> moved = compared(replayed(0x1p-22, trial), &replay);
      for (std::size_t i = 0; i < spread.size(); ++i) spread[i] = std::max(spread[i], moved[i].error);
    }
    for (std::size_t i = 0; i < checks.size(); ++i) {
      if (checks[i].passed()) continue;
      checks[i].judged = !(checks[i].error <= 10 * spread[i]);
      checks[i].note = message("free run: one rounding error in the starts moves this by ", spread[i]);
    }
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
    if (executed == 0) ours.grad_first = gradient;
    if (track.x.has(executed)) append(ours.x, context_.download(walker.x));
    const Tensor& estimate = walker.evaluation().x0;
    if (track.x0.has(executed)) append(ours.x0, context_.download(estimate));
    if (track.hat && track.hat->has(executed)) append(ours.hat, context_.download(walker.physical(estimate)));
  }

  struct Replay {
    std::vector<Ours> unknowns;
    std::vector<double> distance, step_sizes;
  };

  Replay replayed(double perturbation, std::uint64_t stream) {
    Replay replay{std::vector<Ours>(tracks_.size()), {}, {}};
    for (std::size_t k = 0; k < tracks_.size(); ++k)
      walkers_[k].x = perturbed(context_, tracks_[k].shape, tracks_[k].start, perturbation, stream + 16 * k);
    joint_sample(walkers_, misfit_, [&](int executed) {
      replay.distance.push_back(std::sqrt(context_.download(misfit_.distance_squared()).at(0)));
      for (std::size_t k = 0; k < tracks_.size(); ++k) {
        keep(replay.unknowns[k], k, executed);
        const Walker& walker = walkers_[k];
        replay.step_sizes.push_back(walker.options().step.at(walker.evaluation().alphas_cumprod()));
      }
      return executed + 1 < int(distance_.size());
    });
    return replay;
  }

  /// A replay against the recording, or against another replay.
  std::vector<Check> compared(const Replay& ours, const Replay* other) const {
    const double tolerance = setup_.tolerance, of_gradients = std::max(tolerance, gradient_tolerance);
    const auto step_sizes = file_.doubles("step_size");
    std::vector<Check> checks{
        compare<double>("distance", ours.distance, other ? other->distance : distance_, tolerance),
        compare<double>("step_size", ours.step_sizes, other ? other->step_sizes : step_sizes, tolerance)};
    for (std::size_t k = 0; k < tracks_.size(); ++k) {
      const Track& t = tracks_[k];
      const Ours &own = ours.unknowns[k], *const theirs = other ? &other->unknowns[k] : nullptr;
      const std::string before = prefix(t.name);
      const auto floats = [&](const std::string& name, std::vector<float> Ours::*values,
                              const std::vector<float>& recorded, double allowed) {
        checks.push_back(compare<float>(name, own.*values, theirs ? theirs->*values : recorded, allowed));
      };
      floats(t.x.name, &Ours::x, t.x.values, tolerance);
      floats(t.x0.name, &Ours::x0, t.x0.values, tolerance);
      if (t.hat) floats(t.hat->name, &Ours::hat, t.hat->values, tolerance);
      floats(before + "grad_first", &Ours::grad_first, t.grad_first, of_gradients);
      checks.push_back(
          compare<double>(before + "grad_norm", own.norms, theirs ? theirs->norms : t.norms, of_gradients));
    }
    return checks;
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
  std::vector<std::unique_ptr<TimeScale>> scales_;
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

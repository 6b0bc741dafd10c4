// Replays runs of other solvers than guided sampling (attribute `solver`), step by step, with their own
// draws.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "engine/solvers/daps.hpp"
#include "engine/solvers/ddnm.hpp"
#include "engine/solvers/ddrm.hpp"
#include "engine/solvers/diffpir.hpp"
#include "engine/solvers/pigdm.hpp"
#include "engine/solvers/reddiff.hpp"
#include "operators/recorded.hpp"
#include "tools/verify/checks.hpp"
#include "tools/verify/recording.hpp"

namespace tweedie::verify {
namespace {

/// The recorded draws of a run; a purpose that the file does not hold is an error when it is asked for.
class SolverDraws : public NoiseSource {
 public:
  SolverDraws(Context& context, const ArrayFile& file, int chain)
      : context_(context), file_(file), chain_(chain) {}
  void ancestral(View<float> out, int executed) override { normal(out, Draw::step, executed, 0); }
  void measurement(View<float>, int) override {
    throw Error("solver run: no noise of measurements is recorded");
  }
  void uniform(View<float>, int, int) override { throw Error("solver run: no uniform noise is recorded"); }
  void normal(View<float> out, Draw what, int executed, int k) override {
    static constexpr const char* names[] = {"init_noise", "noise",          "noise_eta",
                                            "mcmc_noise", "velocity_noise", "renoise"};
    const char* const name = names[int(what)];
    std::vector<float>& values = values_[int(what)];
    if (values.empty()) values = file_.floats(name);
    const std::size_t count = std::size_t(out.size()),
                      index = std::size_t(what == Draw::chain ? executed * chain_ + k : executed);
    require((index + 1) * count <= values.size(), file_.path(), ": ", name, " ends before the run does");
    copy_from_host(context_.queue, out.data, values.data() + index * count, count * sizeof(float));
  }

 private:
  Context& context_;
  const ArrayFile& file_;
  int chain_;
  std::vector<float> values_[6];
};

std::unique_ptr<Solver> make_reddiff(const nlohmann::json& j) {
  using Weight = RedDiffOptions::Weight;
  const std::string name = j.at("denoise_term_weight").get<std::string>();
  const Weight weight = name == "sqrt"     ? Weight::square_root
                        : name == "square" ? Weight::square
                        : name == "log"    ? Weight::logarithm
                        : name == "linear" ? Weight::linear
                                           : Weight::constant;
  return std::make_unique<RedDiff>(RedDiffOptions{j.at("lr").get<double>(), j.at("obs_weight").get<double>(),
                                                  j.at("grad_term_weight").get<double>(),
                                                  j.at("sigma_x0").get<double>(), weight});
}

std::unique_ptr<Solver> make_diffpir(const nlohmann::json& j) {
  DiffPirOptions o{j.at("lambda").get<double>(), j.at("zeta").get<double>(), j.at("eta").get<double>(),
                   DiffPirOptions::DataStep::proximal, true};
  if (j.contains("gamma")) o.data_step = DiffPirOptions::DataStep::enlarged;
  return std::make_unique<DiffPir>(o);
}

std::unique_ptr<Solver> make_daps(const nlohmann::json& j) {
  DapsOptions o;
  const nlohmann::json &annealing = j.at("annealing"), &chain = j.at("mcmc");
  o.levels = annealing.at("num_steps").get<int>();
  o.sigma_max = annealing.at("sigma_max").get<double>();
  o.sigma_min = annealing.at("sigma_min").get<double>();
  o.ode_steps = j.at("diffusion").at("num_steps").get<int>();
  o.chain = chain.at("num_steps").get<int>();
  o.rate = chain.at("lr").get<double>();
  o.rate_ratio = chain.at("lr_min_ratio").get<double>();
  o.tau = chain.at("tau").get<double>();
  o.hamiltonian = chain.at("mc_algo") == "hmc";
  o.momentum = chain.value("momentum", 0.0);
  o.compat = true;
  return std::make_unique<Daps>(o);
}

/// Every block of pixels that a mean reduces, taken for coefficients of the published code's V (k^2, k^2),
/// which the file holds: V e (DDNM's SuperResolution.Lambda_noise).
Tensor turned_by(Context& context, const ArrayFile& file, int block, const Tensor& e) {
  const std::vector<float> V = file.floats("V_small"), in = context.download(e);
  const std::size_t size = std::size_t(block) * std::size_t(block);
  require(V.size() == size * size, file.path(), ": V_small: expected ", size, " x ", size);
  const Shape& s = e.shape();
  std::vector<float> out(in.size());
  for (int plane = 0; plane < s.N * s.C; ++plane)
    for (int top = 0; top < s.H; top += block)
      for (int left = 0; left < s.W; left += block) {
        const auto pixel = [&](std::size_t i) {
          const int h = top + int(i) / block, w = left + int(i) % block;
          return (std::size_t(plane) * std::size_t(s.H) + std::size_t(h)) * std::size_t(s.W) + std::size_t(w);
        };
        for (std::size_t i = 0; i < size; ++i)
          for (std::size_t j = 0; j < size; ++j) out[pixel(i)] += V[i * size + j] * in[pixel(j)];
      }
  return context.upload(s, out);
}

std::unique_ptr<Solver> make_ddnm(Context& context, const ArrayFile& file, const nlohmann::json& j,
                                  bool plus) {
  DdnmOptions o{j.at("eta").get<double>(), j.at("travel_length").get<int>(),
                j.at("travel_repeat").get<int>()};
  const nlohmann::json turned = j.value("lambda_noise", nlohmann::json());  // null where there is none
  if (turned.is_string() && turned.get<std::string>().starts_with("compat")) {
    const int block = file.json_attribute("task").at("operator").at("scale_factor").get<int>();
    o.compat_turn = [&context, &file, block](const Tensor& eps) {
      return turned_by(context, file, block, eps);
    };
  }
  return std::make_unique<Ddnm>(o, plus);
}

/// The recorded solver, computed as its repository does.
std::unique_ptr<Solver> make_solver(Context& context, const ArrayFile& file, const nlohmann::json& j) {
  const std::string& path = file.path();
  const std::string name = j.at("name").get<std::string>();
  if (name == "ddrm")
    return std::make_unique<Ddrm>(DdrmOptions{j.at("eta").get<double>(), j.at("etaB").get<double>(), true});
  if (name == "ddnm" || name == "ddnm_plus") return make_ddnm(context, file, j, name == "ddnm_plus");
  if (name == "pigdm") {
    require(j.value("awd", true), path, ": pigdm without awd is not supported");
    return std::make_unique<Pigdm>(j.at("eta").get<double>(), j.at("grad_term_weight").get<double>(), true);
  }
  if (name == "reddiff") return make_reddiff(j);
  if (name == "diffpir") return make_diffpir(j);
  if (name == "daps") return make_daps(j);
  throw Error(
      message(path, ": solver '", name,
              "' is not known; expected ddrm, ddnm, ddnm_plus, pigdm, reddiff, diffpir, daps or blind_dps"));
}

/// Ascending timesteps of the trained schedule, from those executed (jumps back come twice).
Schedule schedule_of(const ArrayFile& file, const nlohmann::json& diffusion, bool continuous) {
  const int steps = diffusion.at("steps").get<int>();
  if (continuous) return make_schedule("linear", steps);
  std::vector<int> kept;
  for (const double t : file.number_attribute("timesteps")) kept.push_back(int(t));
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  return schedule_at(diffusion.at("noise_schedule").get<std::string>(), steps, kept);
}

/// What a replay has at the steps that are recorded, and what was recorded there.
struct Pair {
  std::string name;
  std::optional<Recording> theirs;
  std::vector<float> ours, expected;

  Pair(const ArrayFile& file, const char* dataset) : name(dataset) {
    if (file.has(dataset)) theirs.emplace(file, dataset);
  }
  void keep(Context& context, int step, const Tensor& x) {
    if (!theirs || !theirs->has(step) || !x) return;
    const std::vector<float> values = context.download(x);
    const auto recorded = theirs->at(step);
    ours.insert(ours.end(), values.begin(), values.end());
    expected.insert(expected.end(), recorded.begin(), recorded.end());
  }
};

class SolverRun {
 public:
  SolverRun(const Setup& setup, const ArrayFile& file)
      : setup_(setup),
        context_(setup.context),
        file_(file),
        json_(file.json_attribute("solver")),
        task_(file.json_attribute("task")),
        name_(json_.at("name").get<std::string>()),
        schedule_(schedule_of(file, file.json_attribute("diffusion"), name_ == "daps")),
        operator_(make_recorded_operator(context_, task_.at("operator"), operator_data(setup, file),
                                         shape_of(file, "x_true"), order())),
        likelihood_(context_, *operator_, measurement(), {task_.at("noise").value("sigma", 0.0), 0}),
        draws_(context_, file, name_ == "daps" ? json_.at("mcmc").at("num_steps").get<int>() : 0),
        posterior_{context_, *setup.network, schedule_, likelihood_, shape_of(file, "x_T"), draws_},
        solver_(make_solver(context_, file_, json_)) {}

  /// Every step from the recorded state before it where there is one; `free`: from our own.
  std::vector<Check> run(bool free) {
    Pair x(file_, "x"), x0(file_, "x0_hat"), corrected(file_, "x0_data"), chained(file_, "x0_y");
    std::vector<float> ours_seen, theirs_seen;
    solver_ = make_solver(context_, file_, json_);
    Tensor state = load(context_, file_, "x_T");
    const int steps = std::min(solver_->steps(posterior_), x.theirs->steps.back() + 1);
    int calls = 0;  // x0_hat counts evaluations, which jumps back have none of
    for (int executed = 0; executed < steps; ++executed) {
      state = solver_->step(posterior_, std::move(state), executed);
      if (!jumps_back(executed)) x0.keep(context_, calls++, solver_->estimate());
      x.keep(context_, executed, state);
      if (const auto* pir = dynamic_cast<DiffPir*>(solver_.get()))
        corrected.keep(context_, executed, pir->corrected());
      if (const auto* daps = dynamic_cast<Daps*>(solver_.get()))
        chained.keep(context_, executed, daps->chained());
      if (!x.theirs->has(executed)) continue;
      const Tensor recorded = context_.upload(x.theirs->shape, x.theirs->at(executed));
      if (name_ == "ddrm" || name_ == "ddnm" || name_ == "ddnm_plus") {
        const std::vector<float> ours = context_.download(operator_->forward(state)),
                                 theirs = context_.download(operator_->forward(recorded));
        ours_seen.insert(ours_seen.end(), ours.begin(), ours.end());
        theirs_seen.insert(theirs_seen.end(), theirs.begin(), theirs.end());
      }
      if (!free) state = recorded;
    }
    const char* const how = free ? ", free run" : ", step by step";
    std::vector<Check> checks;
    for (Pair* pair : {&x, &x0, &corrected, &chained})
      if (!pair->ours.empty())
        checks.push_back(compare<float>(pair->name + how, pair->ours, pair->expected, tolerance(pair->name)));
    if (!ours_seen.empty())
      checks.push_back(compare<float>(std::string("A x") + how, ours_seen, theirs_seen, tolerance("A x")));
    return checks;
  }

  Check clean() {
    return compare<float>("measurement_clean",
                          context_.download(operator_->forward(load(context_, file_, "x_true"))),
                          file_.floats("measurement_clean"), setup_.tolerance);
  }
  bool has_clean() const {
    // DiffPIR's reduced measurement is made by another reduction than its data step supposes.
    return file_.has("measurement_clean");
  }

 private:
  std::vector<int> order() const {
    std::vector<int> order;
    if (file_.has("perm"))
      for (const std::int64_t i : file_.integers("perm")) order.push_back(int(i));
    return order;
  }

  Tensor measurement() {
    Tensor y = load(context_, file_, "measurement");
    operator_->discard_unmeasured(y);  // DiffPIR's masked pixels hold -1
    return y;
  }

  bool jumps_back(int executed) const {
    if (!file_.has_attribute("timestep_pairs")) return false;
    const std::vector<double> pairs = file_.number_attribute("timestep_pairs");
    return pairs.at(std::size_t(2 * executed + 1)) > pairs.at(std::size_t(2 * executed));
  }

  /// The README of the recordings gives the reasons: the null space hides errors of A x; the compat order of
  /// singular values has ties that sorting decides; published float32 arithmetic of one closed form cancels.
  double tolerance(const std::string& array) const {
    const nlohmann::json& op = task_.at("operator");
    const bool compat_order = op.value("singular_order", "") == "compat";
    if (array == "A x") return std::max(setup_.tolerance, compat_order ? 1e-2 : 1e-3);
    // Recorded as published, in float32, where the closed form cancels; the other files have it in float64.
    const bool cancels = name_ == "diffpir" && op.value("name", "").ends_with("_circular") &&
                         file_.text_attribute("source").find("float64") == std::string::npos;
    if (cancels) return std::max(setup_.tolerance, array == "x0_data" ? 1e-1 : 1e-2);
    return setup_.tolerance;
  }

  const Setup& setup_;
  Context& context_;
  const ArrayFile& file_;
  nlohmann::json json_, task_;
  std::string name_;
  Schedule schedule_;
  std::unique_ptr<ForwardOperator> operator_;
  Likelihood likelihood_;
  SolverDraws draws_;
  Posterior posterior_;
  std::unique_ptr<Solver> solver_;
};

}  // namespace

std::vector<Check> check_solver(const Setup& setup, const ArrayFile& file) {
  require(setup.network, file.path(), ": a solver's run; give the network's weights with --weights");
  SolverRun replay(setup, file);
  std::vector<Check> checks;
  if (replay.has_clean()) checks.push_back(replay.clean());
  for (Check& check : replay.run(false)) checks.push_back(std::move(check));
  for (Check& check : replay.run(true)) {
    check.tolerance = std::numeric_limits<double>::infinity();
    check.note = "reported, not judged: its steps are, one by one";
    checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace tweedie::verify

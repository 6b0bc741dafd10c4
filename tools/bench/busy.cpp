#include "tools/bench/busy.hpp"

#include <fmt/format.h>
#include <omp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "engine/spectrum_prior.hpp"
#include "tools/bench/measure.hpp"
#include "weights/random_source.hpp"

namespace tweedie::bench {
namespace {

constexpr double turn_seconds = 0.5;
constexpr int most_steps = 1000;

[[noreturn]] void keep_a_core_busy(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);  // it ended before it could be asked about
  ::raise(SIGSTOP);
  for (std::atomic<unsigned long> turns = 0;;) turns.fetch_add(1, std::memory_order_relaxed);
}

/// The seconds of a step in each turn: [0] alone, [1] beside the busy ones.
struct Turns {
  std::vector<double> seconds[2];
};

/// The seconds of a step, by half a second of them or one; fewer where `most_steps` take less.
double take_turn(Context& context, Denoiser& denoiser, Shape image) {
  using Clock = std::chrono::steady_clock;
  int steps = -1;  // the first makes plans and takes memory
  double spent = 0;
  Clock::time_point start;
  run_dps_steps(context, denoiser, image, most_steps, [&] {
    if (++steps == 0) start = Clock::now();
    spent = std::chrono::duration<double>(Clock::now() - start).count();
    return spent < turn_seconds;
  });
  return spent / steps;
}

Turns take_turns(Context& context, Denoiser& denoiser, Shape image, int repeats, BusyProcesses& others) {
  Turns turns;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    turns.seconds[0].push_back(take_turn(context, denoiser, image));
    others.work();
    turns.seconds[1].push_back(take_turn(context, denoiser, image));
    others.rest();
  }
  for (std::vector<double>& each : turns.seconds) std::sort(each.begin(), each.end());
  return turns;
}

}  // namespace

BusyProcesses::BusyProcesses(int count) {
  children_.reserve(std::size_t(count));
  const pid_t parent = ::getpid();
  for (int i = 0; i < count; ++i) {
    const pid_t child = ::fork();
    if (child == 0) keep_a_core_busy(parent);
    if (child > 0) {
      children_.push_back(child);
      continue;
    }
    const std::string reason = std::strerror(errno);
    end();  // no destructor follows a constructor that throws
    throw Error(message("only ", i, " of ", count, " busy processes could be started: ", reason));
  }
  for (const pid_t child : children_) ::waitpid(child, nullptr, WUNTRACED);
}

BusyProcesses::~BusyProcesses() { end(); }

void BusyProcesses::end() {
  for (const pid_t child : children_) ::kill(child, SIGKILL);
  for (const pid_t child : children_) ::waitpid(child, nullptr, 0);
}

void BusyProcesses::work() {
  for (const pid_t child : children_) ::kill(child, SIGCONT);
}

void BusyProcesses::rest() {
  for (const pid_t child : children_) ::kill(child, SIGSTOP);
  for (const pid_t child : children_) ::waitpid(child, nullptr, WUNTRACED);
}

Json bench_busy(Context& context, const ModelOptions& o) {
  BusyProcesses others(omp_get_max_threads());
  const bool network = !o.preset.empty() || !o.config.empty();
  std::unique_ptr<Denoiser> denoiser;
  Shape image{o.batch, 3, o.height ? o.height : 256, o.width ? o.width : 256};
  if (network) {
    const UNetConfig config = model_config(o);
    image = model_image(o, config);
    RandomSource source(1);
    auto unet = std::make_unique<UNet>(context, WeightScope(source), config);
    if (config.num_classes) unet->set_labels({0});
    denoiser = std::move(unet);
  } else {
    denoiser = std::make_unique<SpectrumPrior>(context);
  }
  const Turns turns = take_turns(context, *denoiser, image, o.repeats, others);
  Json report;
  report["model"] = network ? (o.config.empty() ? o.preset : o.config) : "the analytic prior";
  put_device(report, context.device());
  report["batch"] = image.N;
  report["image"] = {image.H, image.W};
  put_seconds(report, "quiet_seconds", turns.seconds[0]);
  put_seconds(report, "busy_seconds", turns.seconds[1]);
  report["busy_over_quiet"] = report["busy_seconds"].get<double>() / report["quiet_seconds"].get<double>();
  return report;
}

std::string describe_busy(const Json& r) {
  const auto line = [&](const char* what, const std::string& name) {
    return fmt::format("  {:<22}{:.4f} s (median of turns; {:.4f} to {:.4f})\n", what, r[name].get<double>(),
                       r[name + "_min"].get<double>(), r[name + "_max"].get<double>());
  };
  const int threads = r["threads"];
  return fmt::format("{}: one DPS step, batch {}, {}x{}, {} threads on {}\n", r["model"].get<std::string>(),
                     r["batch"].get<int>(), r["image"][0].get<int>(), r["image"][1].get<int>(), threads,
                     r["device"].get<std::string>()) +
         line("alone", "quiet_seconds") +
         line(fmt::format("beside {} busy ones", threads).c_str(), "busy_seconds") +
         fmt::format("  busy / alone          {:.2f} (a fair share of the cores: 2)\n",
                     r["busy_over_quiet"].get<double>());
}

}  // namespace tweedie::bench

#include "kernels/engine_choice.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "kernels/cuda.hpp"
#include "kernels/timer.hpp"

namespace tweedie::cudnn {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int repeats_of_choice = 3;
constexpr std::size_t most_timed = 16;  // of up to 40 that TF32 has on an H100; estimates are not that wrong
constexpr double hopeless = 1.5;        // times the best so far: not timed again
constexpr double least_gain = 0.03;     // less may be the clock's noise
constexpr std::int64_t share_of_memory = 16;
constexpr std::size_t busy_bytes = std::size_t(128) << 20;  // which a B200 takes 16 us to write, an H100 40

// Device memory for the duration of a measurement.
class Buffer {
 public:
  Buffer(Queue& q, std::size_t bytes) : q_(q), bytes_(bytes), data_(q.allocate(bytes)) {
    fill_bytes(q, data_, 0x3f, bytes_);  // floats of 0.75: zeros would let the clock run higher
  }
  ~Buffer() { q_.deallocate(data_, bytes_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  Queue& q_;
  std::size_t bytes_;
  void* data_;
};

std::size_t bytes_of(std::int64_t floats) { return std::size_t(floats) * sizeof(float); }

// The meter's peak does not tell of trials: who has less memory does without.
struct UntoldPeak {
  MemoryMeter& meter;
  std::size_t before = meter.peak;
  ~UntoldPeak() { meter.peak = std::max(before, meter.live); }
};

// Times plans of one problem. Nothing that is in use is touched: accumulating ones add to its own tensors.
class Trial {
 public:
  Trial(Queue& q, cudnnHandle_t handle, const ConvolutionProblem& p)
      : q_(q),
        handle_(handle),
        peak_{q.meter()},
        x_(q, bytes_of(p.x.size())),
        weights_(q, bytes_of(convolution_packed_size(q, p.g))),
        y_(q, bytes_of(p.y().size())),
        busy_(q, busy_bytes) {}

  /// Seconds of the fastest execution, or of the first that takes longer than `enough`. Infinity: it fails.
  double seconds(const ConvolutionPlan& plan, int repeats, double enough) {
    double best = infinity;
    try {
      void* const workspace = room(std::size_t(plan.workspace_bytes()));
      Stopwatch watch(q_);
      execute(plan, workspace);  // warms up
      for (int repeat = 0; repeat < repeats && (repeat == 0 || best <= enough); ++repeat) {
        // The device is busy with this until the execution is queued, whose launch then does not count, and
        // the caches hold nothing of the last one.
        fill_bytes(q_, busy_.data(), 0, busy_bytes);
        watch.start();
        execute(plan, workspace);
        best = std::min(best, watch.seconds());
      }
    } catch (const Error&) {
      cudaGetLastError();  // a refused launch is not to be reported by who comes next; a fault stays
      return infinity;
    }
    return best;
  }

 private:
  void execute(const ConvolutionPlan& plan, void* workspace) const {
    plan.execute(handle_, x_.data(), weights_.data(), y_.data(), workspace);
  }
  void* room(std::size_t bytes) {
    if (!workspace_ || workspace_->bytes() < bytes) {
      workspace_.reset();
      workspace_.emplace(q_, bytes);
    }
    return workspace_->data();
  }

  Queue& q_;
  cudnnHandle_t handle_;
  UntoldPeak peak_;  // before the buffers, and gone after them
  Buffer x_, weights_, y_, busy_;
  std::optional<Buffer> workspace_;
};

std::int64_t most_workspace() {
  std::size_t free = 0, total = 0;
  CHECK_CUDA(cudaMemGetInfo(&free, &total));
  return std::int64_t(total) / share_of_memory;
}

std::string key_of(const ConvolutionProblem& problem) {
  return message(device_description(Device::cuda), "\tcudnn ", cudnnGetVersion(), "\t", describe(problem));
}

// The fastest of the plans, the first of which cuDNN expects most of; null where all fail.
const ConvolutionPlan* fastest(Queue& q, cudnnHandle_t handle, const ConvolutionProblem& problem,
                               const std::vector<ConvolutionPlan>& plans) {
  Trial trial(q, handle, problem);
  const ConvolutionPlan* best = nullptr;
  double seconds = infinity;
  for (const ConvolutionPlan& plan : plans) {
    const double its = trial.seconds(plan, repeats_of_choice, hopeless * seconds);
    if (its == infinity || (best && its > (1 - least_gain) * seconds)) continue;
    best = &plan;
    seconds = its;
  }
  return best;
}

}  // namespace

Choices& engine_choices() {
  static Choices choices(engine_cache_path());
  return choices;
}

ConvolutionPlan chosen_plan(Queue& q, cudnnHandle_t handle, const ConvolutionProblem& problem) {
  std::vector<ConvolutionPlan> plans = convolution_plans({handle}, problem);
  // Where all need too much, the one that needs least is as good as there is.
  const std::int64_t least =
      std::min_element(plans.begin(), plans.end(), [](const ConvolutionPlan& a, const ConvolutionPlan& b) {
        return a.workspace_bytes() < b.workspace_bytes();
      })->workspace_bytes();
  const std::int64_t most = std::max(most_workspace(), least);
  std::erase_if(plans, [most](const ConvolutionPlan& plan) { return plan.workspace_bytes() > most; });
  if (plans.size() > most_timed) plans.erase(plans.begin() + most_timed, plans.end());
  if (plans.size() == 1) return plans.front();
  const std::string key = key_of(problem);
  const std::optional<std::string> kept = engine_choices().find(key);
  for (const ConvolutionPlan& plan : plans)
    if (plan.engine() == kept) return plan;
  try {
    if (const ConvolutionPlan* const best = fastest(q, handle, problem, plans)) {
      engine_choices().keep(key, best->engine());
      return *best;
    }
  } catch (const Error&) {
    // No memory for its tensors, which are beside all that is in use. What else there is shows when it runs.
  }
  return plans.front();
}

double fastest_seconds(Queue& q, cudnnHandle_t handle, const ConvolutionProblem& problem, Order order,
                       int repeats) {
  Trial trial(q, handle, problem);
  double best = infinity;
  for (const ConvolutionPlan& plan : convolution_plans({handle}, problem, order))
    best = std::min(best, trial.seconds(plan, repeats, hopeless * best));
  return best;
}

}  // namespace tweedie::cudnn

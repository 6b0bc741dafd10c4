// Times calls with a cold cache and holds them against peaks measured in the same run.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/context.hpp"
#include "tools/bench/kernels.hpp"
#include "tools/report.hpp"

namespace tweedie::bench {

/// The least a call can get by with.
struct Work {
  double bytes = 0;       ///< every input read once and every output written once
  double operations = 0;  ///< floating-point ones; 0 where memory is the limit in any case
};

/// Seconds of single calls, in increasing order.
struct Seconds {
  std::vector<double> sorted;
  double median() const { return sorted[sorted.size() / 2]; }
  double min() const { return sorted.front(); }
  double max() const { return sorted.back(); }
};

/// Writes the device that a report is of; of a CPU, with how many threads it was measured.
void put_device(Json& to, Device device);

/// Writes what sorted seconds say to a report: their median as `name`, and with it _min, _low and _high (the
/// quartiles) and _max.
void put_seconds(Json& to, const std::string& name, const std::vector<double>& sorted);

/// Collects rows. The loop is our own and not Google Benchmark's: that times a batch of iterations and counts
/// them by the timed part alone, so that there is no median or extreme of single calls, and a call of 10 us,
/// before which all caches are flushed for 50 ms, would go on for minutes.
class Bench {
 public:
  Bench(Context& context, const KernelOptions& options);

  Context& context() { return context_; }
  Queue& queue() { return context_.queue; }
  /// Whether rows of this kernel are asked for. Ask before making its tensors.
  bool wants(std::string_view kernel);
  /// Times `call` and adds a row; nothing when the kernel is not asked for. `note` is for people.
  void row(std::string_view kernel, std::string shape, Work work, const std::function<void()>& call,
           const std::function<std::string()>& note = {});
  /// Device, peaks and rows, grouped by kernel. Errors: no kernel's name contains the filter.
  Json report() const;
  /// Times a call with cold caches, for about so many seconds; on CUDA by the device's clock.
  Seconds measure(const std::function<void()>& call, double seconds);
  double copy_peak();     ///< bytes per second of the fastest of several copies
  double product_peak();  ///< operations per second of the fastest of several products

 private:
  void flush_caches();

  Context& context_;
  KernelOptions options_;
  std::vector<std::string> kernels_;  ///< in the order they were first seen
  std::vector<Json> rows_;
  Tensor flush_;  ///< made on first use
  std::optional<double> copy_peak_, product_peak_;
};

}  // namespace tweedie::bench

#include "tools/bench/measure.hpp"

#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <type_traits>
#include <utility>

#include "kernels/elementwise.hpp"
#include "kernels/matmul.hpp"
#include "kernels/reduce.hpp"
#include "kernels/timer.hpp"

namespace tweedie::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t mebi = 1 << 20;
constexpr int fewest_runs = 5, most_runs = 1000;
constexpr std::int64_t copied_bytes = 256 * mebi;

/// Twice the last-level cache. A CUDA device's is not asked for: the largest today is 126 MB.
std::int64_t flush_bytes(Device device) {
  if (device == Device::cuda) return 256 * mebi;
  const std::int64_t cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);  // 0 or -1 where the system does not say
  return std::clamp<std::int64_t>(2 * cache, 128 * mebi, 1024 * mebi);
}

/// Rows of the square product whose rate is the peak: seconds of work at a CPU's 100 GFLOP/s, and enough of
/// it to fill a GPU.
int product_size(Device device) { return device == Device::cuda ? 8192 : 2048; }

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

void put_device(Json& to, Device device) {
  to["device"] = device_description(device);
  if (device == Device::cpu) to["threads"] = omp_get_max_threads();
}

void put_seconds(Json& to, const std::string& name, const std::vector<double>& sorted) {
  const std::size_t count = sorted.size();
  to[name] = sorted[count / 2];
  to[name + "_min"] = sorted.front();
  to[name + "_low"] = sorted[count / 4];
  to[name + "_high"] = sorted[count - 1 - count / 4];
  to[name + "_max"] = sorted.back();
}

Bench::Bench(Context& context, const KernelOptions& options) : context_(context), options_(options) {}

bool Bench::wants(std::string_view kernel) {
  if (std::find(kernels_.begin(), kernels_.end(), kernel) == kernels_.end()) kernels_.emplace_back(kernel);
  return kernel.find(options_.filter) != std::string_view::npos;
}

void Bench::flush_caches() {
  if (!flush_) {
    flush_ = context_.planar({1, 1, 1, int(flush_bytes(context_.device()) / std::int64_t(sizeof(float)))});
    fill(queue(), flush_, 1.f);
  }
  // Read, not written: lines left dirty would have to be written back at the cost of the call that is timed.
  TensorOf<double> sum = context_.per_sample(1);
  sum_squares(queue(), sum, flush_);
}

Seconds Bench::measure(const std::function<void()>& call, double seconds) {
  call();  // plans are made, memory is taken and pages are touched in the first
  Seconds result;
  Stopwatch watch(queue());
  const auto start = Clock::now();
  while (result.sorted.size() < fewest_runs || (since(start) < seconds && result.sorted.size() < most_runs)) {
    // Not waited for: a GPU is busy with it while the host queues the call, so that launching does not count.
    flush_caches();
    watch.start();
    call();
    result.sorted.push_back(watch.seconds());
  }
  std::sort(result.sorted.begin(), result.sorted.end());
  return result;
}

double Bench::copy_peak() {
  if (!copy_peak_) {
    const Shape shape{1, 1, 1, int(copied_bytes / std::int64_t(sizeof(float)))};
    Tensor to = context_.planar(shape), from = context_.planar(shape);
    fill(queue(), from, 1.f);
    copy_peak_ = 2 * double(copied_bytes) / measure([&] { copy(queue(), to, from); }, 1.0).min();
  }
  return *copy_peak_;
}

double Bench::product_peak() {
  if (!product_peak_) {
    const int n = product_size(context_.device());
    const Shape shape{1, 1, n, n};
    Tensor a = context_.normal(shape), b = context_.normal(shape), c = context_.planar(shape);
    const auto square = [n](auto* data) {
      return Matrices<std::remove_pointer_t<decltype(data)>>{data, n, n, n};
    };
    const auto call = [&] {
      matmul(queue(), square(c.data()), square(std::as_const(a).data()), square(std::as_const(b).data()));
    };
    product_peak_ = 2.0 * n * n * n / measure(call, 1.0).min();
  }
  return *product_peak_;
}

void Bench::row(std::string_view kernel, std::string shape, Work work, const std::function<void()>& call,
                const std::function<std::string()>& note) {
  if (!wants(kernel)) return;
  const double copy_limit = work.bytes / copy_peak();
  const double product_limit = work.operations > 0 ? work.operations / product_peak() : 0;
  const Seconds seconds = measure(call, options_.seconds);
  Json row;
  row["kernel"] = kernel;
  row["shape"] = std::move(shape);
  row["runs"] = seconds.sorted.size();
  put_seconds(row, "seconds", seconds.sorted);
  row["gb_per_s"] = work.bytes / seconds.median() * 1e-9;
  if (work.operations > 0) row["gflop_per_s"] = work.operations / seconds.median() * 1e-9;
  // Of the peak that limits it: no call needs less time than either of its limits.
  row["peak"] = copy_limit >= product_limit ? "copy" : "matmul";
  row["share_of_peak"] = std::max(copy_limit, product_limit) / seconds.median();
  if (note) row["note"] = note();
  rows_.push_back(std::move(row));
}

Json Bench::report() const {
  require(!rows_.empty(), "--filter: no kernel's name contains '", options_.filter, "'; there are ",
          joined(kernels_));
  Json report;
  put_device(report, context_.device());
  report["precision"] = name(context_.queue.precision());
  report["flush_bytes"] = flush_.view().size() * std::int64_t(sizeof(float));
  Json& copied = report["peaks"]["copy"];
  copied["what"] = fmt::format("copy of {} MiB", copied_bytes / mebi);
  copied["gb_per_s"] = *copy_peak_ * 1e-9;
  if (product_peak_) {
    const int n = product_size(context_.device());
    Json& product = report["peaks"]["matmul"];
    product["what"] = fmt::format("matmul of two {0}x{0} matrices", n);
    product["gflop_per_s"] = *product_peak_ * 1e-9;
  }
  report["rows"] = Json::array();
  for (const std::string& kernel : kernels_)
    for (const Json& row : rows_)
      if (row["kernel"] == kernel) report["rows"].push_back(row);
  return report;
}

std::string describe_kernels(const Json& report) {
  std::string text = fmt::format("{}, {}, cold caches\n", report["device"].get<std::string>(),
                                 report["precision"].get<std::string>());
  for (const auto& [name, peak] : report["peaks"].items()) {
    const bool memory = peak.contains("gb_per_s");
    text += fmt::format("  peak {:<8} {:9.1f} {:8} (fastest {})\n", name,
                        peak[memory ? "gb_per_s" : "gflop_per_s"].get<double>(), memory ? "GB/s" : "GFLOP/s",
                        peak["what"].get<std::string>());
  }
  text += fmt::format("{:<26} {:<46} {:>11} {:>11} {:>11} {:>5} {:>8} {:>8}  {}\n", "kernel", "shape",
                      "median us", "min us", "max us", "runs", "GB/s", "GFLOP/s", "share of peak");
  for (const Json& row : report["rows"]) {
    const std::string rate =
        row.contains("gflop_per_s") ? fmt::format("{:.1f}", row["gflop_per_s"].get<double>()) : "";
    text += fmt::format("{:<26} {:<46} {:11.1f} {:11.1f} {:11.1f} {:5} {:8.2f} {:>8} {:5.0f} % of {} {}\n",
                        row["kernel"].get<std::string>(), row["shape"].get<std::string>(),
                        row["seconds"].get<double>() * 1e6, row["seconds_min"].get<double>() * 1e6,
                        row["seconds_max"].get<double>() * 1e6, row["runs"].get<int>(),
                        row["gb_per_s"].get<double>(), rate, row["share_of_peak"].get<double>() * 100,
                        row["peak"].get<std::string>(), row.value("note", ""));
  }
  return text +
         "GB/s counts every input and output once. What a call writes may still be in a cache when it ends: "
         "small\nrows can exceed the copy. Convolutions count as direct ones: Winograd can exceed the "
         "matmul.\n";
}

}  // namespace tweedie::bench

#include "tools/bench/roofline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "layers/step_ops.hpp"
#include "tools/bench/case_tensors.hpp"
#include "tools/bench/step_op_call.hpp"
#include "weights/random_source.hpp"

namespace tweedie::bench {
namespace {

constexpr double op_seconds = 0.05;  // spent on each row, its caches' flushing included; five calls at least

/// Peaks of a device. Sources: NVIDIA's data sheets of the H100 SXM5 80 GB (2023) and the A100 SXM4 80 GB
/// (2021) and the Ada GPU architecture paper (2022); dense, bf16 with sums in fp32.
struct DevicePeaks {
  const char *name, *description;
  double bytes_per_second, fp32, bf16;
};
constexpr DevicePeaks known[] = {
    {"h100", "NVIDIA H100 SXM 80 GB", 3.35e12, 66.9e12, 989.4e12},
    {"a100", "NVIDIA A100 SXM 80 GB", 2.039e12, 19.5e12, 311.9e12},
    {"rtx4090", "NVIDIA GeForce RTX 4090", 1.008e12, 82.6e12, 165.2e12},
};

/// What a plan counts on: good libraries reach such shares on large shapes; launches of a replayed graph are
/// some microseconds apart. To be replaced by measurements.
constexpr double plan_bandwidth = 0.8, plan_arithmetic = 0.6, plan_launch_seconds = 1.5e-6;

struct Limits {
  std::string description;
  double bytes_per_second, operations_per_second, bytes_per_element;
};

Limits limits_of(Bench& bench, const std::string& device, Precision precision) {
  if (device == "here")
    return {device_description(bench.context().device()), bench.copy_peak(), bench.product_peak(), 4};
  for (const DevicePeaks& d : known)
    if (device == d.name) {
      const bool half = precision == Precision::bf16;
      return {d.description, d.bytes_per_second, half ? d.bf16 : d.fp32, half ? 2. : 4.};
    }
  throw Error(message("--roofline: no device ", device));
}

std::string describe(const StepOp& op) {
  std::string name = text(op.x);
  if (op.g.in) {
    name += fmt::format(" to {}, {}x{}", op.y.C, op.g.kernel.h, op.g.kernel.w);
    if (op.g.stride.h != 1) name += fmt::format(" / {}", op.g.stride.h);
  } else if (op.x != op.y) {
    name += " to " + text(op.y);
  }
  if (op.heads) name += fmt::format(" in {} heads", op.heads);
  if (op.split) name += fmt::format(" at {}", op.split);
  if (op.pluses) name += fmt::format(" plus {}", op.pluses);
  if (op.resample != Resample::none) name += op.resample == Resample::up ? " doubled" : " halved";
  if (op.forms) name += " formed";
  return name + (op.bias ? " bias" : "") + (op.accumulate ? " added" : "") +
         (op.modulated ? " modulated" : "") + (op.silu ? " silu" : "");
}

struct Counted {
  StepOp op;
  int count;
};

std::vector<Counted> distinct(const std::vector<StepOp>& ops) {
  std::vector<Counted> rows;
  for (const StepOp& op : ops) {
    const auto same = [&](const Counted& row) { return row.op.same_work(op); };
    const auto found = std::find_if(rows.begin(), rows.end(), same);
    if (found != rows.end())
      found->count += 1;
    else
      rows.push_back({op, 1});
  }
  // --compare finds a row by its name.
  std::set<std::string> names;
  for (const Counted& row : rows)
    require(names.insert(row.op.kernel + " " + describe(row.op)).second,
            "two rows of a step are both called ", row.op.kernel, " ", describe(row.op));
  return rows;
}

Json row_of(Bench& bench, const Counted& each, const Limits& limits, bool here) {
  const StepOp& op = each.op;
  const double bytes = op.bytes(limits.bytes_per_element), by_bytes = bytes / limits.bytes_per_second,
               by_operations = op.operations / limits.operations_per_second;
  Json row;
  row["kernel"] = op.kernel;
  row["shape"] = describe(op);
  row["layer"] = op.layer;
  row["count"] = each.count;
  row["bytes"] = bytes;
  row["operations"] = op.operations;
  row["floor_seconds"] = std::max(by_bytes, by_operations);
  row["limit"] = by_bytes >= by_operations ? "memory" : "arithmetic";
  if (here)
    put_seconds(row, "seconds", bench.measure(call_of(bench, op), op_seconds).sorted);
  else
    row["plan_seconds"] =
        std::max(by_bytes / plan_bandwidth, by_operations / plan_arithmetic) + plan_launch_seconds;
  return row;
}

double sum(const Json& rows, const char* field) {
  double total = 0;
  for (const Json& row : rows) total += row["count"].get<double>() * row[field].get<double>();
  return total;
}

}  // namespace

std::vector<std::string> roofline_devices() {
  std::vector<std::string> names = {"here"};
  for (const DevicePeaks& d : known) names.emplace_back(d.name);
  return names;
}

Json bench_roofline(Context& context, const ModelOptions& o, const KernelOptions& kernels,
                    const std::string& device, Precision precision) {
  const UNetConfig config = model_config(o);
  const Shape image = model_image(o, config);
  const bool here = device == "here";
  Bench bench(context, kernels);
  const Limits limits = limits_of(bench, device, precision);
  Json report;
  report["model"] = o.config.empty() ? o.preset : o.config;
  if (here)
    put_device(report, context.device());
  else
    report["device"] = limits.description;
  report["precision"] = name(precision);
  report["batch"] = image.N;
  report["image"] = {image.H, image.W};
  report["peaks"] = {{"bytes_per_second", limits.bytes_per_second},
                     {"operations_per_second", limits.operations_per_second}};
  report["rows"] = Json::array();
  for (const Counted& each : distinct(step_ops(config, image, !here || context.queue.on_cuda())))
    if (each.op.kernel.find(kernels.filter) != std::string::npos)
      report["rows"].push_back(row_of(bench, each, limits, here));
  require(!report["rows"].empty(), "--filter: no kernel of the step contains '", kernels.filter, "'");
  Json total;  // added to the report when complete: a new member of it moves the others, the rows too
  const Json& rows = report["rows"];
  total["count"] = 0;
  for (const Json& row : rows) total["count"] = total["count"].get<int>() + row["count"].get<int>();
  for (const char* field : {"bytes", "operations", "floor_seconds"}) total[field] = sum(rows, field);
  total[here ? "seconds" : "plan_seconds"] = sum(rows, here ? "seconds" : "plan_seconds");
  report["sum"] = std::move(total);
  if (!here)
    report["plan"] = {{"bandwidth_share", plan_bandwidth},
                      {"arithmetic_share", plan_arithmetic},
                      {"launch_seconds", plan_launch_seconds}};
  if (here && kernels.filter.empty()) {
    RandomSource source(1);
    UNet unet(context, WeightScope(source), config);
    if (config.num_classes) unet.set_labels({0});
    put_seconds(report, "step_seconds", time_dps_steps(context, unet, image, o.repeats));
  }
  return report;
}

std::string describe_roofline(const Json& r) {
  const bool here = r["sum"].contains("seconds");
  const char* column = here ? "seconds" : "plan_seconds";
  const Json &peaks = r["peaks"], &total = r["sum"];
  std::string text = fmt::format(
      "{}: the kernels of a DPS step, batch {}, {}x{}, {}, on {}{}\n"
      "  peaks: {:.1f} GB/s, {:.1f} GFLOP/s ({})\n"
      "{:>5} {:<26} {:<52} {:>10} {:>10} {:>10} {:<11} {:>10} {:>7}\n",
      r["model"].get<std::string>(), r["batch"].get<int>(), r["image"][0].get<int>(),
      r["image"][1].get<int>(), r["precision"].get<std::string>(), r["device"].get<std::string>(),
      here ? "" : ": a plan, nothing was run", peaks["bytes_per_second"].get<double>() * 1e-9,
      peaks["operations_per_second"].get<double>() * 1e-9,
      here ? "copy and matrix product, measured" : "its data sheet", "times", "kernel", "shape", "MB",
      "GFLOP", "floor us", "limit", here ? "us" : "plan us", "/ floor");
  const auto line = [&](const Json& row, const std::string& kernel, const std::string& shape,
                        const std::string& limit) {
    return fmt::format("{:5} {:<26} {:<52} {:10.3f} {:10.3f} {:10.1f} {:<11} {:10.1f} {:7.2f}\n",
                       row["count"].get<int>(), kernel, shape, row["bytes"].get<double>() * 1e-6,
                       row["operations"].get<double>() * 1e-9, row["floor_seconds"].get<double>() * 1e6,
                       limit, row[column].get<double>() * 1e6,
                       row[column].get<double>() / row["floor_seconds"].get<double>());
  };
  for (const Json& row : r["rows"]) text += line(row, row["kernel"], row["shape"], row["limit"]);
  text += line(total, "the sum of all", "", "");
  if (r.contains("step_seconds"))
    text += fmt::format(
        "the whole step: {:.4f} s, {:.2f} times its floor, {:.2f} times the sum of its kernels alone\n",
        r["step_seconds"].get<double>(),
        r["step_seconds"].get<double>() / total["floor_seconds"].get<double>(),
        r["step_seconds"].get<double>() / total["seconds"].get<double>());
  if (r.contains("plan"))
    text += fmt::format(
        "A plan takes {:.0f} % of the bandwidth or {:.0f} % of the arithmetic, and {:.1f} us a launch.\n",
        r["plan"]["bandwidth_share"].get<double>() * 100, r["plan"]["arithmetic_share"].get<double>() * 100,
        r["plan"]["launch_seconds"].get<double>() * 1e6);
  return text +
         "Bytes: every input read once, every output written once. Each figure of a row is of one call.\n";
}

}  // namespace tweedie::bench

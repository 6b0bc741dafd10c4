#include "tools/verify/checks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/schedule.hpp"
#include "tools/verify/metrics.hpp"

namespace tweedie::verify {

template <class T>
Check compare(const std::string& name, std::span<const T> ours, std::span<const T> theirs, double tolerance) {
  require(ours.size() == theirs.size(), name, ": ", ours.size(), " values, the reference has ",
          theirs.size());
  Check check;
  check.name = name;
  check.tolerance = tolerance;
  double difference = 0, norm = 0, largest = -1;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double d = double(ours[i]) - double(theirs[i]);
    difference += d * d;
    norm += double(theirs[i]) * double(theirs[i]);
    if (!(std::abs(d) <= largest)) {
      largest = std::abs(d);
      check.worst = i;
      if (std::isnan(d)) break;
    }
  }
  // Where the reference is all zero (the distance of an unguided run), the difference itself is the error.
  check.error = norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
  if (!ours.empty()) {
    check.ours = double(ours[check.worst]);
    check.theirs = double(theirs[check.worst]);
  }
  return check;
}

template Check compare(const std::string&, std::span<const float>, std::span<const float>, double);
template Check compare(const std::string&, std::span<const double>, std::span<const double>, double);

Check compare_rest(const std::string& name, std::span<const float> ours, std::span<const float> theirs,
                   double tolerance, const std::vector<bool>& apart, const std::string& why) {
  std::vector<float> our_rest, their_rest;
  std::vector<std::size_t> place;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    if (apart[i]) continue;
    our_rest.push_back(ours[i]);
    their_rest.push_back(theirs[i]);
    place.push_back(i);
  }
  Check check = compare<float>(name, our_rest, their_rest, tolerance);
  if (!place.empty()) check.worst = place[check.worst];
  const std::size_t count = theirs.size() - place.size();
  check.note = message(count, " of ", theirs.size(), " elements set apart: ", why,
                       "; with them the error is ", compare<float>("", ours, theirs, tolerance).error);
  if (2 * count > theirs.size()) check.error = std::numeric_limits<double>::infinity();
  return check;
}

Shape shape_of(const ArrayFile& file, const std::string& name) {
  const Extents e = file.extents(name);
  require(e.size() == 4, file.path(), ": ", name, " has shape ", to_string(e), ", expected four dimensions");
  for (const std::int64_t side : e)
    require(side > 0 && side < (1 << 20), file.path(), ": ", name, " has shape ", to_string(e));
  return {int(e[0]), int(e[1]), int(e[2]), int(e[3])};
}

Tensor load(Context& context, const ArrayFile& file, const std::string& name) {
  return context.upload(shape_of(file, name), file.floats(name));
}

OperatorData operator_data(const Setup& setup, const ArrayFile& file) {
  OperatorData data;
  data.weights = setup.operator_weights;
  if (file.has("mask")) data["mask"] = load(setup.context, file, "mask");
  if (!file.has("kernel")) return data;
  const Extents e = file.extents("kernel");
  data["kernel"] = e.size() == 2 && e[0] < (1 << 20) && e[1] < (1 << 20)
                       ? setup.context.upload({1, 1, int(e[0]), int(e[1])}, file.floats("kernel"))
                       : load(setup.context, file, "kernel");
  return data;
}

namespace {

struct NetworkReference {
  Tensor x, grad_out;
  std::vector<float> t, out, grad_x;
};

std::vector<Check> compare_network(const Setup& setup, const ArrayFile& file, const NetworkReference& r,
                                   double time_scale) {
  Context& context = setup.context;
  UNet& unet = *setup.network;
  const TimeScale scaled(unet, time_scale);
  const std::unique_ptr<Saved> saved = unet.make_saved();
  const std::vector<float> inference = context.download(unet.forward(r.x, r.t));
  const std::vector<float> out = context.download(unet.forward(r.x, r.t, saved.get()));
  const std::vector<float> gradient = context.download(unet.backward(r.grad_out, *saved));
  std::vector<Check> checks{compare<float>("out", out, r.out, setup.tolerance),
                            compare<float>("out (inference)", inference, r.out, setup.tolerance),
                            compare<float>("grad_x", gradient, r.grad_x, setup.tolerance)};
  for (Check& check : check_parameter_gradients(setup, file, r.t)) checks.push_back(std::move(check));
  return checks;
}

// What a file's t is: "network" as the network was called with, "schedule" counted in the steps of its
// schedule (which rescale_timesteps multiplies), "" where the file does not say.
std::string unit_of_t(const ArrayFile& file) {
  if (!file.has_attribute("timesteps")) return "";
  const std::string unit = file.text_attribute("timesteps");
  require(unit == "network" || unit == "schedule", file.path(), ": attribute `timesteps` is '", unit,
          "', expected network or schedule");
  return unit;
}

}  // namespace

std::vector<Check> check_network(const Setup& setup, const ArrayFile& file) {
  require(setup.network, file.path(), ": a network's reference; give its weights with --weights");
  UNet& unet = *setup.network;
  const UNetConfig recorded = parse_unet_config(file.json_attribute("model_config"), file.path());
  require(recorded == unet.config(), file.path(), ": recorded for the configuration ",
          to_json(recorded).dump(), ", the weights are of ", to_json(unet.config()).dump());
  NetworkReference r{load(setup.context, file, "x"),
                     load(setup.context, file, "grad_out"),
                     {},
                     file.floats("out"),
                     file.floats("grad_x")};
  for (const double t : file.doubles("t")) {  // fractions are timesteps, too
    require(std::isfinite(t), file.path(), ": t holds ", t);
    r.t.push_back(float(t));
  }
  if (file.has("y")) {
    std::vector<int> labels;
    for (const std::int64_t label : file.integers("y")) labels.push_back(int(label));
    unet.set_labels(labels);
  }
  const double scale = unet.time_scale();
  const std::string unit = unit_of_t(file);
  if (scale == 1) return compare_network(setup, file, r, 1);  // both are one
  if (unit == "network") return compare_network(setup, file, r, 1);
  std::vector<Check> by_schedule = compare_network(setup, file, r, scale);
  if (unit == "schedule") return by_schedule;
  std::vector<Check> by_network = compare_network(setup, file, r, 1);
  const bool network_fits = by_network[0].error < by_schedule[0].error;
  std::vector<Check>& better = network_fits ? by_network : by_schedule;
  better[0].note =
      message("the file does not say what its t is; taken as ", network_fits ? "network" : "schedule",
              ", the better of both: error ", by_network[0].error, " as what the network was called with, ",
              by_schedule[0].error, " as steps of the schedule (times ", scale, ")");
  return better;
}

namespace {

std::vector<float> gradient_at(Context& context, ForwardOperator& op, const Tensor& x,
                               const Tensor& cotangent) {
  const std::unique_ptr<Saved> saved = op.make_saved();
  op.forward(x, saved.get());
  return context.download(op.backward(cotangent, *saved));
}

// A network of (leaky) ReLUs has a gradient that jumps where an activation is 0, and among many some are so
// within rounding errors: there the recorded gradient and ours may belong to different sides. Such an
// activation inside the network reaches a large part of the gradient, too much to be set apart: how far
// one rounding error in x moves the gradient is measured, and four times that allowed, as several may be on
// the other side at once. One error in ten or in four moves any of them: up to 32 are tried, until one of
// them explains the difference (of four none did, with one library). The note says so, with how many elements
// they move. A hundredth is the most that is allowed: a gradient that rounding moves further says nothing of
// whether ours is right.
void allow_for_kinks(Context& context, ForwardOperator& op, const Tensor& x, const Tensor& cotangent,
                     const std::vector<float>& ours, Check& check) {
  constexpr std::uint64_t most_trials = 32;
  constexpr double allowed = 4, most_error = 1e-2;
  // A linear operator has no kinks; what is not finite is no matter of rounding.
  if (check.passed() || as_linear(op) || !(check.error <= most_error)) return;
  const std::vector<float> values = context.download(x);
  double squares = 0, spread = 0;
  for (const float v : ours) squares += double(v) * v;
  const double noticeable = check.tolerance * std::sqrt(squares / double(ours.size()));
  std::vector<std::size_t> counts;
  for (std::uint64_t trial = 1; trial <= most_trials && allowed * spread < check.error; ++trial) {
    context.start_stream(trial);
    Tensor u = context.planar(x.shape());
    context.uniform(u);
    std::vector<float> moved = context.download(u);
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] = values[i] * (1 + (2 * moved[i] - 1) * 0x1p-22f);
    const std::vector<float> other = gradient_at(context, op, context.upload(x.shape(), moved), cotangent);
    spread = std::max(spread, compare<float>("", other, ours, 0).error);
    std::size_t count = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) count += std::abs(double(other[i]) - ours[i]) > noticeable;
    counts.push_back(count);
  }
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  check.note = message("tolerance raised from ", check.tolerance, " to ", allowed, " times (", most_error,
                       " at most) what one rounding error in x does: ", counts.size(),
                       " of them move this gradient by up to ", spread, ", and ", *least, " to ", *most,
                       " of its ", ours.size(), " elements noticeably (by over ", check.tolerance,
                       " of their root mean square): a (leaky) ReLU lies that close to its kink");
  check.tolerance = std::max(check.tolerance, std::min(allowed * spread, most_error));
}

}  // namespace

std::vector<Check> check_operator(const Setup& setup, const ArrayFile& file) {
  Context& context = setup.context;
  const auto op = make_operator(context, file.json_attribute("operator"), operator_data(setup, file));
  const Tensor x = load(context, file, "x"), cotangent = load(context, file, "cotangent");
  const std::vector<float> y = context.download(op->forward(x));
  const std::vector<float> gradient = gradient_at(context, *op, x, cotangent);
  const std::vector<float> their_y = file.floats("y"), their_vjp = file.floats("vjp");
  Check vjp = compare<float>("vjp", gradient, their_vjp, setup.tolerance);
  allow_for_kinks(context, *op, x, cotangent, gradient, vjp);
  return {compare<float>("y", y, their_y, setup.tolerance), vjp};
}

std::vector<Check> check_schedules(const Setup& setup, const ArrayFile& file) {
  std::vector<Check> checks;
  for (const std::string& group : file.names()) {
    // linear_1000_10-15-20: name, steps and, where there is one, the respacing.
    const std::size_t first = group.find('_'), second = group.find('_', first + 1);
    require(first != std::string::npos, file.path(), ": a group named '", group,
            "', expected NAME_STEPS[_RESPACING]");
    std::string respacing = second == std::string::npos ? "" : group.substr(second + 1);
    std::replace(respacing.begin(), respacing.end(), '-', ',');
    if (respacing == "all") respacing.clear();
    const std::string steps =
        group.substr(first + 1, second == std::string::npos ? second : second - first - 1);
    require(!steps.empty() && steps.size() < 8 && steps.find_first_not_of("0123456789") == std::string::npos,
            file.path(), ": a group named '", group, "', expected NAME_STEPS[_RESPACING]");
    const Schedule s = make_schedule(group.substr(0, first), std::stoi(steps), respacing);
    const auto check = [&](const char* name, const std::vector<double>& ours) {
      const std::vector<double> theirs = file.doubles(group + "/" + name);
      checks.push_back(compare<double>(group + "/" + name, ours, theirs, setup.tolerance));
    };
    check("timesteps", {s.timesteps.begin(), s.timesteps.end()});
    check("betas", s.betas);
    check("alphas_cumprod", s.alphas_cumprod);
    check("posterior_variance", s.posterior_variance);
    check("posterior_log_variance_clipped", s.posterior_log_variance_clipped);
    check("posterior_mean_coef1", s.posterior_mean_coef1);
    check("posterior_mean_coef2", s.posterior_mean_coef2);
    check("sqrt_recip_alphas_cumprod", s.sqrt_recip_alphas_cumprod);
    check("sqrt_recipm1_alphas_cumprod", s.sqrt_recipm1_alphas_cumprod);
  }
  require(!checks.empty(), file.path(), ": no schedules in it");
  return checks;
}

namespace {

std::vector<Check> check_by_kind(const Setup& setup, const ArrayFile& file) {
  const std::string kind = recorded_kind(file);
  if (kind == "psnr_ssim") return check_similarity(file);
  if (kind == "frechet_kid") return check_distributions(file);
  if (kind == "training_losses") return check_training_losses(setup, file);
  if (kind == "training_run") return check_training_run(setup, file);
  if (kind == "loss_second_moment") return check_loss_aware(file);
  if (kind == "lpips") return check_lpips(setup, file);
  if (kind == "inception") return check_inception(setup, file);
  if (file.has("vjp_kernel") || file.has("vjp_tilt")) return check_blind_operator(setup, file);
  if (file.has("kernel_x_T")) return check_blind_trajectory(setup, file);
  if (file.has_attribute("solver")) return check_solver(setup, file);
  if (file.has("x_T")) return check_trajectory(setup, file);
  if (file.has("grad_out")) return check_network(setup, file);
  if (file.has("cotangent")) return check_operator(setup, file);
  const std::vector<std::string> names = file.names();
  require(
      !names.empty() && file.has(names[0] + "/betas"), file.path(),
      ": not a reference file: expected the datasets of a network, an operator, a trajectory or schedules");
  return check_schedules(setup, file);
}

}  // namespace

std::vector<Check> check_file(const Setup& setup, const ArrayFile& file) {
  try {
    return check_by_kind(setup, file);
  } catch (const nlohmann::json::exception& error) {
    throw Error(
        message(file.path(), ": its description lacks something or holds another type: ", error.what()));
  }
}

}  // namespace tweedie::verify

#include "tools/restore/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"
#include "operators/composed.hpp"
#include "operators/ct.hpp"
#include "tools/restore/kspace.hpp"
#include "tools/restore/pictures.hpp"

namespace tweedie {
namespace {

int round_up(int n, int to) { return (n + to - 1) / to * to; }

Image as_channels(const Image& image, int channels) {
  if (channels == 0 || image.channels == channels) return image;
  return channels == 3 ? to_rgb(image) : to_gray(image);
}

// The picture of a measurement as the measurement of an image.
void take_picture(Context& context, Problem& p, const Options& o, int channels,
                  std::vector<std::string>* notes) {
  const Task& task = p.task;
  const Image picture = read_image(o.measurement, notes);
  require(task.shows == Shows::picture, o.measurement, ": the measurement of task ", task.name,
          " is not a picture; expected the measurement.h5 of another run");
  const nlohmann::json mask = describe_mask(task, o.operation);
  require(!mask.contains("kind") || mask["kind"] == "file", "task ", task.name,
          " draws its own mask; restore a measurement with --task inpainting --mask FILE");
  require(!task.uses("motion_blur") && !task.uses("nonlinear_blur"), "task ", task.name,
          " draws its own kernel; restore a measurement with --task kernel_blur --kernel FILE");
  const Image shown = as_channels(picture, task.channels ? task.channels : channels);
  const int of_image = task.channels ? (channels ? channels : 3) : shown.channels;
  const std::int64_t H = std::int64_t(shown.height) * task.shrinks,
                     W = std::int64_t(shown.width) * task.shrinks;
  require(std::max(H, W) < 1 << 20, o.measurement, ": of an image of ", W, " x ", H,
          " pixels; expected sides below ", 1 << 20);
  p.image = {1, of_image, int(H), int(W)};
  p.measurement.y = context.upload({1, shown.channels, shown.height, shown.width}, shown.data);
}

/// Notes what of a task file's operator is not used because the stored one does not say it. Errors: they
/// disagree.
void require_agreement(const std::string& path, const nlohmann::json& stated, const nlohmann::json& stored,
                       std::vector<std::string>* notes) {
  for (const auto& [key, value] : stated.items()) {
    if (value.is_null() || key == "in_shape" || key == "opt_yml_path") continue;  // of no operator
    const nlohmann::json theirs = stored.value(key, nlohmann::json());
    if (theirs.is_null())
      notes->push_back(message(path, ": does not say with what ", key, " it was measured; the task file's ",
                               value.dump(), " is not used"));
    else if (key == "operators" && theirs.is_array() && value.is_array() && theirs.size() == value.size())
      for (std::size_t i = 0; i < value.size(); ++i) require_agreement(path, value[i], theirs[i], notes);
    else
      require(value == theirs, path, ": measured with ", key, " ", theirs.dump(), ", the task file says ",
              value.dump());
  }
}

void take_file(Context& context, Problem& p, const Options& o, std::vector<std::string>* notes) {
  const bool kspace_file = is_kspace(o.measurement);
  if (kspace_file) {
    require(p.task.name == "mri", o.measurement, ": k-space, which is for task mri, not ", p.task.name);
    KSpace kspace =
        read_kspace(context, o.measurement, o.operation.slice, p.task.settings, o.sampling_stated);
    p.measurement = std::move(kspace.measurement);
    if (!p.original) p.original = std::move(kspace.original);
  } else {
    p.measurement = read_measurement(context, o.measurement);
  }
  const std::string stored = p.measurement.settings.value("name", "");
  require(stored == p.task.settings.value("name", ""), o.measurement, ": measured by the operator '", stored,
          "', task ", p.task.name, " has '", p.task.settings.value("name", ""), "'");
  if (!kspace_file && !o.operation.settings.is_null())
    require_agreement(o.measurement, o.operation.settings, p.measurement.settings, notes);
  if (p.measurement.noise && o.file_noise && to_json(*p.measurement.noise) != to_json(*o.file_noise))
    notes->push_back(message(o.measurement, ": has noise ", to_json(*p.measurement.noise).dump(),
                             "; the task file's is not used"));
  p.task.set_operator(p.measurement.settings);
  p.measurement.data.weights = o.operation.weights;
  p.image = p.measurement.image;
}

}  // namespace

double Problem::misfit(Context& context, const Tensor& x) const {
  const Tensor measured = op->forward(x);
  Tensor residual = context.planar(measured.shape());
  axpby(context.queue, residual, 1.f, y(), -1.f, measured);
  TensorOf<double> squared = context.per_sample(1);
  sum_squares(context.queue, squared.view(), residual);
  return std::sqrt(context.download(squared)[0]);
}

std::optional<double> Problem::expected_misfit(Context& context) const {
  if (noise.name != "gaussian" || !measurement.noise) return {};
  Tensor measured = context.planar(y().shape());
  fill(context.queue, measured, 1.f);
  if (!noise_everywhere) op->discard_unmeasured(measured);
  double count = 0;
  for (const float m : context.download(measured)) count += m != 0;
  return noise.sigma * std::sqrt(count);
}

Problem pose(Context& context, const Options& o, const Prior& prior) {
  std::vector<std::string> notes;
  Problem p;
  p.task = make_task(o.task, o.operation, o.seed);
  if (!o.input.empty()) {
    p.original = as_channels(read_image(o.input, &notes), prior.channels());
    if (p.task.name == "colourisation") p.original = to_rgb(*p.original);
    p.image = {1, p.original->channels, p.original->height, p.original->width};
  }
  const Shape of_original = p.image;
  const bool given = !o.measurement.empty(), exact = given && is_hdf5(o.measurement);
  if (exact)
    take_file(context, p, o, &notes);
  else if (given)
    take_picture(context, p, o, prior.channels(), &notes);
  Measurement& m = p.measurement;
  p.noise = noise_of(o, m.noise);
  // What a file says of its own noise stays. Whoever gives a measurement may not have said it; then ours is a
  // guess.
  if (!m.noise && (!given || o.noise || o.sigma || o.rate || o.file_noise)) m.noise = p.noise;
  for (const std::string& note : notes) fmt::print(stderr, "tweedie-restore: note: {}\n", note);
  require(!given || o.input.empty() || p.image == of_original, o.measurement, ": belongs to an image of ",
          p.image, ", but ", o.input, " is ", of_original);
  require(prior.channels() == 0 || p.image.C == prior.channels(), o.measurement, ": of an image of ",
          p.image.C, " channels, the prior's have ", prior.channels());

  if (!exact) {
    m.data = make_operator_data(context, p.task, o.operation, p.image, o.seed);
    m.settings = p.task.settings;
    m.image = p.image;
  }
  require(p.noise.name != "poisson" || p.task.shows != Shows::frequencies, "task ", p.task.name,
          ": complex frequencies are no photon counts: Poisson noise makes no sense of them");
  p.op = make_operator(context, p.task.settings, m.data);
  const Shape measured = p.op->output_shape(p.image);
  if (given) {
    require(measured == m.y.shape(), o.measurement, ": of shape ", m.y.shape(),
            "; the task's measurement of such an image is ", measured);
    // A compat run's own measurement keeps its noise on what was not measured.
    p.noise_everywhere = exact && p.noise.compat;
    if (!p.noise_everywhere) p.op->discard_unmeasured(m.y);
  } else {
    p.noise_everywhere = p.noise.compat;
    m.y = add_noise(context, p.noise, p.op->forward(context.upload(p.image, p.original->data)), *p.op);
  }
  const int stride = prior.stride();
  p.padded = {1, p.image.C, round_up(p.image.H, stride), round_up(p.image.W, stride)};
  if (p.padded != p.image) p.op = on_crop(context, p.image.H, p.image.W, std::move(p.op));
  return p;
}

namespace {

/// Values to [-1, 1], the least black and the largest white.
Image stretched(Image image) {
  const auto [low, high] = std::minmax_element(image.data.begin(), image.data.end());
  const float from = *low, scale = *high > *low ? 2 / (*high - *low) : 0;
  for (float& v : image.data) v = (v - from) * scale - 1;
  return image;
}

/// What is averaged over the channels: line integrals as they are, magnitudes and frequencies on a
/// logarithmic scale (of these the power, whose mean's logarithm is taken).
float view_of(const Task& task, float v) {
  if (task.shows == Shows::magnitudes) return std::log1p(std::max(v, 0.f));
  return task.shows == Shows::frequencies ? v * v : v;
}

/// The image that the measurement gives without further ado, where it is linear.
std::optional<Image> direct_image(Context& context, const Problem& p) {
  const auto bare = make_operator(context, p.task.settings, p.measurement.data);
  Tensor x;
  if (auto* radon = dynamic_cast<Radon*>(bare.get()))
    x = radon->filtered_backprojection(p.y(), p.image);
  else if (auto* linear = dynamic_cast<LinearOperator*>(bare.get()))
    x = linear->has_pseudo_inverse() ? linear->pseudo_inverse(p.y(), p.image)
                                     : linear->adjoint(p.y(), p.image);
  else
    return {};
  return clipped({p.image.C, p.image.H, p.image.W, context.download(x)});
}

}  // namespace

Views view_measurement(Context& context, const Problem& p) {
  const Shape s = p.y().shape();
  const std::vector<float> values = context.download(p.y());
  if (p.task.shows == Shows::picture && (s.C == 1 || s.C == 3)) {
    const Image picture = clipped({s.C, s.H, s.W, values});
    return {picture, resized(as_channels(picture, p.image.C), p.image.H, p.image.W)};
  }
  Image seen = uniform_image(1, s.H, s.W, 0);
  for (std::size_t i = 0; i < values.size(); ++i)
    seen.data[i % seen.plane()] += view_of(p.task, values[i]) / float(s.C);
  if (p.task.shows == Shows::frequencies)
    for (float& v : seen.data) v = std::log(v + 1e-6f);
  Views views{stretched(std::move(seen)), {}};
  if (const auto before = direct_image(context, p)) views.before = before;
  return views;
}

}  // namespace tweedie

#include "tools/restore/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"
#include "operators/composed.hpp"
#include "operators/measurement_file.hpp"
#include "tools/restore/arrays.hpp"
#include "tools/restore/measured_array.hpp"
#include "tools/restore/noise_option.hpp"
#include "tools/restore/views.hpp"
#include "weights/array_file.hpp"
#include "weights/hdf5_read.hpp"
#include "weights/with_where.hpp"

namespace tweedie {
namespace {

int round_up(int n, int to) { return (n + to - 1) / to * to; }

/// Whether the operator, or a part of it, draws something by a seed.
bool draws(const OperatorDescription& op) {
  for (const OperatorDescription* leaf : op.leaves())
    for (const Setting& row : leaf->kind->settings)
      if (row.kind == Setting::Kind::seed) return true;
  return false;
}

/// The operator as it is simulated: with every default and every seed stated, so that it alone says what was
/// measured.
OperatorDescription stated(OperatorDescription op, std::uint64_t seed) {
  if (!op.kind->of_many) op.settings.state_defaults();
  op.state_seeds(seed);
  return op;
}

/// A picture in the darkest eighth of its range was probably stored in fewer bits than its file has.
void note_dark(const Image& picture, const std::string& path, std::vector<std::string>& notes) {
  const float brightest = *std::max_element(picture.data.begin(), picture.data.end());
  if (brightest < -0.75f)
    notes.push_back(fmt::format(
        "{}: its brightest value is at {:.3g} % of white; what white is stored as is said with --black-white "
        "BLACK:WHITE",
        path, 50 * (brightest + 1)));
}

/// The picture of a measurement as the measurement of an image.
void take_picture(Context& context, Problem& p, const Options& o, const Asked& asked, int channels) {
  const Image picture = read_image(o.measurement, &p.notes, o.levels);
  note_dark(picture, o.measurement, p.notes);
  require(asked.op.shows() == Shows::picture, o.measurement, ": the measurement of task ", p.task,
          " is not a picture; expected an array of numbers or the measurement.h5 of another run");
  const bool drawn_mask = asked.draw && !asked.files.contains("mask");
  require(!drawn_mask, "task ", p.task, " draws its own mask, which is not that of ", o.measurement, ": ",
          asked.op.kind->foreign ? asked.op.kind->foreign : "give a mask with --mask");
  for (const OperatorDescription* leaf : asked.op.leaves())
    require(!draws(*leaf) || leaf->kind->blind, "task ", p.task,
            " draws its own kernel, which is not that of ", o.measurement, ": ",
            leaf->kind->foreign ? leaf->kind->foreign : "give the measurement.h5 of another run");
  const int measured = asked.op.measured_channels();
  const Image shown = as_channels(picture, measured ? measured : channels, o.measurement, p.notes);
  Measurement& m = p.measurement;
  m.y = context.upload({1, shown.channels, shown.height, shown.width}, shown.data);
  m.op = asked.op.kind->blind ? asked.op : stated(asked.op, o.seed);  // of what nobody knows nothing is said
  m.image = m.op->image_shape(m.y.shape());
}

/// Notes what of a task file's operator is not used because the stored one does not say it. Errors: they
/// disagree.
void require_agreement(const std::string& path, const OperatorDescription& file,
                       const OperatorDescription& stored, std::vector<std::string>& notes) {
  for (const Setting& row : file.settings.rows()) {
    if (!file.settings.stated(row.name)) continue;
    const SettingValue value = *file.settings.value(row.name);
    if (!stored.settings.stated(row.name))
      notes.push_back(message(path, ": does not say with what ", row.name,
                              " it was measured; the task file's ", to_text(value), " is not used"));
    else
      require(value == *stored.settings.value(row.name), path, ": measured with ", row.name, " ",
              to_text(*stored.settings.value(row.name)), ", the task file says ", to_text(value));
  }
  for (std::size_t i = 0; i < std::min(file.parts.size(), stored.parts.size()); ++i)
    require_agreement(path, file.parts[i], stored.parts[i], notes);
}

/// A file of numbers: the measurement of another run, or one of another program.
void take_file(Context& context, Problem& p, const Options& o, const Asked& asked) {
  const ForeignRow* foreign = nullptr;
  for (const OperatorKind* kind : operator_kinds())
    if (kind->files && kind->files->holds(o.measurement)) {
      require(asked.op.kind == kind, o.measurement, ": is for task ", kind->task_name(), ", not ", p.task);
      foreign = kind->files;
    }
  if (foreign) {
    ForeignMeasurement read = foreign->read(context, o.measurement, o.slice, asked.op, o.seed);
    p.measurement = std::move(read.measurement);
    p.notes.insert(p.notes.end(), read.notes.begin(), read.notes.end());
    const Shape& s = p.measurement.image;
    if (read.truth && !p.original) p.original = Image{s.C, s.H, s.W, std::move(*read.truth)};
  } else {
    p.measurement = read_measurement(context, o.measurement);
    for (const std::string& name : ArrayFile(o.measurement).names())
      if (name != "measurement" && !p.measurement.data.arrays.contains(name))
        p.notes.push_back(message(o.measurement, ": the dataset `", name, "` is not read"));
  }
  Measurement& m = p.measurement;
  require(m.op->kind == asked.op.kind, o.measurement, ": measured by the operator '", m.op->kind->name,
          "', task ", p.task, " has '", asked.op.kind->name, "'");
  if (!foreign && asked.described) require_agreement(o.measurement, asked.op, *m.op, p.notes);
  if (m.noise && o.file_noise && to_json(*m.noise) != to_json(*o.file_noise))
    p.notes.push_back(
        message(o.measurement, ": has noise ", to_json(*m.noise).dump(), "; the task file's is not used"));
  m.data.weights = asked.network;
}

/// How many of y's values are measured at all.
std::int64_t count_observed(Context& context, ForwardOperator& op, const Tensor& y) {
  Tensor measured = context.planar(y.shape());
  fill(context.queue, measured, 1.f);
  op.discard_unmeasured(measured);
  const std::vector<float> values = context.download(measured);
  return std::count_if(values.begin(), values.end(), [](float v) { return v != 0; });
}

/// A picture whose values are all in [0, 1] was probably not scaled to [-1, 1].
void note_units(Context& context, Problem& p, const std::string& path) {
  if (p.description().shows() != Shows::picture) return;
  const std::vector<float> values = context.download(p.y());
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  if (*low >= -0.01f && *high <= 1.01f)
    p.notes.push_back(message(path,
                              ": all values are between 0 and 1; are they in units of [-1, 1] images, where "
                              "black is -1?"));
}

void take_measurement(Context& context, Problem& p, const Options& o, const Asked& asked, int channels) {
  const Shape of_original = p.image;
  if (is_measured_array(o))
    p.measurement = read_measured_array(context, o.measurement, asked, p.notes);
  else if (is_described(o))
    take_file(context, p, o, asked);
  else
    take_picture(context, p, o, asked, channels);
  p.image = p.measurement.image;
  require(o.input.empty() || p.image == of_original, o.measurement, ": belongs to an image of ", p.image,
          ", but ", o.input, " is ", of_original);
}

void require_channels(const Problem& p, const Options& o, int channels) {
  require(channels == 0 || p.image.C == channels, o.measurement.empty() ? o.input : o.measurement,
          ": is for an image of ", p.image.C, " channels, the prior's have ", channels);
}

}  // namespace

NoiseModel Problem::noise_model() const {
  return {noise.kind == NoiseKind::gaussian ? noise.sigma : 0,
          noise.kind == NoiseKind::poisson ? noise.rate : 0};
}

double Problem::misfit(Context& context, const Tensor& x) const {
  const Tensor measured = op->forward(x);
  Tensor residual = context.planar(measured.shape());
  axpby(context.queue, residual, 1.f, y(), -1.f, measured);
  TensorOf<double> squared = context.per_sample(1);
  sum_squares(context.queue, squared.view(), residual);
  return std::sqrt(context.download(squared)[0]);
}

Problem pose(Context& context, const Options& o, int channels) {
  const Asked& asked = *o.asked;
  Problem p;
  p.notes = o.notes;
  p.task = asked.name();
  if (!o.input.empty()) {
    p.original = as_channels(read_image(o.input, &p.notes, o.levels), channels, o.input, p.notes);
    note_dark(*p.original, o.input, p.notes);
    p.original = as_channels(*p.original, asked.op.image_channels(), o.input, p.notes);
    p.image = {1, p.original->channels, p.original->height, p.original->width};
  }
  const bool given = !o.measurement.empty(), exact = given && is_described(o);
  Measurement& m = p.measurement;
  if (given) take_measurement(context, p, o, asked, channels);
  p.noise = noise_of(o, m.noise);
  // What a file says of its own noise stays. Whoever gives a measurement may not have said it; then ours is a
  // guess.
  const bool noise_said = o.noise || o.sigma || o.rate || o.file_noise;
  require_channels(p, o, channels);
  if (exact) note_units(context, p, o.measurement);
  if (!m.noise && (!given || noise_said)) m.noise = p.noise;
  if (!exact) {
    if (!given) m.op = stated(asked.op, o.seed);
    m.data = make_arrays(context, asked, p.image, o.seed, p.notes);
    if (!given) draw_unknowns(context, asked, *m.op, p.image, m.data, p.notes);
    m.image = p.image;
    p.mask = asked.describe_mask();
  }
  require(p.noise.kind != NoiseKind::poisson || p.description().shows() != Shows::frequencies, "task ",
          p.task, ": complex frequencies are no photon counts: Poisson noise makes no sense of them");

  const auto make = [&] { return make_operator(context, p.description(), m.data); };
  p.op = exact ? with_where(o.measurement, make) : make();
  const Shape measured = p.op->output_shape(p.image);
  // A compat run keeps its noise on what was not measured, also when its measurement is read again.
  const bool noise_everywhere = p.noise.compat && (exact || !given);
  if (given) {
    require(measured == m.y.shape(), o.measurement, ": of shape ", m.y.shape(),
            "; the task's measurement of such an image is ", measured);
    if (!noise_everywhere) p.op->discard_unmeasured(m.y);
  } else {
    m.y = add_noise(context, p.noise, p.op->forward(context.upload(p.image, p.original->data)), *p.op);
  }
  p.observed = count_observed(context, *p.op, m.y);
  require(p.observed > 0, "task ", p.task, ": none of the measurement's ", m.y.shape().size(),
          " values is observed");
  p.noisy = noise_everywhere ? m.y.shape().size() : p.observed;
  if (p.noise.kind == NoiseKind::gaussian && m.noise)
    p.expected_misfit = p.noise.sigma * std::sqrt(double(p.noisy));
  p.views = view_measurement(context, *p.op, m);
  p.padded = p.image;
  return p;
}

void suit(Context& context, Problem& p, const Options& o, const Prior& prior) {
  require_channels(p, o, prior.channels());
  const int stride = prior.stride();
  p.padded = {1, p.image.C, round_up(p.image.H, stride), round_up(p.image.W, stride)};
  if (p.padded != p.image) p.op = on_crop(context, p.image.H, p.image.W, std::move(p.op));
}

std::string summary(const Problem& p) {
  std::string settings;
  const Settings& s = p.description().settings;
  for (const Setting& row : s.rows())
    if (s.stated(row.name))
      settings += message(settings.empty() ? " (" : ", ", row.name, " ", to_text(*s.value(row.name)));
  if (!settings.empty()) settings += ")";
  std::string noise = message("noise ", name_of(p.noise.kind));
  if (p.noise.kind == NoiseKind::gaussian) noise += fmt::format(" of sigma {:.4g}", p.noise.sigma);
  if (p.noise.kind == NoiseKind::poisson) noise += fmt::format(" of rate {:.4g}", p.noise.rate);
  if (!p.measurement.noise) noise += " (a guess: nothing says it)";
  return fmt::format("{}{} of {} x {} pixels, {} channels; {}; {} of {} values observed", p.task, settings,
                     p.image.W, p.image.H, p.image.C, noise, p.observed, p.y().shape().size());
}

}  // namespace tweedie

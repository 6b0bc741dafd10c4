#include <algorithm>
#include <cmath>
#include <filesystem>

#include "layers/inception.hpp"
#include "layers/lpips.hpp"
#include "tools/image.hpp"
#include "tools/metrics/resize.hpp"
#include "tools/verify/metrics.hpp"
#include "weights/metric_networks.hpp"
#include "weights/random_source.hpp"

namespace tweedie::verify {
namespace {

using metrics::Planes;

// ---- LPIPS ----------------------------------------------------------------------------------------------

Tensor levels(Context& context, const ArrayFile& file, const std::string& name) {
  const Extents e = file.extents(name);
  require(e.size() == 3 && e[0] == 3 && e[1] < (1 << 15) && e[2] < (1 << 15), file.path(), ": ", name,
          " has shape ", to_string(e), ", expected an RGB image");
  std::vector<float> values;
  for (const double level : file.doubles(name)) values.push_back(float(level / 127.5 - 1));
  return context.upload({1, 3, int(e[1]), int(e[2])}, values);
}

Lpips filled_lpips(Context& context, FilledSource& filled, const LpipsVariant& variant,
                   TensorSource* linear) {
  return Lpips(context, WeightScope(filled), WeightScope(linear ? *linear : filled), variant);
}

// vgg's maxima nearly tie at places, where a float32 run may choose the other pixel: then the patch behind
// moves.
void check_gradient(std::vector<Check>& checks, const std::string& name, const std::vector<float>& ours,
                    const std::vector<float>& theirs, Trunk trunk) {
  checks.push_back(compare<float>(name, ours, theirs, trunk == Trunk::vgg ? 1e-2 : 1e-4));
  if (trunk != Trunk::vgg) return;
  double squares = 0, off = 0;
  for (const float value : theirs) squares += double(value) * value;
  const double rms = std::sqrt(squares / double(theirs.size()));
  for (std::size_t i = 0; i < theirs.size(); ++i) off += std::abs(ours[i] - theirs[i]) > 1e-4 * rms;
  checks.push_back(near(name + ": share of elements off", off / double(theirs.size()), 0, 0.1));
}

void check_features(std::vector<Check>& checks, Context& context, const ArrayFile& file,
                    const std::string& group, const std::vector<Tensor>& taps) {
  std::vector<double> rms, mean;
  for (const Tensor& tap : taps) {
    double sum = 0, squares = 0;
    const std::vector<float> values = context.download(tap);
    for (const float value : values) {
      sum += value;
      squares += double(value) * value;
    }
    rms.push_back(std::sqrt(squares / double(values.size())));
    mean.push_back(sum / double(values.size()));
  }
  checks.push_back(each_close(group + "feature_rms", rms, file.doubles(group + "feature_rms"), 1e-5));
  checks.push_back(each_close(group + "feature_mean", mean, file.doubles(group + "feature_mean"), 1e-5));
}

std::vector<double> first_of(const std::vector<std::vector<double>>& layers) {
  std::vector<double> values;
  for (const std::vector<double>& layer : layers) values.push_back(layer.at(0));
  return values;
}

double sum_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

// A total is held to 1e-5, a layer, which the others do not average, to 5e-5: float32 runs of the package are
// within 5e-7 and 6e-6 of its double run.
void check_trunk(std::vector<Check>& checks, Context& context, const ArrayFile& file, Trunk trunk) {
  FilledSource filled;
  const std::unique_ptr<TensorSource> published = published_linear_source(name(trunk));
  const Lpips own = filled_lpips(context, filled, {trunk}, nullptr);
  const Lpips with_published = filled_lpips(context, filled, {trunk}, published.get());
  const Lpips torchmetrics =
      filled_lpips(context, filled, {trunk, TrunkPooling::maximum, {0, 1e-8f}}, nullptr);
  for (const std::string& pair : file.names()) {
    const std::string group = pair + "/" + name(trunk) + "/";
    const Tensor a = levels(context, file, pair + "/a"), b = levels(context, file, pair + "/b");
    const auto check = [&](const std::string& suffix, const Lpips& lpips, Lpips::Saved* saved) {
      const std::vector<double> layers = first_of(lpips.layers(a, b, saved));
      if (file.has(group + "layers" + suffix))
        checks.push_back(
            each_close(group + "layers" + suffix, layers, file.doubles(group + "layers" + suffix), 5e-5));
      checks.push_back(close(group + "total" + suffix, sum_of(layers),
                             file.doubles(group + "total" + suffix).at(0), 1e-5));
    };
    Lpips::Saved saved;
    check("", own, &saved);
    check("_published_lin", with_published, nullptr);
    check("_torchmetrics", torchmetrics, nullptr);
    if (file.has(group + "grad_a"))
      check_gradient(checks, group + "grad_a", context.download(own.backward(std::vector{1.0}, saved)),
                     file.floats(group + "grad_a"), trunk);
    if (file.has(group + "feature_rms")) check_features(checks, context, file, group, saved.a);
  }
}

// ---- Inception ------------------------------------------------------------------------------------------

/// The part of (height, width) at the upper left (top, left), which may lie outside: mirrored there.
Planes mirrored_part(const Planes& x, int top, int left, int height, int width) {
  Planes y{x.channels, height, width, {}};
  for (int c = 0; c < x.channels; ++c)
    for (int h = 0; h < height; ++h)
      for (int w = 0; w < width; ++w)
        y.data.push_back(x.data[std::size_t(c) * x.plane() +
                                std::size_t(reflect_index(top + h, x.height)) * std::size_t(x.width) +
                                std::size_t(reflect_index(left + w, x.width))]);
  return y;
}

/// What is compared of one forward pass.
struct Seen {
  std::vector<float> features, mean_64, mean_192, mean_768, corner_64, corner_192, corner_768, logits,
      unbiased;
};

void look(Context& context, std::vector<float>& mean, std::vector<float>& corner, const Tensor& tap,
          int channels) {
  const Shape& s = tap.shape();
  const std::vector<float> values = context.download(tap);
  for (int c = 0; c < channels; ++c) {
    double sum = 0;
    for (int i = 0; i < s.plane(); ++i) sum += values[std::size_t(c * s.plane() + i)];
    mean.push_back(float(sum / double(s.plane())));
  }
  if (corner.empty())  // of the first photograph
    for (int i = 0; i < 8 * 36; ++i)
      corner.push_back(values[std::size_t((i / 36) * s.plane() + (i / 6 % 6) * s.W + i % 6)]);
}

void run(Context& context, const Inception& inception, const std::vector<float>& input, Seen& seen) {
  const Tensor x = context.upload({1, 3, Inception::side, Inception::side}, input);
  Inception::Taps taps;
  const Tensor pooled = inception.forward(x, &taps);
  const auto append = [&](std::vector<float>& to, const Tensor& from) {
    const std::vector<float> values = context.download(from);
    to.insert(to.end(), values.begin(), values.end());
  };
  append(seen.features, pooled);
  append(seen.logits, inception.logits(pooled, true));
  append(seen.unbiased, inception.logits(pooled, false));
  look(context, seen.mean_64, seen.corner_64, taps.after_64, 64);
  look(context, seen.mean_192, seen.corner_192, taps.after_192, 192);
  look(context, seen.mean_768, seen.corner_768, taps.after_768, 768);
}

Seen look_at(Context& context, const Inception& inception, const std::vector<Planes>& photographs,
             std::size_t count, const std::string& input) {
  require(count <= photographs.size(), "features of ", count, " photographs, ", photographs.size(),
          " are named");
  Seen seen;
  for (std::size_t k = 0; k < count; ++k) {
    Planes x = photographs[k];
    if (input == "reflect299") x = mirrored_part(x, -21, -21, Inception::side, Inception::side);
    const bool mirrored = input == "reflect299";  // then there is nothing left to resize
    run(context, inception, metrics::prepared(x, metrics::inception_input(mirrored ? "pytorch" : input)),
        seen);
  }
  return seen;
}

void check_group(std::vector<Check>& checks, const ArrayFile& file, const std::string& group,
                 const Seen& seen) {
  const std::pair<const char*, const std::vector<float>*> arrays[] = {
      {"features", &seen.features},       {"2048", &seen.features},
      {"mean_64", &seen.mean_64},         {"64", &seen.mean_64},
      {"mean_192", &seen.mean_192},       {"192", &seen.mean_192},
      {"mean_768", &seen.mean_768},       {"768", &seen.mean_768},
      {"corner_64", &seen.corner_64},     {"corner_192", &seen.corner_192},
      {"corner_768", &seen.corner_768},   {"logits", &seen.logits},
      {"logits_unbiased", &seen.unbiased}};
  for (const auto& [array, ours] : arrays) {
    const std::string name = group + "/" + array;
    if (file.has(name)) checks.push_back(compare<float>(name, *ours, file.floats(name), 1e-5));
  }
}

struct RecordedResizer {
  const char* name;
  metrics::Resizer resizer;
};
constexpr RecordedResizer resizers[] = {
    {"pytorch_fid", metrics::Resizer::bilinear},
    {"torch_fidelity_tf1", metrics::Resizer::bilinear_tf1},
    {"torchmetrics_antialias", metrics::Resizer::bilinear_antialiased},
    {"clean_fid_clean", metrics::Resizer::bicubic_pil},
    {"clean_fid_legacy_pytorch", metrics::Resizer::bilinear},
};

// In levels of 255. The tools compute coordinates in float32, which moves them by 2e-3 at most.
void check_resizers(std::vector<Check>& checks, const ArrayFile& file, const std::string& group,
                    const Planes& x) {
  for (const RecordedResizer& r : resizers) {
    const std::string name = group + "/" + r.name, whole = name + "_green", third = name + "_green_every3rd";
    if (!file.has(whole) && !file.has(third)) continue;
    const Planes y = metrics::resized(x, Inception::side, Inception::side, r.resizer);
    std::vector<double> green, mean, rms;
    const int step = file.has(whole) ? 1 : 3;
    for (int h = 0; h < y.height; h += step)
      for (int w = 0; w < y.width; w += step)
        green.push_back(255 * y.data[y.plane() + std::size_t(h * y.width + w)]);
    for (std::size_t c = 0; c < 3; ++c) {
      double sum = 0, squares = 0;
      for (std::size_t i = 0; i < y.plane(); ++i) {
        const double level = 255 * y.data[c * y.plane() + i];
        sum += level;
        squares += level * level;
      }
      mean.push_back(sum / double(y.plane()));
      rms.push_back(std::sqrt(squares / double(y.plane())));
    }
    const std::string compared = file.has(whole) ? whole : third;
    checks.push_back(near(compared, green, file.doubles(compared), 5e-3));
    checks.push_back(near(name + "_channel_mean", mean, file.doubles(name + "_channel_mean"), 1e-3));
    if (file.has(name + "_channel_rms"))
      checks.push_back(near(name + "_channel_rms", rms, file.doubles(name + "_channel_rms"), 1e-3));
  }
}

std::vector<Planes> photographs_of(const Setup& setup, const ArrayFile& file) {
  std::filesystem::path folder = setup.images;
  if (folder.empty()) folder = std::filesystem::path(file.path()).parent_path() / ".." / "images";
  std::vector<Planes> photographs;
  for (const nlohmann::json& image : file.json_attribute("images"))
    photographs.push_back(
        metrics::planes_of(read_image((folder / (image.get<std::string>() + ".png")).string())));
  return photographs;
}

}  // namespace

std::vector<Check> check_lpips(const Setup& setup, const ArrayFile& file) {
  std::vector<Check> checks;
  for (const Trunk trunk : {Trunk::alex, Trunk::vgg, Trunk::squeeze})
    check_trunk(checks, setup.context, file, trunk);
  FilledSource filled;
  for (const auto& [dataset, pooling] :
       {std::pair{"total_maxpool", TrunkPooling::maximum}, {"total_avgpool", TrunkPooling::average}}) {
    const Lpips lpips = filled_lpips(setup.context, filled, {Trunk::vgg, pooling, {}}, nullptr);
    for (const std::string& pair : file.names()) {
      const std::string name = pair + "/piq/" + dataset;
      const Tensor a = levels(setup.context, file, pair + "/a"), b = levels(setup.context, file, pair + "/b");
      checks.push_back(close(name, lpips.forward(a, b).at(0), file.doubles(name).at(0), 1e-5));
    }
  }
  return checks;
}

std::vector<Check> check_inception(const Setup& setup, const ArrayFile& file) {
  std::vector<Check> checks;
  const std::vector<Planes> photographs = photographs_of(setup, file);
  require(!photographs.empty(), file.path(), ": names no images");
  FilledSource filled;
  const Inception inception(setup.context, WeightScope(filled));
  const std::pair<const char*, const char*> groups[] = {{"own_resize", "pytorch"},
                                                        {"reflect299", "reflect299"},
                                                        {"torch_fidelity", "fidelity"},
                                                        {"clean_fid", "clean"}};
  for (const auto& [group, input] : groups) {
    const std::string pooled =
        std::string(group) + (std::string(input) == "fidelity" ? "/2048" : "/features");
    if (!file.has(pooled)) continue;
    const auto count = std::size_t(file.extents(pooled).at(0));
    check_group(checks, file, group, look_at(setup.context, inception, photographs, count, input));
  }
  check_resizers(checks, file, "resize", photographs[0]);
  check_resizers(checks, file, "resize/from_75x100", mirrored_part(photographs[0], 0, 0, 75, 100));
  check_resizers(checks, file, "resize/from_320x420", mirrored_part(photographs[0], 0, 0, 320, 420));
  return checks;
}

}  // namespace tweedie::verify

// What a blind run found besides the image: how near the truth it is, and how it looks.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "operators/kernel_scales.hpp"
#include "tools/metrics.hpp"
#include "tools/metrics/kernel_match.hpp"
#include "tools/restore/blind.hpp"
#include "tools/restore/views.hpp"
#include "tools/say.hpp"
#include "weights/hdf5_writer.hpp"

namespace tweedie {
namespace {

using metrics::Matrix;

std::optional<Image> truth_of(Context& context, const Problem& p, const std::string& unknown) {
  const Tensor x = p.measurement.data.at(unknown);
  if (!x) return {};
  const Shape s = x.shape();
  return Image{s.C, s.H, s.W, context.download(x)};
}

Matrix matrix(const Image& x) {
  Matrix m(x.height, x.width);
  m.data.assign(x.data.begin(), x.data.end());
  return m;
}

/// The root of the second central moment along an axis, the mean of both axes' squares, in pixels.
double width_of(const Image& kernel) { return kernel_width(kernel.data, kernel.height, kernel.width); }

/// PSNR where both overlap, of an image that has moved down and to the right.
double psnr_moved_back(const Image& found, const Image& truth, int down, int right) {
  const int height = truth.height - std::abs(down), width = truth.width - std::abs(right);
  if (height < 1 || width < 1) return 0;
  return psnr(crop(found, std::max(down, 0), std::max(right, 0), height, width),
              crop(truth, std::max(-down, 0), std::max(-right, 0), height, width));
}

Json describe_kernel(const Image& found, const std::optional<Image>& truth, const Problem& p,
                     const Run& run) {
  Json json{{"width", width_of(found)}};
  if (!truth) return json;
  json["true_width"] = width_of(*truth);
  const metrics::KernelMatch match = metrics::match(matrix(*truth), matrix(found));
  json["mnc"] = match.mnc;
  // Kernel and image are found up to a shift of one against the other.
  json["shift"] = {{"down", match.rows}, {"right", match.columns}};
  if (truth->height == found.height && truth->width == found.width) {
    json["mse_sum1"] = metrics::mse_of_unit_sum(matrix(*truth), matrix(found));
    json["mse_max1"] = metrics::mse_of_unit_maximum(matrix(*truth), matrix(found));
  }
  if (p.original && (match.rows || match.columns))
    json["psnr_shift_undone_db"] = psnr_moved_back(run.restored, *p.original, match.rows, match.columns);
  return json;
}

Json describe_field(const Image& found, const std::optional<Image>& truth) {
  const auto rms = [](const std::vector<float>& a, const std::vector<float>* b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(double(a[i]) - (b ? (*b)[i] : 0), 2);
    return std::sqrt(sum / double(a.size()));
  };
  Json json{{"rms", rms(found.data, nullptr)}};
  if (!truth || truth->data.size() != found.data.size()) return json;
  json["true_rms"] = rms(truth->data, nullptr);
  json["rms_difference"] = rms(found.data, &truth->data);
  return json;
}

bool is_kernel(const std::string& unknown) { return unknown == "kernel"; }

/// A kernel: black is 0, white its largest pixel. A field: one channel beside the other, gray is 0, black and
/// white the largest displacement of either sign.
Image seen(const std::string& unknown, const Image& x, double largest) {
  std::vector<Image> channels;
  for (int c = 0; c < x.channels; ++c) {
    Image plane{1, x.height, x.width, {}};
    for (int i = 0; i < x.height * x.width; ++i) {
      const double v = x.data[std::size_t(c) * x.plane() + std::size_t(i)] / largest;
      plane.data.push_back(float(std::clamp(is_kernel(unknown) ? 2 * v - 1 : v, -1.0, 1.0)));
    }
    const int times = std::max(1, 256 / std::max(x.height, x.width));
    channels.push_back(resized(plane, x.height * times, x.width * times));
  }
  return contact_sheet(channels, x.channels);
}

double largest_of(const Image& x) {
  double largest = 1e-12;
  for (const float v : x.data) largest = std::max(largest, std::abs(double(v)));
  return largest;
}

std::string picture_name(const std::string& unknown) { return unknown + ".png"; }
std::string comparison_name(const std::string& unknown) { return unknown + "_comparison.png"; }
constexpr const char* numbers_name = "unknowns.h5";

}  // namespace

Json describe_unknowns(Context& context, const Problem& p, const Run& run) {
  Json json = Json::object();
  for (const auto& [unknown, found] : run.unknowns) {
    const std::optional<Image> truth = truth_of(context, p, unknown);
    json[unknown] = is_kernel(unknown) ? describe_kernel(found, truth, p, run) : describe_field(found, truth);
  }
  return json;
}

std::vector<std::string> unknown_files(const OperatorKind& kind) {
  std::vector<std::string> names;
  if (!kind.blind) return names;
  for (const char* unknown : kind.blind->unknowns) {
    names.push_back(picture_name(unknown));
    names.push_back(comparison_name(unknown));
  }
  names.push_back(numbers_name);
  return names;
}

void write_unknowns(Context& context, ResultFolder& folder, const Problem& p, const Solution& solution) {
  for (const auto& [unknown, found] : solution.samples[0].best.unknowns) {
    const Image picture = seen(unknown, found, largest_of(found));
    if (const auto path = folder.place(picture_name(unknown))) write_png(*path, picture);
    const std::optional<Image> truth = truth_of(context, p, unknown);
    if (!truth) continue;
    // Kernels to the scale of each one's maximum, fields to that of the truth.
    const Image true_picture = seen(unknown, *truth, largest_of(*truth)),
                found_picture = is_kernel(unknown) ? picture : seen(unknown, found, largest_of(*truth));
    if (true_picture.height != found_picture.height || true_picture.width != found_picture.width) continue;
    if (const auto path = folder.place(comparison_name(unknown)))
      write_png(*path, contact_sheet({true_picture, found_picture}, 2));
  }
  const auto path = folder.place(numbers_name);
  if (!path) return;
  Hdf5Writer file(*path);
  for (std::size_t i = 0; i < solution.samples.size(); ++i)
    for (const auto& [unknown, x] : solution.samples[i].best.unknowns)
      file.array(i == 0 ? unknown : message(unknown, "_", i + 1), {1, x.channels, x.height, x.width}, x.data);
  file.commit();
}

void print_unknowns(Context& context, const Problem& p, const Solution& solution) {
  for (std::size_t i = 0; i < solution.samples.size(); ++i) {
    const Json all = describe_unknowns(context, p, solution.samples[i].best);
    const std::string which = solution.samples.size() > 1 ? message("sample ", i + 1, ", ") : "";
    for (const auto& [unknown, json] : all.items()) {
      if (json.contains("mnc"))
        say(stdout,
            fmt::format("{}{}: MNC {:.3f}, width {:.2f} of {:.2f} pixels, shifted by {} down, {} right{}\n",
                        which, unknown, json["mnc"].get<double>(), json["width"].get<double>(),
                        json["true_width"].get<double>(), json["shift"]["down"].get<int>(),
                        json["shift"]["right"].get<int>(),
                        json.contains("psnr_shift_undone_db")
                            ? fmt::format("; PSNR {:.2f} dB with the shift undone",
                                          json["psnr_shift_undone_db"].get<double>())
                            : ""));
      else if (json.contains("rms_difference"))
        say(stdout, fmt::format("{}{}: {:.3f} pixels of {:.3f} missed\n", which, unknown,
                                json["rms_difference"].get<double>(), json["true_rms"].get<double>()));
      else if (json.contains("width"))
        say(stdout, fmt::format("{}{}: width {:.2f} pixels\n", which, unknown, json["width"].get<double>()));
    }
  }
}

}  // namespace tweedie

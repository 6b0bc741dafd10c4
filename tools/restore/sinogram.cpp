#include "tools/restore/sinogram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"

namespace tweedie {
namespace {

void transpose(Array& array) {
  const auto planes = std::size_t(array.shape[0]), rows = std::size_t(array.shape[1]),
             columns = std::size_t(array.shape[2]);
  std::vector<float> values(array.values.size());
  for (std::size_t p = 0; p < planes; ++p)
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < columns; ++c)
        values[(p * columns + c) * rows + r] = array.values[(p * rows + r) * columns + c];
  array.values = std::move(values);
  std::swap(array.shape[1], array.shape[2]);
}

/// States how many there are, or holds what was stated to it.
void state_count(Settings& settings, const char* name, std::int64_t count, std::int64_t other,
                 const std::string& path) {
  if (!settings.stated(name)) settings.set(name, count);
  const int stated = settings.integer(name);
  require(stated == count, path, ": a sinogram of ", count, " ", name, "; stated are ", stated,
          stated == other ? "; if the file is (detectors, angles), say --transposed" : "");
}

void take_logarithm(Array& array, double intensity, std::vector<std::string>& notes) {
  float least = 0;
  std::size_t nothing = 0, above = 0;
  for (const float v : array.values) {
    if (v > 0 && (least == 0 || v < least)) least = v;
    nothing += v <= 0;
    above += v > intensity;
  }
  require(least > 0, array.name, ": no intensity is above 0");
  for (float& v : array.values) v = float(-std::log(std::max(v, least) / intensity));
  if (nothing > 0)
    notes.push_back(message(array.name, ": ", nothing, " of ", array.values.size(),
                            " intensities are 0 or less; they are taken as ", least,
                            ", the smallest of the others"));
  if (above > array.values.size() / 2)
    notes.push_back(message(array.name, ": ", above, " of ", array.values.size(), " intensities are above ",
                            intensity, ", which --intensity says is seen with nothing in the way"));
}

/// Standard deviation of the sums along one axis of all planes, relative to their mean.
double variation(const Array& array, bool of_rows) {
  const auto rows = std::size_t(array.shape[1]), columns = std::size_t(array.shape[2]);
  std::vector<double> sums(of_rows ? rows : columns, 0.0);
  for (std::size_t i = 0; i < array.values.size(); ++i)
    sums[of_rows ? i / columns % rows : i % columns] += array.values[i];
  double mean = 0, square = 0;
  for (const double sum : sums) mean += sum / double(sums.size());
  for (const double sum : sums) square += (sum - mean) * (sum - mean) / double(sums.size());
  return mean == 0 ? 0 : std::sqrt(square) / std::abs(mean);
}

/// All views of an object that no ray misses have the same sum.
void note_orientation(const Array& array, std::vector<std::string>& notes) {
  const double views = variation(array, true), detectors = variation(array, false);
  if (views > 0.1 && detectors < views / 4)
    notes.push_back(
        fmt::format("{}: sums of rows vary by {:.2g} %, of columns by {:.2g} %, which is how a "
                    "sinogram looks that is (detectors, angles); if it is, say --transposed",
                    array.name, 100 * views, 100 * detectors));
}

/// Beyond the object the line integrals are 0, but intensities are largest.
void note_intensities(const Array& array, std::vector<std::string>& notes) {
  const auto columns = std::size_t(array.shape[2]), margin = std::max<std::size_t>(1, columns / 50);
  double all = 0, outside = 0, count = 0;
  for (std::size_t i = 0; i < array.values.size(); ++i) {
    all += array.values[i] / double(array.values.size());
    const std::size_t column = i % columns;
    if (column >= margin && column + margin < columns) continue;
    outside += array.values[i];
    count += 1;
  }
  if (all < 0)
    notes.push_back(
        fmt::format("{}: its mean is {:.4g}; line integrals of what absorbs are positive", array.name, all));
  if (outside / count > 1.05 * all && all > 0)
    notes.push_back(
        fmt::format("{}: the outermost detectors have a mean of {:.4g}, all have {:.4g}: are these "
                    "intensities? Then say --intensity I0, and their logarithm is taken",
                    array.name, outside / count, all));
}

std::string range_of(const Settings& s) {
  const double first = s.number("first"), span = s.number("span");
  return fmt::format("{:g} to {:g} degrees", first, first + span);
}

}  // namespace

void read_sinogram(Array& array, OperatorDescription& op, const Settings& reading,
                   std::vector<std::string>& notes) {
  if (reading.flag("transposed")) transpose(array);
  state_count(op.settings, "angles", array.shape[1], array.shape[2], array.name);
  state_count(op.settings, "detectors", array.shape[2], array.shape[1], array.name);
  if (reading.stated("intensity"))
    take_logarithm(array, reading.number("intensity"), notes);
  else
    note_intensities(array, notes);
  if (!reading.flag("transposed")) note_orientation(array, notes);
}

void take_sinogram(Context& context, Measurement& m, const std::string& path,
                   std::vector<std::string>& notes) {
  const Shape s = m.y.shape();
  m.op->settings.state_defaults();
  m.image = {1, s.C, s.W, s.W};
  const auto op = make_operator(context, *m.op, m.data);
  std::vector<float> seen = context.download(m.op->kind->first_look(*op, m.y, m.image));
  const auto nearly_largest = seen.end() - 1 - std::ptrdiff_t(seen.size() / 1000);
  std::nth_element(seen.begin(), nearly_largest, seen.end());
  const float white = *nearly_largest;
  require(white > 0, path,
          ": filtered backprojection is nowhere positive: is it a sinogram, (angles, detectors)?");
  Tensor ones = context.planar(m.image), y = context.planar(s);
  fill(context.queue, ones, 1.f);
  axpby(context.queue, y, 2 / white, m.y, -1.f, op->forward(ones));
  m.y = std::move(y);
  notes.push_back(fmt::format(
      "{}: a sinogram of {} angles, {}, and {} detectors; black stands for 0 and white for {:.6g} in the "
      "file's units, on an image whose side has length 1",
      path, s.H, m.data.at("directions") ? "as stated" : range_of(m.op->settings), s.W, white));
}

}  // namespace tweedie

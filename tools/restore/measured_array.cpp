#include "tools/restore/measured_array.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "operators/measurement_file.hpp"
#include "tools/restore/sinogram.hpp"
#include "weights/hdf5_read.hpp"

namespace tweedie {
namespace {

/// The array as one sample, (channels, height, width).
Array read_sample(const std::string& path, std::vector<std::string>& notes) {
  Array array = is_png_file(path) ? read_png_array(path, &notes) : read_array(path, "", &notes);
  Extents e = array.shape;
  while (e.size() > 3 && e[0] == 1) e.erase(e.begin());
  if (e.size() == 2) e.insert(e.begin(), 1);
  require(e.size() == 3, array.name, ": an array of shape ", to_string(array.shape),
          ", expected a measurement: (height, width) or (channels, height, width)");
  for (const std::int64_t side : e)
    require(side > 0 && side < 1 << 20, array.name, ": an array of shape ", to_string(array.shape));
  require(e[0] == 1 || e[0] == 3, array.name, ": an array of shape ", to_string(array.shape),
          ", expected 1 or 3 channels");
  for (const float v : array.values) require(std::isfinite(v), array.name, ": holds ", v);
  require(std::any_of(array.values.begin(), array.values.end(), [](float v) { return v != 0; }), array.name,
          ": is 0 everywhere, expected a measurement");
  array.shape = e;
  return array;
}

Tensor upload(Context& context, const Array& array) {
  return context.upload({1, int(array.shape[0]), int(array.shape[1]), int(array.shape[2])}, array.values);
}

void take_magnitudes(Context& context, Measurement& m, const std::string& path,
                     std::vector<std::string>& notes) {
  const Shape s = m.y.shape();
  m.op->settings.state_defaults();
  m.image = m.op->image_shape(s);
  require(m.image.H > 0 && m.image.W > 0, path, ": no image has magnitudes of ", s.W, " x ", s.H,
          " pixels with oversample ", m.op->settings.number("oversample"),
          "; say with --oversample how much of a side was added (1/8 of it at each end for 1)");
  const std::vector<float> values = context.download(m.y);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  require(*low >= 0, path, ": holds ", *low, "; magnitudes are not negative");
  if (high == values.begin() && *high > 0)
    notes.push_back(message(path,
                            ": the largest magnitude is in the corner; frequency 0 is expected in the middle "
                            "(numpy.fft.fftshift)"));
  // By Parseval, magnitudes have the picture's own sum of squares.
  double energy = 0;
  for (const float v : values) energy += double(v) * v;
  const double brighter = energy / double(m.image.size());
  if (brighter > 2)
    notes.push_back(
        fmt::format("{}: magnitudes of a picture whose mean square is {:.3g} times that of white; "
                    "expected are those of values up to 1, by an orthonormal transform "
                    "(norm=\"ortho\")",
                    path, brighter));
}

/// Nobody measures less than 7 degrees with many directions; 2 pi is where radians end.
void note_radians(const Asked& asked, std::vector<std::string>& notes) {
  for (const auto& [name, list] : asked.lists) {
    const auto [low, high] = std::minmax_element(list.begin(), list.end());
    if (list.size() > 2 && *high - *low > 1 && *low > -6.3f && *high < 6.3f)
      notes.push_back(fmt::format(
          "angles lie between {:.3g} and {:.3g}: are they radians? Expected are degrees", *low, *high));
  }
}

}  // namespace

bool is_measured_array(const Options& o) {
  const OperatorDescription& op = o.asked->op;
  const Shows shows = op.shows();
  if ((shows != Shows::magnitudes && shows != Shows::sinogram) || op.leaves().size() != 1) return false;
  const bool picture = shows == Shows::sinogram && is_png_file(o.measurement);
  return (picture || is_array_file(o.measurement)) && !is_measurement(o.measurement);
}

bool is_described(const Options& o) {
  if (o.measurement.empty() || is_measured_array(o)) return false;
  const ForeignRow* row = o.asked->op.kind->files;
  return holds_hdf5(o.measurement) || (row && row->holds(o.measurement));
}

Measurement read_measured_array(Context& context, const std::string& path, const Asked& asked,
                                std::vector<std::string>& notes) {
  Array array = read_sample(path, notes);
  Measurement m;
  m.op = asked.op;
  asked.add_lists(context, m.data);
  note_radians(asked, notes);
  if (m.op->shows() == Shows::sinogram) {
    read_sinogram(array, *m.op, asked.read_by, notes);
    m.y = upload(context, array);
    take_sinogram(context, m, path, notes);
  } else {
    m.y = upload(context, array);
    take_magnitudes(context, m, path, notes);
  }
  return m;
}

}  // namespace tweedie

#include "tools/restore/measured_array.hpp"

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
  for (const float v : array.values) require(std::isfinite(v), array.name, ": holds ", v);
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

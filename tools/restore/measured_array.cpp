#include "tools/restore/measured_array.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "operators/measurement_file.hpp"
#include "tools/arrays.hpp"
#include "weights/hdf5_read.hpp"

namespace tweedie {
namespace {

/// The array as one sample, planar.
Tensor read_sample(Context& context, const std::string& path) {
  const Array array = read_array(path);
  Extents e = array.shape;
  while (e.size() > 3 && e[0] == 1) e.erase(e.begin());
  if (e.size() == 2) e.insert(e.begin(), 1);
  require(e.size() == 3, array.name, ": an array of shape ", to_string(array.shape),
          ", expected a measurement: (height, width) or (channels, height, width)");
  for (const std::int64_t side : e)
    require(side > 0 && side < 1 << 20, array.name, ": an array of shape ", to_string(array.shape));
  for (const float v : array.values) require(std::isfinite(v), array.name, ": holds ", v);
  return context.upload({1, int(e[0]), int(e[1]), int(e[2])}, array.values);
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

/// States how many there are, or holds what was stated to it.
void state_count(Settings& settings, const char* name, int count, const std::string& path) {
  if (!settings.stated(name)) settings.set(name, std::int64_t(count));
  require(settings.integer(name) == count, path, ": a sinogram of ", count, " ", name, "; stated are ",
          settings.integer(name));
}

void take_sinogram(Context& context, Measurement& m, const std::string& path,
                   std::vector<std::string>& notes) {
  const Shape s = m.y.shape();
  state_count(m.op->settings, "angles", s.H, path);
  state_count(m.op->settings, "detectors", s.W, path);
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
  notes.push_back(message(path, ": black stands for 0 and white for ", white,
                          " in the file's units, on an image whose side has length 1"));
}

}  // namespace

bool is_measured_array(const Options& o) {
  const OperatorDescription& op = o.asked->op;
  const Shows shows = op.shows();
  return (shows == Shows::magnitudes || shows == Shows::sinogram) && op.leaves().size() == 1 &&
         is_array_file(o.measurement) && !is_measurement(o.measurement);
}

bool is_described(const Options& o) {
  if (o.measurement.empty() || is_measured_array(o)) return false;
  const ForeignRow* row = o.asked->op.kind->files;
  return holds_hdf5(o.measurement) || (row && row->holds(o.measurement));
}

Measurement read_measured_array(Context& context, const std::string& path, OperatorDescription op,
                                std::vector<std::string>& notes) {
  Measurement m;
  m.y = read_sample(context, path);
  m.op = std::move(op);
  if (m.op->shows() == Shows::sinogram)
    take_sinogram(context, m, path, notes);
  else
    take_magnitudes(context, m, path, notes);
  return m;
}

}  // namespace tweedie

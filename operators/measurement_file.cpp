#include "operators/measurement_file.hpp"

#include <algorithm>
#include <cmath>

#include "weights/array_file.hpp"
#include "weights/hdf5_read.hpp"
#include "weights/hdf5_writer.hpp"
#include "weights/with_where.hpp"

namespace tweedie {
namespace {

Tensor read(Context& context, const ArrayFile& file, const std::string& name) {
  const Extents e = file.extents(name);
  require(e.size() == 4, file.path(), ": ", name, " has shape ", to_string(e), ", expected four dimensions");
  for (const std::int64_t side : e)
    require(side > 0 && side < 1 << 20, file.path(), ": ", name, " has shape ", to_string(e));
  const std::vector<float> values = file.floats(name);
  for (const float v : values) require(std::isfinite(v), file.path(), ": ", name, " holds ", v);
  return context.upload({int(e[0]), int(e[1]), int(e[2]), int(e[3])}, values);
}

Shape read_image_shape(const ArrayFile& file) {
  const nlohmann::json image = file.json_attribute("image");
  const auto side = [&](std::size_t i) {
    return image.is_array() && image.size() == 3 && image[i].is_number_integer() && image[i] > 0 &&
           image[i] < 1 << 20;
  };
  require(side(0) && side(1) && side(2), file.path(), ": attribute 'image' is ", image.dump(),
          ", expected [C, H, W]");
  return {1, image[0].get<int>(), image[1].get<int>(), image[2].get<int>()};
}

void require_mask(const std::string& path, const std::string& name, const std::vector<float>& values,
                  const Shape& mask, const Shape& image) {
  require(mask.N == 1 && (mask.C == 1 || mask.C == image.C), path, ": ", name, " has shape ", mask,
          ", expected one for all channels or one for each");
  for (const float v : values)
    require(v == 0 || v == 1, path, ": ", name, " holds ", v, ", expected zeros and ones");
}

/// A kernel of the sum 0 measures nothing.
void require_kernel(const std::string& path, const std::string& name, const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += v;
  require(sum > 0, path, ": ", name, " has the sum ", sum, ", expected a positive number");
}

/// A picture's measurement that is far outside [-1, 1] is in other units. What noise does is allowed for.
void require_units(const std::string& path, const Measurement& m, const std::vector<float>& values) {
  if (m.op->shows() != Shows::picture) return;
  double room = 8 * 0.05;
  if (m.noise && m.noise->kind == NoiseKind::gaussian) room = 8 * m.noise->sigma;
  if (m.noise && m.noise->kind == NoiseKind::poisson)
    room = std::max(1.0, 8 * std::sqrt(2 / (127.5 * m.noise->rate)) + 8 / (127.5 * m.noise->rate));
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  require(*low >= -3 - room && *high <= 3 + room, path, ": measurement holds values from ", *low, " to ",
          *high, "; those of a picture are in units of [-1, 1] images (2 v / 255 - 1 for bytes v)");
}

}  // namespace

bool is_measurement(const std::string& path) {
  return holds_hdf5(path) && ArrayFile(path).has("measurement");
}

Measurement read_measurement(Context& context, const std::string& path) {
  const ArrayFile file(path);
  require(file.has("measurement") && file.has_attribute("operator") && file.has_attribute("image"), path,
          ": not a measurement: expected a dataset `measurement` and attributes `operator` and `image`");
  Measurement m;
  m.y = read(context, file, "measurement");
  require(m.y.shape().N == 1, path, ": measurement has shape ", m.y.shape(), ", expected one sample");
  const nlohmann::json op = file.json_attribute("operator");
  require(op.is_object() && op.contains("name") && op["name"].is_string(), path, ": attribute 'operator' is ",
          op.dump(), ", expected an operator's settings");
  m.op = with_where(path, [&] { return describe_operator(op); });
  if (file.has_attribute("noise"))
    m.noise = with_where(path, [&] { return parse_noise(file.json_attribute("noise")); });
  m.image = read_image_shape(file);
  for (const OperatorDescription* leaf : m.op->leaves())
    for (const ArrayRow& row : leaf->kind->arrays) {
      if (!file.has(row.name)) continue;
      m.data[row.name] = read(context, file, row.name);
      if (row.form == ArrayRow::Form::mask)
        require_mask(path, row.name, file.floats(row.name), m.data.at(row.name).shape(), m.image);
      if (row.form == ArrayRow::Form::kernel) require_kernel(path, row.name, file.floats(row.name));
    }
  require_units(path, m, context.download(m.y));
  return m;
}

void write_measurement(Context& context, const std::string& path, const Measurement& m) {
  Hdf5Writer file(path);
  const auto write = [&](const std::string& name, const Tensor& x) {
    const Shape s = x.shape();
    file.array(name, {s.N, s.C, s.H, s.W}, context.download(x));
  };
  write("measurement", m.y);
  for (const auto& [name, array] : m.data.arrays)
    if (array) write(name, array);
  file.text("operator", to_json(*m.op).dump());
  if (m.noise) file.text("noise", to_json(*m.noise).dump());
  file.text("image", nlohmann::json({m.image.C, m.image.H, m.image.W}).dump());
  file.commit();
}

}  // namespace tweedie

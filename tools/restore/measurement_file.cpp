#include "tools/restore/measurement_file.hpp"

#include <cmath>
#include <filesystem>

#include "tools/files.hpp"
#include "weights/array_file.hpp"
#include "weights/hdf5_handle.hpp"

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

void write_array(Context& context, hid_t file, const char* name, const Tensor& x,
                 const std::string& failure) {
  if (!x) return;
  const Shape s = x.shape();
  const hsize_t sides[4] = {hsize_t(s.N), hsize_t(s.C), hsize_t(s.H), hsize_t(s.W)};
  const Hdf5Handle space(H5Screate_simple(4, sides, nullptr), H5Sclose, failure);
  const Hdf5Handle plain(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, failure);
  require(H5Pset_obj_track_times(plain, false) >= 0, failure);  // the same numbers are the same bytes
  const Hdf5Handle set(H5Dcreate2(file, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, plain, H5P_DEFAULT),
                       H5Dclose, failure);
  const std::vector<float> values = context.download(x);
  require(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0, failure);
}

void write_text(hid_t file, const char* name, const std::string& text, const std::string& failure) {
  const Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose, failure);
  require(H5Tset_size(type, text.size()) >= 0, failure);
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose, failure);
  const Hdf5Handle attribute(H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                             failure);
  require(H5Awrite(attribute, type, text.data()) >= 0, failure);
}

}  // namespace

bool is_hdf5(const std::string& path) {
  quiet_hdf5();
  std::error_code error;  // such a path leads to no file
  return std::filesystem::is_regular_file(path, error) && H5Fis_hdf5(path.c_str()) > 0;
}

bool is_measurement(const std::string& path) { return ArrayFile(path).has("measurement"); }

Measurement read_measurement(Context& context, const std::string& path) {
  const ArrayFile file(path);
  require(file.has("measurement") && file.has_attribute("operator") && file.has_attribute("image"), path,
          ": not a measurement: expected a dataset `measurement` and attributes `operator` and `image`");
  Measurement m;
  m.y = read(context, file, "measurement");
  require(m.y.shape().N == 1, path, ": measurement has shape ", m.y.shape(), ", expected one sample");
  m.settings = file.json_attribute("operator");
  require(m.settings.is_object() && m.settings.contains("name") && m.settings["name"].is_string(), path,
          ": attribute 'operator' is ", m.settings.dump(), ", expected an operator's settings");
  if (file.has_attribute("noise")) m.noise = parse_noise(file.json_attribute("noise"));
  const nlohmann::json image = file.json_attribute("image");
  require(image.is_array() && image.size() == 3, path, ": attribute 'image' is ", image.dump(),
          ", expected [C, H, W]");
  int sides[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    require(image[i].is_number_integer() && image[i] > 0 && image[i] < 1 << 20, path,
            ": attribute 'image' is ", image.dump(), ", expected [C, H, W]");
    sides[i] = image[i].get<int>();
  }
  m.image = {1, sides[0], sides[1], sides[2]};
  if (file.has("mask")) {
    m.data["mask"] = read(context, file, "mask");
    const Shape mask = m.data["mask"].shape();
    require(mask.N == 1 && (mask.C == 1 || mask.C == m.image.C), path, ": mask has shape ", mask,
            ", expected one for all channels or one for each");
    for (const float v : file.floats("mask"))
      require(v == 0 || v == 1, path, ": mask holds ", v, ", expected zeros and ones");
  }
  if (file.has("kernel")) m.data["kernel"] = read(context, file, "kernel");
  if (file.has("sensitivity")) m.data["sensitivity"] = read(context, file, "sensitivity");
  return m;
}

void write_measurement(Context& context, const std::string& path, const Measurement& m) {
  quiet_hdf5();
  const std::string failure = path + ": cannot be written";
  StagedFile staged(path);
  Hdf5Handle file(H5Fcreate(staged.path().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose,
                  failure);
  write_array(context, file, "measurement", m.y, failure);
  write_array(context, file, "mask", m.data.at("mask"), failure);
  write_array(context, file, "kernel", m.data.at("kernel"), failure);
  write_array(context, file, "sensitivity", m.data.at("sensitivity"), failure);
  write_text(file, "operator", m.settings.dump(), failure);
  if (m.noise) write_text(file, "noise", to_json(*m.noise).dump(), failure);
  write_text(file, "image", nlohmann::json({m.image.C, m.image.H, m.image.W}).dump(), failure);
  require(file.reset(), failure);
  staged.commit();
}

}  // namespace tweedie

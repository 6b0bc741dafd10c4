#include "operators/fastmri.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <filesystem>
#include <numbers>

#include "operators/mri.hpp"
#include "weights/array_file.hpp"
#include "weights/element.hpp"
#include "weights/hdf5_read.hpp"
#include "weights/npy_file.hpp"

namespace tweedie {
namespace {

constexpr std::int64_t largest_side = 16384;
// Calibration uses up to this many entries on each side of frequency 0.
constexpr int calibration = 12;

struct Part {
  float r, i;
};

/// A data set of which one slice is read.
class Sliced {
 public:
  /// Errors: missing, an empty or a huge side.
  Sliced(const ArrayFile& file, const std::string& name)
      : what_(message(file.path(), ": ", name)),
        extents_(file.extents(name)),
        file_(open_hdf5(file.path())),
        dataset_(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), H5Dclose, what_ + " is not a data set"),
        type_(H5Dget_type(dataset_), H5Tclose, what_ + ": no type") {
    for (const std::int64_t side : extents_)
      require(side > 0 && side <= largest_side, what_, " has the shape ", to_string(extents_),
              "; expected sides of 1 to ", largest_side);
  }
  const Extents& extents() const { return extents_; }
  const std::string& what() const { return what_; }

  /// Errors: not complex.
  std::vector<Part> complex(std::int64_t slice) const {
    require(H5Tget_class(type_) == H5T_COMPOUND && H5Tget_member_index(type_, "r") >= 0 &&
                H5Tget_member_index(type_, "i") >= 0,
            what_, " is not complex: expected a compound of r and i");
    const Hdf5Handle part(H5Tcreate(H5T_COMPOUND, sizeof(Part)), H5Tclose, "HDF5: no compound type");
    H5Tinsert(part, "r", HOFFSET(Part, r), H5T_NATIVE_FLOAT);
    H5Tinsert(part, "i", HOFFSET(Part, i), H5T_NATIVE_FLOAT);
    return read<Part>(slice, part);
  }
  /// Errors: not numbers.
  std::vector<float> floats(std::int64_t slice) const {
    require(H5Tget_class(type_) == H5T_FLOAT, what_, " does not hold floating-point numbers");
    return read<float>(slice, H5T_NATIVE_FLOAT);
  }

 private:
  template <class T>
  std::vector<T> read(std::int64_t slice, hid_t type) const {
    std::vector<hsize_t> start(extents_.size(), 0), count(extents_.begin(), extents_.end());
    start[0] = hsize_t(slice);
    count[0] = 1;
    const Hdf5Handle stored(H5Dget_space(dataset_), H5Sclose, what_ + ": no dataspace");
    const Hdf5Handle memory(H5Screate_simple(int(count.size()), count.data(), nullptr), H5Sclose,
                            what_ + ": no dataspace");
    require_hdf5(
        H5Sselect_hyperslab(stored, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr) >= 0, what_,
        ": slice ", slice, " cannot be read");
    std::vector<T> values(std::size_t(H5Sget_select_npoints(stored)));
    read_hdf5(values.data(), dataset_, type, what_, memory, stored);
    return values;
  }

  std::string what_;
  Extents extents_;
  Hdf5Handle file_, dataset_, type_;
};

/// Complex planes as pairs of real ones. Errors: NaN or infinity.
std::vector<float> planes(const std::vector<Part>& parts, std::int64_t plane, const std::string& what) {
  std::vector<float> values;
  values.reserve(2 * parts.size());
  for (auto from = parts.begin(); from != parts.end(); from += plane) {
    for (auto p = from; p != from + plane; ++p) values.push_back(p->r);
    for (auto p = from; p != from + plane; ++p) values.push_back(p->i);
  }
  require_finite(values, what);
  return values;
}

Sliced open_kspace(const ArrayFile& file) {
  Sliced kspace(file, "kspace");
  const std::size_t rank = kspace.extents().size();
  require(rank == 3 || rank == 4, kspace.what(), " has the shape ", to_string(kspace.extents()),
          "; expected (slices, coils, H, W), or (slices, H, W) for one coil");
  return kspace;
}

/// The columns measured.
std::vector<float> read_mask(const ArrayFile& file, int W) {
  const Sliced stored(file, "mask");
  require(stored.extents() == Extents{W}, stored.what(), " has the shape ", to_string(stored.extents()),
          "; expected ", to_string(Extents{W}), ", k-space's columns");
  const std::vector<float> mask = file.floats("mask");
  for (const float m : mask)
    require(m == 0 || m == 1, stored.what(), " holds ", m, "; expected zeros and ones");
  return mask;
}

void read_truth(FastMriSlice& result, const ArrayFile& file, std::int64_t slices, int slice) {
  for (const char* name : {"reconstruction_rss", "reconstruction_esc"}) {
    if (!file.has(name)) continue;
    const Sliced stored(file, name);
    const Extents& e = stored.extents();
    require(e.size() == 3 && e[0] == slices && e[1] <= result.H && e[2] <= result.W, stored.what(),
            " has the shape ", to_string(e), "; expected ", slices, " slices of at most ", result.H, "x",
            result.W, " pixels");
    result.truth = stored.floats(slice);
    require_finite(result.truth, stored.what());
    result.truth_H = int(e[1]);
    result.truth_W = int(e[2]);
    return;
  }
}

/// How far the columns measured reach without a gap on both sides of frequency 0; -1: not even that one.
int reach(const FastMriSlice& s) {
  const auto measured = [&](int w) {
    if (!s.mask.empty()) return s.mask[std::size_t(w)] == 1;
    for (std::size_t i = std::size_t(w); i < s.kspace.size(); i += std::size_t(s.W))
      if (s.kspace[i] != 0) return true;
    return false;
  };
  int r = -1;
  while (r < calibration && s.W / 2 - r - 1 >= 0 && s.W / 2 + r + 1 < s.W && measured(s.W / 2 - r - 1) &&
         measured(s.W / 2 + r + 1))
    ++r;
  return r;
}

/// The slice of an array of all.
FastMriSlice read_npy_slice(const std::string& path, int slice) {
  const NpyArray array = read_npy(path);
  Extents e = array.shape();
  const std::size_t rank = e.size();
  require(rank >= 2 && rank <= 4, path, ": k-space of the shape ", to_string(e),
          "; expected (slices, coils, H, W), (coils, H, W) or (H, W)");
  e.insert(e.begin(), 4 - rank, 1);
  for (const std::int64_t side : e)
    require(side > 0 && side <= largest_side, path, ": k-space of the shape ", to_string(array.shape()),
            "; expected sides of 1 to ", largest_side);
  require(slice >= 0 && slice < e[0], path, ": slice ", slice, " of ", e[0], ", counted from 0");
  FastMriSlice result;
  result.coils = int(e[1]);
  result.H = int(e[2]);
  result.W = int(e[3]);
  const std::int64_t plane = e[2] * e[3];
  const std::vector<std::complex<float>> all = array.complexes();
  std::vector<Part> parts;
  for (std::int64_t i = slice * e[1] * plane; i < (slice + 1) * e[1] * plane; ++i)
    parts.push_back({all[std::size_t(i)].real(), all[std::size_t(i)].imag()});
  result.kspace = planes(parts, plane, path);
  return result;
}

}  // namespace

bool holds_kspace_npy(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  const auto source = open_file(path);
  return is_npy(*source) && NpyArray::read(*source).is_complex();
}

int fastmri_slices(const std::string& path) { return int(open_kspace(ArrayFile(path)).extents()[0]); }

FastMriSlice read_fastmri(const std::string& path, int slice) {
  if (holds_kspace_npy(path)) return read_npy_slice(path, slice);
  const ArrayFile file(path);
  const Sliced kspace = open_kspace(file);
  const Extents& e = kspace.extents();
  require(slice >= 0 && slice < e[0], path, ": slice ", slice, " of ", e[0], ", counted from 0");
  FastMriSlice result;
  result.coils = e.size() == 4 ? int(e[1]) : 1;
  result.H = int(e[e.size() - 2]);
  result.W = int(e[e.size() - 1]);
  const std::int64_t plane = std::int64_t(result.H) * result.W;
  result.kspace = planes(kspace.complex(slice), plane, kspace.what());
  if (file.has("mask")) result.mask = read_mask(file, result.W);
  if (file.has("sensitivity_maps")) {
    const Sliced maps(file, "sensitivity_maps");
    require(maps.extents() == e, maps.what(), " has the shape ", to_string(maps.extents()), "; k-space has ",
            to_string(e));
    result.sensitivity = planes(maps.complex(slice), plane, maps.what());
  }
  read_truth(result, file, e[0], slice);
  return result;
}

Tensor estimate_sensitivity(Context& context, const FastMriSlice& s, const std::string& what) {
  const int along_w = reach(s), along_h = std::min(along_w, (s.H - 1) / 2);
  require(along_w >= 1, what,
          ": k-space has fewer than 3 measured columns about frequency 0: coils' "
          "sensitivities cannot be estimated");
  const auto hann = [](int distance, int radius) {
    if (std::abs(distance) > radius) return 0.0;
    const double c = std::cos(std::numbers::pi * distance / (2.0 * (radius + 1)));
    return c * c;
  };
  const Shape shape{1, 2 * s.coils, s.H, s.W};
  std::vector<float> middle = s.kspace;
  for (std::size_t i = 0; i < middle.size(); ++i) {
    const int h = int(i / std::size_t(s.W) % std::size_t(s.H)), w = int(i % std::size_t(s.W));
    middle[i] *= float(hann(h - s.H / 2, along_h) * hann(w - s.W / 2, along_w));
  }
  // Each coil's image on its own: the adjoint of a transform that measures everything.
  CartesianMri everything(
      context, [](int H, int W) { return std::vector<float>(std::size_t(H) * std::size_t(W), 1.f); },
      CartesianMri::Image::complex, {});
  std::vector<float> maps = context.download(everything.adjoint(context.upload(shape, middle), shape));
  const std::size_t plane = std::size_t(shape.plane());
  for (std::size_t p = 0; p < plane; ++p) {
    double squares = 0;
    for (std::size_t i = p; i < maps.size(); i += plane) squares += double(maps[i]) * maps[i];
    const double root = std::sqrt(squares);
    for (std::size_t i = p; i < maps.size(); i += plane) maps[i] = root > 0 ? float(maps[i] / root) : 0.f;
  }
  return context.upload({s.coils, 2, s.H, s.W}, maps);
}

}  // namespace tweedie

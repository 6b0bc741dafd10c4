#include "weights/npy_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "kernels/error.hpp"
#include "weights/element.hpp"
#include "weights/npy_header.hpp"

namespace tweedie {
namespace {

constexpr std::string_view signature("\x93NUMPY", 6);
// NumPy itself refuses longer headers by default; no array of numbers needs one.
constexpr std::uint64_t longest_header = 10000;

struct Place {
  std::uint64_t header = 0;  ///< offset of the header's text
  std::uint64_t length = 0;  ///< its length in bytes
};

// Where the header lies; a length of 0 says that this is no .npy file.
Place find_header(const ByteSource& source) {
  std::array<std::byte, 12> start{};
  if (source.size() < start.size()) return {};
  source.read(start, 0);
  const auto at = [&](std::size_t i) { return std::to_integer<std::uint64_t>(start[i]); };
  if (std::memcmp(start.data(), signature.data(), signature.size()) != 0) return {};
  if (at(6) < 1 || at(6) > 3 || at(7) != 0) return {};
  const Place place = at(6) == 1 ? Place{10, at(8) | at(9) << 8}
                                 : Place{12, at(8) | at(9) << 8 | at(10) << 16 | at(11) << 24};
  if (place.length == 0 || place.length > source.size() - place.header) return {};
  std::byte first{};
  source.read({&first, 1}, place.header);
  return first == std::byte{'{'} ? place : Place{};
}

template <class To, class Stored>
To convert(Stored stored) {
  return static_cast<To>(stored);
}

// Calls `visit(stored type's sample, conversion)` for the one type that the text names.
template <class To, class Visit>
void with_type(std::string_view type, Visit&& visit) {
  const std::string_view kind = type.substr(1);
  if (kind == "b1") return visit(std::uint8_t{}, [](std::uint8_t v) { return To(v != 0 ? 1 : 0); });
  if (kind == "i1") return visit(std::int8_t{}, convert<To, std::int8_t>);
  if (kind == "i2") return visit(std::int16_t{}, convert<To, std::int16_t>);
  if (kind == "i4") return visit(std::int32_t{}, convert<To, std::int32_t>);
  if (kind == "i8") return visit(std::int64_t{}, convert<To, std::int64_t>);
  if (kind == "u1") return visit(std::uint8_t{}, convert<To, std::uint8_t>);
  if (kind == "u2") return visit(std::uint16_t{}, convert<To, std::uint16_t>);
  if (kind == "u4") return visit(std::uint32_t{}, convert<To, std::uint32_t>);
  if (kind == "u8") return visit(std::uint64_t{}, convert<To, std::uint64_t>);
  if (kind == "f2") return visit(std::uint16_t{}, [](std::uint16_t v) { return To(float_from_half(v)); });
  if (kind == "f4") return visit(float{}, convert<To, float>);
  if (kind == "f8") return visit(double{}, convert<To, double>);
  throw Error(message("no conversion of NumPy's type '", type, "'"));
}

// Calls `visit(position in the file)` for the elements in row-major order.
template <class Visit>
void in_row_major_order(const Extents& shape, bool fortran_order, Visit&& visit) {
  const auto count = static_cast<std::size_t>(element_count(shape));
  if (!fortran_order || shape.size() < 2) {
    for (std::size_t i = 0; i < count; ++i) visit(i);
    return;
  }
  std::vector<std::size_t> strides(shape.size(), 1), index(shape.size(), 0);
  for (std::size_t axis = 1; axis < shape.size(); ++axis)
    strides[axis] = strides[axis - 1] * static_cast<std::size_t>(shape[axis - 1]);
  std::size_t position = 0;
  for (std::size_t i = 0; i < count; ++i) {
    visit(position);
    for (std::size_t axis = shape.size(); axis-- > 0;) {  // the last axis is the fastest
      position += strides[axis];
      if (++index[axis] < static_cast<std::size_t>(shape[axis])) break;
      position -= index[axis] * strides[axis];
      index[axis] = 0;
    }
  }
}

// `parts` numbers of the given type make one element (two for a complex one); `To` is the type of a part.
template <class To>
std::vector<To> decode(std::span<const std::byte> bytes, const Extents& shape, std::string_view type,
                       bool fortran_order, std::size_t parts) {
  std::vector<To> values;
  values.reserve(static_cast<std::size_t>(element_count(shape)) * parts);
  with_type<To>(type, [&](auto sample, auto conversion) {
    in_row_major_order(shape, fortran_order, [&](std::size_t position) {
      for (std::size_t part = 0; part < parts; ++part) {
        std::memcpy(&sample, bytes.data() + (position * parts + part) * sizeof sample, sizeof sample);
        values.push_back(conversion(sample));
      }
    });
  });
  return values;
}

}  // namespace

bool NpyArray::is_complex() const { return type_[1] == 'c'; }
bool NpyArray::is_integer() const { return type_[1] == 'b' || type_[1] == 'i' || type_[1] == 'u'; }

std::vector<float> NpyArray::floats() const {
  require(!is_complex(), name_, ": holds complex numbers ('", type_, "'), expected real ones");
  return decode<float>(bytes_, shape_, type_, fortran_order_, 1);
}

std::vector<double> NpyArray::doubles() const {
  require(!is_complex(), name_, ": holds complex numbers ('", type_, "'), expected real ones");
  return decode<double>(bytes_, shape_, type_, fortran_order_, 1);
}

std::vector<std::complex<float>> NpyArray::complexes() const {
  std::vector<std::complex<float>> values;
  if (!is_complex()) {
    const std::vector<float> real = floats();
    values.assign(real.begin(), real.end());
    return values;
  }
  const std::string part = type_ == "<c8" ? "<f4" : "<f8";
  const std::vector<float> parts = decode<float>(bytes_, shape_, part, fortran_order_, 2);
  values.reserve(parts.size() / 2);
  for (std::size_t i = 0; i < parts.size(); i += 2) values.emplace_back(parts[i], parts[i + 1]);
  return values;
}

NpyArray NpyArray::read(const ByteSource& source) {
  const std::string& name = source.name();
  const Place place = find_header(source);
  require(place.length > 0, name, ": not a NumPy array file (.npy of version 1 to 3), or its header is cut");
  require(place.length <= longest_header, name, ": a NumPy header of ", place.length,
          " bytes, expected at most ", longest_header);
  std::string text(static_cast<std::size_t>(place.length), '\0');
  source.read(std::as_writable_bytes(std::span(text)), place.header);

  const NpyHeader header = parse_npy_header(text, name);
  NpyArray array;
  array.name_ = name;
  array.shape_ = header.shape;
  array.type_ = header.type;
  array.fortran_order_ = header.fortran_order;
  const std::uint64_t held = source.size() - place.header - place.length;
  const auto count = static_cast<std::uint64_t>(element_count(header.shape));
  require(count <= held / header.element_size, name, ": truncated: holds ", held,
          " bytes of numbers, an array of shape ", to_string(header.shape), " and type '", header.type,
          "' has more");
  const std::uint64_t wanted = count * header.element_size;
  require(held == wanted, name, ": ", held - wanted, " bytes follow the array of shape ",
          to_string(header.shape), " and type '", header.type, "': a file of several arrays is not read");
  array.bytes_.resize(static_cast<std::size_t>(wanted));
  source.read(array.bytes_, place.header + place.length);
  return array;
}

bool is_npy(const ByteSource& source) { return find_header(source).length > 0; }

NpyArray read_npy(const std::string& path) { return NpyArray::read(*open_file(path)); }

std::string npy_bytes(const Extents& shape, std::span<const float> values) {
  require(static_cast<std::size_t>(element_count(shape)) == values.size(), "an array of shape ",
          to_string(shape), " was given ", values.size(), " values");
  std::string tuple;
  for (const std::int64_t extent : shape) tuple += std::to_string(extent) + (shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) tuple.resize(tuple.size() - 2);
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + tuple + "), }";
  // The numbers begin at a multiple of 64 bytes, so that they can be mapped into memory.
  const std::size_t before = signature.size() + 4;
  header.append(63 - (before + header.size()) % 64, ' ');
  header += '\n';
  require(header.size() <= 0xFFFF, "a shape of ", shape.size(), " axes");

  std::string bytes(signature);
  bytes += {'\x01', '\x00', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return bytes;
}

}  // namespace tweedie

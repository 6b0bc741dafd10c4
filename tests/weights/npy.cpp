// NumPy files: written by NumPy, written byte by byte, and every way to be wrong.
#include "weights/npy_file.hpp"

#include <algorithm>
#include <complex>
#include <span>

#include "tests/weights/crafted.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Floats = std::vector<float>;
using Complexes = std::vector<std::complex<float>>;

const std::string folder = TWEEDIE_TEST_DATA "/numpy/";

std::shared_ptr<const ByteSource> source_of(const std::string& bytes) {
  std::vector<std::byte> copy(bytes.size());
  std::ranges::copy(std::as_bytes(std::span(bytes)), copy.begin());
  return open_bytes(copy, "crafted.npy");
}

NpyArray open_npy(const std::string& bytes) { return NpyArray::read(*source_of(bytes)); }

std::string error_of_npy(const std::string& bytes) {
  return error_of([&] { open_npy(bytes).complexes(); });
}

/// A version 1 file of that header text and those numbers.
std::string npy_of(const std::string& header, const std::string& numbers) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() & 0xFF);
  bytes += static_cast<char>(header.size() >> 8);
  return bytes + header + numbers;
}

std::string header_of(const std::string& type, const std::string& shape) {
  return "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
}

/// scale * i + offset for i = 0 .. 23: what the recorded files hold.
Floats line(float scale, float offset = 0) {
  Floats values;
  for (int i = 0; i < 24; ++i) values.push_back(scale * float(i) + offset);
  return values;
}

Complexes complex_line() {
  Complexes values;
  for (int i = 0; i < 24; ++i) values.emplace_back(float(i) / 4, -float(i));
  return values;
}

}  // namespace

TEST_CASE("NumPy: every type that NumPy wrote is read exactly") {
  const auto check = [](const std::string& name, const std::string& type, const Floats& expected,
                        bool whole) {
    CAPTURE(name);
    const NpyArray array = read_npy(folder + name);
    CHECK(array.shape() == Extents{2, 3, 4});
    CHECK(array.type() == type);
    CHECK(array.is_integer() == whole);
    CHECK(!array.is_complex());
    CHECK(array.floats() == expected);
    CHECK(array.doubles() == std::vector<double>(expected.begin(), expected.end()));
    CHECK(array.complexes() == Complexes(expected.begin(), expected.end()));
  };
  for (const char* name : {"i2", "i4", "i8"})
    check(std::string(name) + ".npy", std::string("<") + name, line(3, -20), true);
  check("i1.npy", "|i1", line(3, -20), true);
  check("u1.npy", "|u1", line(3), true);
  for (const char* name : {"u2", "u4", "u8"})
    check(std::string(name) + ".npy", std::string("<") + name, line(3), true);
  for (const char* name : {"f2", "f4", "f8"})
    check(std::string(name) + ".npy", std::string("<") + name, line(3.0f / 8, -20.0f / 8), false);
  Floats flags;
  for (int i = 0; i < 24; ++i) flags.push_back(i % 3 == 1 ? 1.0f : 0.0f);
  check("b1.npy", "|b1", flags, true);
}

TEST_CASE("NumPy: complex numbers, and what asks for real ones is told") {
  for (const char* name : {"c8.npy", "c16.npy", "fortran_complex.npy"}) {
    CAPTURE(name);
    const NpyArray array = read_npy(folder + name);
    CHECK(array.is_complex());
    CHECK(array.shape() == Extents{2, 3, 4});
    CHECK(array.complexes() == complex_line());
    check_says(error_of([&] { array.floats(); }), "holds complex numbers");
    check_says(error_of([&] { array.doubles(); }), "holds complex numbers");
  }
}

TEST_CASE("NumPy: Fortran order, all versions, a single number, an empty array") {
  CHECK(read_npy(folder + "fortran.npy").floats() == line(1.0f / 8));
  CHECK(read_npy(folder + "version2.npy").floats() == line(1.0f / 8));
  CHECK(read_npy(folder + "version3.npy").floats() == line(1.0f / 8));
  const NpyArray number = read_npy(folder + "scalar.npy");
  CHECK(number.shape().empty());
  CHECK(number.floats() == Floats{2.5f});
  const NpyArray empty = read_npy(folder + "empty.npy");
  CHECK(empty.shape() == Extents{0, 3});
  CHECK(empty.floats().empty());
}

TEST_CASE("NumPy: what is no array of numbers is refused by name") {
  const auto says = [](const char* name, const char* text) {
    check_says(error_of([&] { read_npy(folder + name); }), text);
  };
  says("big_endian.npy", "big_endian.npy: holds big-endian numbers ('>f4')");
  says("objects.npy", "objects.npy: holds Python objects ('|O')");
  says("structure.npy", "structure.npy: holds structures of several fields");
  says("text.npy", "text.npy: holds text ('<U2')");
  says("stored.npz", "stored.npz: not a NumPy array file");
  says("missing.npy", "missing.npy");
  const auto type_says = [](const char* type, const char* text) {
    check_says(error_of_npy(npy_of(header_of(type, "(1,)"), std::string(16, '\0'))), text);
  };
  type_says("<f16", "elements of the type ('<f16')");
  type_says("<M8[ns]", "dates or times ('<M8[ns]')");
  type_says("|V3", "raw bytes");
  type_says("|S5", "text");
  type_says("", "elements of the type ('')");
  type_says("<", "elements of the type ('<')");
  type_says("|b1\x01", "elements of the type ('|b1?')");
}

TEST_CASE("NumPy: npy_bytes writes byte for byte what NumPy does") {
  const Floats values = line(3.0f / 8, -20.0f / 8);
  CHECK(npy_bytes({2, 3, 4}, values) == read_file(folder + "f4.npy"));
  CHECK(npy_bytes({5}, Floats{0, 1, 2, 3, 4}) == read_file(folder + "vector.npy"));
  CHECK(npy_bytes({}, Floats{2.5f}) == read_file(folder + "scalar.npy"));
  CHECK(npy_bytes({0, 3}, Floats{}) == read_file(folder + "empty.npy"));
  check_says(error_of([&] { npy_bytes({2, 2}, Floats{1}); }), "shape (2, 2) was given 1 values");
}

TEST_CASE("NumPy: a header is read in any order and of either Python") {
  const std::string numbers = bytes_of<float>({1, 2, 3, 4, 5, 6});
  for (const char* header : {"{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}",
                             "{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(2,3,)}  \n",
                             "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }"}) {
    CAPTURE(header);
    const NpyArray array = open_npy(npy_of(header, numbers));
    CHECK(array.shape() == Extents{2, 3});
    CHECK(array.floats() == Floats{1, 2, 3, 4, 5, 6});
  }
  const NpyArray turned =
      open_npy(npy_of("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", numbers));
  CHECK(turned.floats() == Floats{1, 3, 5, 2, 4, 6});
}

TEST_CASE("NumPy: damaged headers are refused") {
  const auto says = [](const std::string& header, const char* text) {
    check_says(error_of_npy(npy_of(header, bytes_of<float>({1}))), text);
  };
  says("{'descr': '<f4', 'fortran_order': False}", "expected 'descr', 'fortran_order' and 'shape'");
  says("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}", "there twice");
  says("{'descr': '<f4', 'fortran_order': Maybe, 'shape': ()}", "expected True or False");
  says("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "expected a size");
  says("{'descr': '<f4', 'fortran_order': False, 'shape': (1,}", "expected a size");
  says("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "expected a size");
  says("{'descr': '<f4', 'fortran_order': False, 'shape': 1}", "expected '('");
  says("{'descr': '<f4", "a quote has no end");
  says("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': 1}", "unknown key 'more'");
  says("{'descr': '<f4', 'fortran_order': False, 'shape': ()} and", "expected its end");
  says("{'descr': f4, 'fortran_order': False, 'shape': ()}", "expected text in quotes");
  std::string many = "(";
  for (int i = 0; i < 65; ++i) many += "1, ";
  says(header_of("<f4", many + ")"), "more than 64 axes");
  says("{" + std::string(20000, ' '), "a NumPy header of 20001 bytes");
}

TEST_CASE("NumPy: sizes are held against the file's") {
  const std::string four = bytes_of<float>({1, 2, 3, 4});
  check_says(error_of_npy(npy_of(header_of("<f4", "(5,)"), four)), "truncated: holds 16 bytes");
  check_says(error_of_npy(npy_of(header_of("<f4", "(3,)"), four)), "4 bytes follow the array");
  check_says(error_of_npy(npy_of(header_of("<f4", "(4611686018427387904,)"), four)), "truncated");
  check_says(error_of_npy(npy_of(header_of("<f4", "(4611686018427387904, 8)"), four)), "too many elements");
  check_says(error_of_npy(npy_of(header_of("<f4", "(0, 4611686018427387904)"), four)), "16 bytes follow");
}

TEST_CASE("NumPy: a file is recognised by all that it must have") {
  const std::string sound = npy_of(header_of("<f4", "(1,)"), bytes_of<float>({1}));
  CHECK(is_npy(*source_of(sound)));
  const auto changed = [&](std::size_t at, char to) {
    std::string bytes = sound;
    bytes[at] = to;
    return is_npy(*source_of(bytes));
  };
  CHECK(!changed(0, 'N'));
  CHECK(!changed(5, 'X'));
  CHECK(!changed(6, 0));
  CHECK(!changed(6, 4));
  CHECK(!changed(7, 1));
  CHECK(!changed(9, 1));     // a header that would end 256 bytes later, beyond the file
  CHECK(!changed(10, '['));  // the header is no dictionary
  for (std::size_t length = 0; length < sound.size(); ++length) {
    CAPTURE(length);
    const std::string error = error_of_npy(sound.substr(0, length));
    CHECK(!error.empty());
    CHECK(error.find('\n') == std::string::npos);
  }
}

TEST_CASE("NumPy: every changed byte is an Error or harmless, never a crash") {
  const std::string sound = read_file(folder + "fortran_complex.npy");
  for (std::size_t at = 0; at < sound.size(); ++at)
    for (const int flip : {0x01, 0x10, 0x80, 0xFF}) {
      std::string changed = sound;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      const std::string error = error_of_npy(changed);
      CHECK(error.find('\n') == std::string::npos);
    }
}

TEST_CASE("NumPy: archives, stored and deflated") {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    CAPTURE(name);
    const NpzFile file(folder + name);
    CHECK(file.has("x"));
    CHECK(!file.has("x.npy"));
    const NpyArray x = file.read("x");
    CHECK(x.shape() == Extents{2, 3, 4});
    CHECK(x.floats() == line(1.0f / 8));
  }
  const NpzFile stored(folder + "stored.npz"), deflated(folder + "deflated.npz");
  CHECK(stored.names() == std::vector<std::string>{"x", "labels"});
  CHECK(stored.read("labels").doubles() == std::vector<double>{0, 1, 2});
  CHECK(deflated.read("zeros").floats() == Floats(64 * 64, 0.0f));
  check_says(error_of([&] { stored.read("y"); }), "there is no array 'y', only x, labels");
}

TEST_CASE("NumPy: damaged archives are refused") {
  const TemporaryFolder temporary;
  const auto error_of_archive = [&](const std::string& bytes) {
    const std::string path = temporary.write("a.npz", bytes);
    return error_of([&] {
      const NpzFile file(path);
      for (const std::string& name : file.names()) file.read(name).floats();
    });
  };
  CHECK(error_of_archive(read_file(folder + "deflated.npz")).empty());
  check_says(error_of_archive(zip_archive({{"a.txt", "x"}})), "without a NumPy array");
  check_says(error_of_archive(zip_archive({{"a.npy", "x"}})), "a.npz: a.npy: not a NumPy array file");
  check_says(error_of_archive("PK"), "zip archive");
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const std::string sound = read_file(folder + name);
    for (std::size_t length = 0; length < sound.size(); length += 7) {
      CAPTURE(length);
      CHECK(!error_of_archive(sound.substr(0, length)).empty());
    }
    std::string changed = sound;
    changed[100] = static_cast<char>(changed[100] ^ 1);  // in the first entry's bytes
    CHECK(!error_of_archive(changed).empty());
  }
  // The directory may claim more bytes than deflate can unfold to; offset 24 of an entry is its size.
  std::string liar = read_file(folder + "deflated.npz");
  const std::size_t central = liar.find("PK\x01\x02");
  REQUIRE(central != std::string::npos);
  liar[central + 27] = 0x70;
  check_says(error_of_archive(liar), "more than the file can hold");
  liar[central + 10] = 12;  // bzip2
  check_says(error_of_archive(liar), "compressed in another way than deflate");
}

// Weight files: written, read back, and every way to be wrong.
#include "weights/weight_file.hpp"

#include <sys/stat.h>

#include <cmath>
#include <limits>
#include <random>

#include "tests/weights/crafted.hpp"
#include "weights/hdf5_handle.hpp"

using namespace tweedie;
using namespace tweedie::test;

using Floats = std::vector<float>;

namespace {

WeightFileHeader header() {
  return {"guided_diffusion_unet", {{"image_size", 32}}, {{"steps", 1000}}, "x.pt sha256:00"};
}

Floats random_floats(std::size_t count) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  Floats values(count);
  for (float& v : values) v = normal(random);
  return values;
}

void write_two(const std::string& path, const WeightFileOptions& options = {}) {
  WeightFileWriter writer(path, header(), options);
  writer.write("a.0.weight", {2, 3}, Floats{1, 2, 3, 4, 5, 6});
  writer.write("a.0.bias", {2}, Floats{7, 8});
  writer.commit();
}

// A file that is right but for what `change` does to it.
template <class Change>
std::string error_after(const TemporaryFolder& folder, Change change) {
  const std::string path = folder.path("changed.h5");
  write_two(path, {.compression = 0, .overwrite = true});
  {
    const Hdf5Handle file(H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose, "open");
    change(static_cast<hid_t>(file));
  }
  return error_of([&] { WeightFile(path).read("a.0.bias", {2}); });
}

}  // namespace

TEST_CASE("what is written is read back, with its header") {
  const TemporaryFolder folder;
  write_two(folder.path("w.h5"));
  CHECK(folder.files() == std::vector<std::string>{"w.h5"});
  WeightFile file(folder.path("w.h5"));
  CHECK(file.header().architecture == "guided_diffusion_unet");
  CHECK(file.header().config == header().config);
  CHECK(file.header().diffusion == header().diffusion);
  CHECK(file.header().source == "x.pt sha256:00");
  CHECK(file.keys() == std::vector<std::string>{"a.0.bias", "a.0.weight"});
  CHECK(file.extents("a.0.weight") == Extents{2, 3});
  CHECK(file.read("a.0.weight", {2, 3}) == Floats{1, 2, 3, 4, 5, 6});
}

TEST_CASE("scopes complete names, and the file knows what was not used") {
  const TemporaryFolder folder;
  write_two(folder.path("w.h5"));
  WeightFile file(folder.path("w.h5"));
  const WeightScope scope = WeightScope(file).sub("a").sub("0");
  CHECK(scope.has("bias"));
  CHECK(!scope.has("gain"));
  CHECK(scope.read("bias", {2}) == Floats{7, 8});
  check_says(error_of([&] { file.require_all_used(); }),
             "the tensor a.0.weight has no place in this network");
  scope.read("weight", {2, 3});
  CHECK(error_of([&] { file.require_all_used(); }).empty());
}

TEST_CASE("a missing or misshapen tensor is an error that says what was expected") {
  const TemporaryFolder folder;
  write_two(folder.path("w.h5"));
  WeightFile file(folder.path("w.h5"));
  check_says(error_of([&] {
               file.read("a.1.weight", {2, 3});
             }),
             "there is no tensor a.1.weight, expected one of shape (2, 3)");
  check_says(error_of([&] {
               file.read("a.0.weight", {3, 2});
             }),
             "the tensor a.0.weight has shape (2, 3), expected (3, 2)");
  check_says(error_of([&] { file.read("a.0.weight", {6}); }), "has shape (2, 3), expected (6)");
  check_says(error_of([&] { file.extents("nothing"); }), "there is no tensor nothing");
}

TEST_CASE("f16 and bf16 round to nearest, f32 keeps every bit, with and without compression") {
  const TemporaryFolder folder;
  const Floats values = random_floats(70 * 80 * 90);  // several chunks, uneven
  for (const int compression : {0, 4}) {
    for (const Element element : {Element::f32, Element::f16, Element::bf16}) {
      CAPTURE(compression);
      CAPTURE(element_name(element));
      const std::string path = folder.path("w.h5");
      WeightFileWriter writer(path, header(), {compression, true});
      writer.write("w", {70, 80, 90}, values, element);
      writer.write("number", {}, Floats{0.5F}, element);
      writer.write("none", {0, 3}, {}, element);
      writer.commit();
      WeightFile file(path);
      Floats expected = values;
      for (float& v : expected) {
        if (element == Element::f16) v = float_from_half(half_from_float(v));
        if (element == Element::bf16) v = float_from_bfloat16(bfloat16_from_float(v));
      }
      CHECK((file.read("w", {70, 80, 90}) == expected));  // in brackets: not to be printed
      CHECK(file.read("number", {}) == Floats{0.5F});
      CHECK(file.read("none", {0, 3}).empty());
      const std::size_t stored = read_file(path).size();
      const std::size_t plain = values.size() * (element == Element::f32 ? 4 : 2);
      if (compression > 0)
        CHECK(stored < plain);
      else
        CHECK(stored > plain);
    }
  }
}

TEST_CASE("NaN and infinity are refused on both sides, and so is what f16 cannot hold") {
  const TemporaryFolder folder;
  const std::string path = folder.path("w.h5");
  {
    WeightFileWriter writer(path, header());
    check_says(error_of([&] {
                 writer.write("w", {2}, Floats{1, std::nanf("")});
               }),
               "the tensor w has the value nan at element 1");
    check_says(error_of([&] {
                 writer.write("v", {2}, Floats{1, 7e4F}, Element::f16);
               }),
               "the tensor v has the value 70000 at element 1, too large for f16");
    writer.write("u", {2}, Floats{1, 7e4F}, Element::bf16);
  }
  CHECK(folder.files().empty());
  const std::string error = error_after(folder, [](hid_t file) {
    const Hdf5Handle data(H5Dopen2(file, "tensors/a.0.bias", H5P_DEFAULT), H5Dclose, "open");
    const float values[] = {7, std::numeric_limits<float>::infinity()};
    H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  });
  check_says(error, "the tensor a.0.bias has the value inf at element 1");
}

TEST_CASE("names that HDF5 would take for paths, and wrong counts, are refused") {
  const TemporaryFolder folder;
  WeightFileWriter writer(folder.path("w.h5"), header());
  for (const char* name : {"", ".", "a/b", "/a"})
    check_says(error_of([&] { writer.write(name, {1}, Floats{1}); }), "a name that HDF5 cannot store");
  check_says(error_of([&] { writer.write("w", {2}, Floats{1}); }), "of shape (2) was given 1 values");
  writer.write("w", {1}, Floats{1});
  check_says(error_of([&] { writer.write("w", {1}, Floats{1}); }), "is written twice");
}

TEST_CASE("an existing file survives: without overwrite, without commit, and until the commit") {
  const TemporaryFolder folder;
  const std::string path = folder.write("w.h5", "precious");
  check_says(error_of([&] { write_two(path); }), "exists already");
  { WeightFileWriter writer(path, header(), {.compression = 0, .overwrite = true}); }
  CHECK(read_file(path) == "precious");
  CHECK(folder.files() == std::vector<std::string>{"w.h5"});
  const std::string late = folder.path("late.h5");
  WeightFileWriter writer(late, header());
  folder.write("late.h5", "somebody else's");  // made while we were writing
  check_says(error_of([&] { writer.commit(); }), "exists already");
  CHECK(read_file(late) == "somebody else's");
  write_two(path, {.compression = 0, .overwrite = true});
  CHECK(WeightFile(path).keys().size() == 2);
}

TEST_CASE("destinations that cannot be written are named") {
  const TemporaryFolder folder;
  check_says(error_of([&] { write_two(folder.path("no/such/folder/w.h5")); }), "No such file or directory");
  check_says(error_of([&] { write_two(folder.path("")); }), "is a directory");
}

TEST_CASE("files that are not weight files say so") {
  const TemporaryFolder folder;
  check_says(error_of([&] { WeightFile(folder.path("none.h5")); }), "No such file or directory");
  check_says(error_of([&] { WeightFile(folder.write("text.h5", "text")); }), "not an HDF5 file");
  write_two(folder.path("w.h5"));
  const std::string whole = read_file(folder.path("w.h5"));
  const std::string half = folder.write("half.h5", whole.substr(0, whole.size() / 2));
  check_says(error_of([&] { WeightFile(half).read("a.0.bias", {2}); }), "half.h5: ");
  check_says(error_of([&] { WeightFile(TWEEDIE_TEST_DATA "/unet_small/reference.h5"); }),
             "an HDF5 file, but not a weight file");
}

TEST_CASE("a weight file with a part missing or changed says which") {
  const TemporaryFolder folder;
  for (const char* name : {"version", "architecture", "config", "diffusion", "source"})
    check_says(error_after(folder, [&](hid_t file) { H5Adelete(file, name); }),
               std::string("the attribute `") + name + "` is missing");
  check_says(error_after(folder, [&](hid_t file) { H5Adelete(file, "format"); }), "not a weight file");
  check_says(error_after(folder, [&](hid_t file) { H5Ldelete(file, "tensors", H5P_DEFAULT); }),
             "the group `tensors` is missing");
  check_says(error_after(folder, [&](hid_t file) { H5Ldelete(file, "tensors/a.0.bias", H5P_DEFAULT); }),
             "there is no tensor a.0.bias");
  const auto set_version = [](hid_t file) {
    const Hdf5Handle attribute(H5Aopen(file, "version", H5P_DEFAULT), H5Aclose, "open");
    const int version = 2;
    H5Awrite(attribute, H5T_NATIVE_INT, &version);
  };
  check_says(error_after(folder, set_version), "weight file of version 2, expected 1");
  CHECK(error_after(folder, [](hid_t) {}).empty());
}

TEST_CASE("a dataset that claims a huge shape is refused before memory is taken") {
  const TemporaryFolder folder;
  const std::string error = error_after(folder, [](hid_t file) {
    H5Ldelete(file, "tensors/a.0.bias", H5P_DEFAULT);
    const hsize_t huge = hsize_t{1} << 50;
    const Hdf5Handle space(H5Screate_simple(1, &huge, nullptr), H5Sclose, "space");
    const Hdf5Handle data(
        H5Dcreate2(file, "tensors/a.0.bias", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
        H5Dclose, "data");
  });
  check_says(error, "has shape (1125899906842624), expected (2)");
}

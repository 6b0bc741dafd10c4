// HDF5 files: written without a way for the close to fail, the same bytes each time; read with the reason of
// every failure.
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

#include "tests/weights/crafted.hpp"
#include "weights/array_file.hpp"
#include "weights/hdf5_read.hpp"
#include "weights/hdf5_writer.hpp"
#include "weights/weight_file.hpp"

using namespace tweedie;
using namespace tweedie::test;

using Floats = std::vector<float>;

namespace {

Floats ramp(std::size_t count) {
  Floats values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = float(i % 1009) * 0.37F - 100;
  return values;
}

/// How a process ends that runs `work` and then leaves by `exit`, as programs do: HDF5's exit handler runs.
int code_in_child(const std::function<int()>& work) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) std::exit(work());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// A weight file of 30 tensors, about 600 kB, whose writing meets the end of the disk after `bytes`: 2 when
/// that ends in the one error that it should.
int write_on_a_disk_of(std::uint64_t bytes, const std::string& path, Element element, int compression) {
  return code_in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, bytes};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 90;
    try {
      WeightFileWriter writer(path, {"guided_diffusion_unet", {{"a", 1}}, {{"steps", 7}}, "x"},
                              {.compression = compression, .overwrite = true});
      for (int i = 0; i < 30; ++i)
        writer.write("block." + std::to_string(i) + ".weight", {50, 100}, ramp(5000), element);
      writer.commit();
      return 0;
    } catch (const Error& error) {
      return std::string(error.what()) == path + ": cannot be written: File too large" ? 2 : 91;
    }
  });
}

}  // namespace

TEST_CASE("a disk that is full at any moment is one error, no crash at exit, and no file") {
  const TemporaryFolder folder;
  const std::string path = folder.path("w.h5");
  for (const Element element : {Element::f32, Element::f16, Element::bf16})
    for (const int compression : {0, 6}) {
      CAPTURE(element_name(element));
      CAPTURE(compression);
      for (const std::uint64_t bytes : {0, 1, 96, 800, 2048, 3000, 5000, 20000, 20500, 50000, 100000}) {
        CAPTURE(bytes);
        CHECK(write_on_a_disk_of(bytes, path, element, compression) == 2);
        CHECK(folder.files().empty());
      }
      CHECK(write_on_a_disk_of(4000000, path, element, compression) == 0);
      const auto size = std::uint64_t(read_file(path).size());
      // The last bytes are written by the close: there the old writer crashed.
      for (const std::uint64_t missing : {1, 100, 1000, 4000}) {
        CAPTURE(missing);
        CHECK(write_on_a_disk_of(size - missing, path, element, compression) == 2);
        CHECK(WeightFile(path).keys().size() == 30);  // the one that was there
      }
      CHECK(write_on_a_disk_of(size, path, element, compression) == 0);
      CHECK(WeightFile(path).keys().size() == 30);
      std::remove(path.c_str());
    }
}

TEST_CASE("an abandoned writer leaves neither a file nor a crash") {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.h5");
  CHECK(code_in_child([&] {
          Hdf5Writer writer(path);
          writer.array("x", {100}, ramp(100));
          return 0;
        }) == 0);
  CHECK(folder.files().empty());
}

TEST_CASE("the same numbers are the same bytes a second later, for weights and for any other file") {
  const TemporaryFolder folder;
  const auto write = [&](const std::string& name, int compression) {
    WeightFileWriter weights(folder.path("w" + name),
                             {"guided_diffusion_unet", {{"a", 1}}, {{"steps", 7}}, "x"},
                             {.compression = compression, .overwrite = false});
    weights.write("a", {10, 10}, ramp(100));
    weights.write("b", {10, 10}, ramp(100), Element::bf16);
    weights.write("c", {}, Floats{3});
    weights.commit();
    Hdf5Writer other(folder.path("m" + name));
    other.group("arrays");
    other.array("arrays/x", {10, 10}, ramp(100), {Element::f16, compression});
    other.text("operator", "{\"name\": \"mri\"}");
    other.integer("version", 3, "arrays");
    other.commit();
  };
  for (const int compression : {0, 9}) write(std::to_string(compression), compression);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  for (const int compression : {0, 9}) {
    write(std::to_string(compression) + "later", compression);
    for (const char* kind : {"w", "m"}) {
      const std::string name = folder.path(kind + std::to_string(compression));
      CHECK(read_file(name) == read_file(name + "later"));
    }
  }
}

TEST_CASE("the writer: what is written is read back") {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.h5");
  {
    Hdf5Writer writer(path);
    writer.group("g");
    writer.array("g/x", {2, 3}, Floats{1, 2, 3, 4, 5, 6.5});
    writer.array("empty", {0, 3}, Floats{}, {Element::f32, 5});
    writer.array("one", {}, Floats{7});
    writer.text("note", "caf\xc3\xa9");
    writer.text("json", R"({"name": "mri"})");
    check_says(error_of([&] { writer.array("bad", {2}, Floats{1}); }), "m.h5: bad of shape (2) was given 1");
    check_says(error_of([&] { writer.array("one", {}, Floats{7}); }), "already exists");
    check_says(error_of([&] { writer.group("no/such"); }), "(HDF5: ");
    check_says(error_of([&] { writer.array("z", {1}, Floats{1e6F}, {Element::f16}); }), "too large for f16");
    check_says(error_of([&] { writer.array("z", {1}, Floats{1}, {Element::f32, 10}); }), "0 to 9");
    writer.commit();
  }
  const ArrayFile file(path);
  CHECK(file.floats("g/x") == Floats{1, 2, 3, 4, 5, 6.5});
  CHECK(file.extents("empty") == Extents{0, 3});
  CHECK(file.floats("one") == Floats{7});
  CHECK(file.text_attribute("note") == "caf\xc3\xa9");
  CHECK(file.json_attribute("json").at("name") == "mri");
  const std::string before = read_file(path);
  check_says(error_of([&] { Hdf5Writer(path, Existing::refuse); }), "exists already");
  { Hdf5Writer writer(path); }
  CHECK(read_file(path) == before);
}

namespace {

/// Writes a file by the library's own calls.
std::string crafted(const TemporaryFolder& folder, const std::string& name,
                    const std::function<void(hid_t)>& fill) {
  const std::string path = folder.path(name);
  const Hdf5Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose, "create");
  fill(file);
  return path;
}

template <class T>
void put(hid_t file, const char* name, hid_t stored, hid_t memory, const std::vector<T>& values,
         hid_t layout = H5P_DEFAULT) {
  const hsize_t count = values.size();
  const Hdf5Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose, "space");
  const Hdf5Handle set(H5Dcreate2(file, name, stored, space, H5P_DEFAULT, layout, H5P_DEFAULT), H5Dclose,
                       "data set");
  REQUIRE(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
}

std::size_t same(unsigned, std::size_t, const unsigned*, std::size_t size, std::size_t*, void**) {
  return size;
}

/// A dataset `x` that went through a filter nobody has when it is read.
std::string filtered(const TemporaryFolder& folder, H5Z_filter_t number, const char* filter_name) {
  const H5Z_class2_t filter{H5Z_CLASS_T_VERS, number, 1, 1, filter_name, nullptr, nullptr, same};
  REQUIRE(H5Zregister(&filter) >= 0);
  const std::string path = crafted(folder, "filtered.h5", [&](hid_t file) {
    const Hdf5Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "layout");
    const hsize_t chunk = 16;
    H5Pset_chunk(layout, 1, &chunk);
    H5Pset_filter(layout, number, H5Z_FLAG_MANDATORY, 0, nullptr);
    put(file, "x", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, ramp(64), layout);
  });
  REQUIRE(H5Zunregister(number) >= 0);
  return path;
}

}  // namespace

TEST_CASE("a filter that is missing is named, by every reader") {
  const TemporaryFolder folder;
  const std::string path = filtered(folder, 32000, "lzf");
  const std::string expected =
      "x: is compressed with the HDF5 filter 'lzf' (number 32000), which is not "
      "installed here; store it with gzip or uncompressed";
  CHECK(error_of([&] { ArrayFile(path).floats("x"); }) == path + ": " + expected);
  CHECK(error_of([&] { ArrayFile(path).doubles("x"); }) == path + ": " + expected);
  CHECK(error_of([&] { ArrayFile(path).integers("x"); }) == path + ": " + expected);
  check_says(error_of([&] { ArrayFile(filtered(folder, 32015, "zstd")).floats("x"); }),
             "'zstd' (number 32015)");
  check_says(error_of([&] { ArrayFile(filtered(folder, 700, "")).floats("x"); }), "number 700");
}

TEST_CASE("files that are locked, cut short, damaged, or none, say so") {
  const TemporaryFolder folder;
  const std::string path = crafted(
      folder, "x.h5", [](hid_t file) { put(file, "x", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, ramp(4000)); });
  const std::string whole = read_file(path);
  {
    std::FILE* other = std::fopen(path.c_str(), "r+");  // another program that writes it
    REQUIRE(other != nullptr);
    REQUIRE(::flock(::fileno(other), LOCK_EX) == 0);
    for (const std::string& error :
         {error_of([&] { ArrayFile x(path); }), error_of([&] { WeightFile x(path); })}) {
      check_says(error, "x.h5: cannot be opened (HDF5: unable to lock file, errno = 11");
      check_says(error, "HDF5_USE_FILE_LOCKING=FALSE");
    }
    std::fclose(other);
  }
  CHECK(ArrayFile(path).floats("x").size() == 4000);
  check_says(error_of([&] { ArrayFile x(folder.write("half.h5", whole.substr(0, whole.size() / 2))); }),
             "half.h5: cannot be opened (HDF5: truncated file: eof = ");
  std::string version = whole;
  version[8] = 9;
  check_says(error_of([&] { ArrayFile x(folder.write("version.h5", version)); }),
             "(HDF5: bad superblock version number)");
  check_says(error_of([&] { ArrayFile x(folder.write("text.h5", "text")); }), "text.h5: not an HDF5 file");
  check_says(error_of([&] { ArrayFile x(folder.path("none.h5")); }),
             "none.h5: cannot be opened for reading: No");
  check_says(error_of([&] { ArrayFile x(folder.path("")); }), "is a folder");
  check_says(error_of([&] { ArrayFile x("/dev/null"); }), "is not a regular file");
  check_says(error_of([&] { ArrayFile(path).floats("y"); }), "x.h5: there is no dataset 'y'");
  check_says(error_of([&] { ArrayFile(path).floats("a/b/c"); }), "there is no dataset 'a/b/c'");
}

TEST_CASE("HDF5 is recognised by content, whatever the name") {
  const TemporaryFolder folder;
  for (const char* name : {"k.hdf5", "k.mat", "k", "k.png"})
    CHECK(holds_hdf5(crafted(folder, name, [](hid_t) {})));
  // A file of MATLAB 7.3 begins with 512 bytes of its own.
  const std::string plain = read_file(folder.path("k.mat"));
  CHECK(holds_hdf5(folder.write("user_block.mat", "MATLAB 7.3" + std::string(502, ' ') + plain)));
  CHECK_FALSE(holds_hdf5(folder.write("text.h5", "text")));
  CHECK_FALSE(holds_hdf5(folder.write("empty.h5", "")));
  CHECK_FALSE(holds_hdf5(folder.path("none.h5")));
  CHECK_FALSE(holds_hdf5(folder.path("")));
  CHECK_FALSE(holds_hdf5(std::string(5000, 'x')));
}

TEST_CASE("numbers of every kind, and truth values, are read; what is no number is named") {
  const TemporaryFolder folder;
  const std::string path = crafted(folder, "kinds.h5", [](hid_t file) {
    put<int>(file, "i8", H5T_STD_I8BE, H5T_NATIVE_INT, {-3, 0, 7});
    put<int>(file, "u16", H5T_STD_U16LE, H5T_NATIVE_INT, {1, 2, 65535});
    put<double>(file, "f64", H5T_IEEE_F64BE, H5T_NATIVE_DOUBLE, {0.5, 1, 2});
    put<double>(file, "huge", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {0.5, 1e300, 2});
    const Hdf5Handle truth(H5Tenum_create(H5T_NATIVE_INT8), H5Tclose, "type");
    for (const signed char value : {0, 1}) H5Tenum_insert(truth, value ? "TRUE" : "FALSE", &value);
    put<signed char>(file, "bool", truth, truth, {1, 0, 1});
    put<unsigned char>(file, "bits", H5T_STD_B8LE, H5T_NATIVE_B8, {1, 0, 1});
    const Hdf5Handle colours(H5Tenum_create(H5T_NATIVE_INT8), H5Tclose, "type");
    for (const signed char value : {0, 1, 2}) H5Tenum_insert(colours, std::to_string(value).c_str(), &value);
    put<signed char>(file, "enum", colours, colours, {1, 0, 2});
    const Hdf5Handle complex(H5Tcreate(H5T_COMPOUND, 8), H5Tclose, "type");
    H5Tinsert(complex, "r", 0, H5T_NATIVE_FLOAT);
    H5Tinsert(complex, "i", 4, H5T_NATIVE_FLOAT);
    put<float>(file, "pair", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {1, 2});
    const hsize_t one = 1;
    const Hdf5Handle space(H5Screate_simple(1, &one, nullptr), H5Sclose, "space");
    const Hdf5Handle set(H5Dcreate2(file, "complex", complex, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                         H5Dclose, "set");
    const Hdf5Handle nothing(H5Screate(H5S_NULL), H5Sclose, "space");
    const Hdf5Handle empty(
        H5Dcreate2(file, "null", H5T_IEEE_F32LE, nothing, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose,
        "set");
    const hsize_t vast = hsize_t{1} << 50;
    const Hdf5Handle far(H5Screate_simple(1, &vast, nullptr), H5Sclose, "space");
    const Hdf5Handle large(
        H5Dcreate2(file, "vast", H5T_IEEE_F32LE, far, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose,
        "set");
  });
  const ArrayFile file(path);
  CHECK(file.floats("i8") == Floats{-3, 0, 7});
  CHECK(file.integers("i8") == std::vector<std::int64_t>{-3, 0, 7});
  CHECK(file.floats("u16") == Floats{1, 2, 65535});
  CHECK(file.floats("f64") == Floats{0.5, 1, 2});
  CHECK(file.floats("bool") == Floats{1, 0, 1});
  CHECK(file.doubles("bool") == std::vector<double>{1, 0, 1});
  CHECK(file.integers("bool") == std::vector<std::int64_t>{1, 0, 1});
  CHECK(file.floats("bits") == Floats{1, 0, 1});
  check_says(error_of([&] { file.integers("f64"); }), "f64: holds 0.5, expected whole numbers");
  check_says(error_of([&] { file.floats("huge"); }),
             "huge: holds 1e+300 at element 1, too large for float32");
  check_says(error_of([&] { file.floats("enum"); }), "enum: holds an enumeration, expected numbers");
  check_says(error_of([&] { file.floats("complex"); }),
             "complex: holds records (complex numbers?), expected");
  check_says(error_of([&] { file.floats("null"); }), "null: an empty dataset");
  check_says(error_of([&] { file.floats("vast"); }), "larger than any array that is read");
}

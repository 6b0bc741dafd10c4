// Kernels from files: of sum 1, turned where the file holds a point spread function.
#include <limits>

#include "tests/support/support.hpp"
#include "tests/tools/files_for_tests.hpp"
#include "tools/image.hpp"
#include "tools/restore/arrays.hpp"
#include "weights/hdf5_writer.hpp"

namespace tweedie::test {
namespace {

/// A gray picture whose brightness, black 0 to white 1, is `values`.
void write_picture(const std::string& path, int height, int width, const std::vector<float>& values) {
  Image image = uniform_image(1, height, width, -1);
  for (std::size_t i = 0; i < values.size(); ++i) image.data[i] = 2 * values[i] - 1;
  write_png(path, image);
}

void write_array(const std::string& path, const Extents& extents, const std::vector<float>& values) {
  Hdf5Writer file(path);
  file.array("kernel", extents, values);
  file.commit();
}

}  // namespace

TEST_CASE("read_kernel: pictures and arrays, as they are or turned") {
  const TemporaryFolder folder;
  // Levels of an 8-bit picture: 51 / 255 = 0.2.
  const std::vector<float> values = {0, 0.2f, 1, 0.4f, 0, 0, 0.2f, 0, 0.2f, 0, 0, 0, 0, 0, 0};
  write_picture(folder / "k.png", 3, 5, values);
  write_array(folder / "k.h5", {3, 5}, values);
  write_array(folder / "four.h5", {1, 1, 3, 5}, values);
  for (const Device device : backends())
    for (const char* name : {"k.png", "k.h5", "four.h5"})
      for (const bool turned : {false, true}) {
        Context context(device);
        std::vector<std::string> notes;
        const Tensor kernel = read_kernel(context, folder / name, turned, notes);
        CHECK(kernel.shape() == Shape{1, 1, 3, 5});
        const std::vector<float> got = context.download(kernel);
        for (std::size_t i = 0; i < values.size(); ++i) {
          const float expected = values[turned ? values.size() - 1 - i : i] / 2;  // their sum is 2
          CHECK_MESSAGE(got[i] == doctest::Approx(expected).epsilon(1e-6), name, " ", i);
        }
        CHECK(notes.empty());
      }
}

TEST_CASE("read_kernel: what is none is refused, by name") {
  const TemporaryFolder folder;
  Context context(Device::cpu);
  const auto refusal = [&](const std::string& name) {
    std::vector<std::string> notes;
    const std::string text = error_of([&] { read_kernel(context, folder / name, false, notes); });
    CHECK(text.find(name) != std::string::npos);
    return text;
  };
  write_picture(folder / "even.png", 4, 3, std::vector<float>(12, 0.2f));
  write_picture(folder / "black.png", 3, 3, std::vector<float>(9, 0.f));
  write_array(folder / "negative.h5", {1, 3}, {1, -3, 1});
  write_array(folder / "two.h5", {2, 1, 3, 3}, std::vector<float>(18, 1.f));
  write_array(folder / "row.h5", {9}, std::vector<float>(9, 1.f));
  CHECK(refusal("even.png").find("a kernel of 3 x 4 pixels; expected odd sides") != std::string::npos);
  CHECK(refusal("black.png").find("sum is 0") != std::string::npos);
  CHECK(refusal("negative.h5").find("sum is -1") != std::string::npos);
  CHECK(refusal("two.h5").find("expected (height, width)") != std::string::npos);
  CHECK(refusal("row.h5").find("expected (height, width)") != std::string::npos);
  refusal("absent.png");
  write_array(folder / "infinite.h5", {1, 3}, {1, std::numeric_limits<float>::infinity(), 1});
  CHECK(refusal("infinite.h5").find("the kernel holds inf") != std::string::npos);
  constexpr int gray_and_alpha = 4;  // drawn in alpha, on black
  const std::vector<std::uint8_t> row = {0, 9, 0, 200, 0, 9};
  write_bytes(folder / "alpha.png", png_file({3, 1, 8, gray_and_alpha, {row}, {}, {}}));
  CHECK(refusal("alpha.png").find("alpha channel ignored") != std::string::npos);
}

TEST_CASE("read_kernel: what is not in its middle, or in colour, is noted") {
  const TemporaryFolder folder;
  Context context(Device::cpu);
  const auto notes = [&](const std::string& name) {
    std::vector<std::string> all;
    read_kernel(context, folder / name, false, all);
    return all.empty() ? "" : all.front();
  };
  write_array(folder / "corner.h5", {3, 5}, {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  write_array(folder / "near.h5", {3, 5}, {0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0});
  CHECK(notes("corner.h5").find("-1 rows below and -2 columns right of its middle") != std::string::npos);
  CHECK(notes("near.h5") == "");
  Image red = uniform_image(3, 3, 3, -1);
  red.data[4] = 1;
  write_png(folder / "red.png", red);
  CHECK(notes("red.png").find("is in colour") != std::string::npos);
}

}  // namespace tweedie::test

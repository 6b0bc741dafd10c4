#include "tests/tools/files_for_tests.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
// After cstdio, which they need.
#include <jpeglib.h>
#include <png.h>

#include <algorithm>

namespace tweedie::test {

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "tweedie_test_XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("cannot create " + name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<std::string> TemporaryFolder::entries() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::filesystem::remove(path);  // file systems flush a file that is emptied and written again
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string png_file(const PngContent& content) {
  // Without a setjmp an error of libpng ends the process, which is right for a mistake in a test.
  std::string file;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &file,
      [](png_structp p, png_bytep data, std::size_t count) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(data), count);
      },
      nullptr);
  png_set_IHDR(png, info, png_uint_32(content.width), png_uint_32(content.height), content.bits,
               content.colour_type, content.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  std::vector<png_color> palette;
  for (std::size_t i = 0; i < content.palette.size(); i += 3)
    palette.push_back({content.palette[i], content.palette[i + 1], content.palette[i + 2]});
  if (!palette.empty()) png_set_PLTE(png, info, palette.data(), int(palette.size()));
  if (!content.transparent.empty())
    png_set_tRNS(png, info, content.transparent.data(), int(content.transparent.size()), nullptr);
  png_write_info(png, info);
  std::vector<std::vector<std::uint8_t>> copies = content.rows;
  std::vector<png_bytep> rows;
  for (auto& row : copies) rows.push_back(row.data());
  png_set_interlace_handling(png);
  png_write_image(png, rows.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return file;
}

std::string jpeg_file(int components, int height, int width, const std::vector<std::uint8_t>& samples,
                      int quality, bool progressive, int orientation) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);  // ends the process on an error, as above
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = JDIMENSION(width);
  info.image_height = JDIMENSION(height);
  info.input_components = components;
  info.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  // Gray in two scans of full precision (each may be repeated in the file), colour in the library's ten.
  const jpeg_scan_info two_scans[] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
  if (progressive && components > 1) jpeg_simple_progression(&info);
  if (progressive && components == 1) {
    info.scan_info = two_scans;
    info.num_scans = 2;
  }
  jpeg_start_compress(&info, TRUE);
  if (orientation != 0) {
    // Big-endian TIFF with one entry: tag 0x0112, type 3 (short), count 1, the value; no further directory.
    const std::uint8_t exif[] = {
        'E', 'x', 'i', 'f',  0,    0, 'M', 'M', 0, 42, 0, 0, 0,
        8,   0,   1,   0x01, 0x12, 0, 3,   0,   0, 0,  1, 0, std::uint8_t(orientation),
        0,   0,   0,   0,    0,    0};
    jpeg_write_marker(&info, JPEG_APP0 + 1, exif, sizeof exif);
  }
  for (int row = 0; row < height; ++row) {
    std::vector<std::uint8_t> line(samples.begin() + std::ptrdiff_t(row) * width * components,
                                   samples.begin() + std::ptrdiff_t(row + 1) * width * components);
    JSAMPROW pointer = line.data();
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  std::string file(reinterpret_cast<char*>(memory), size);
  jpeg_destroy_compress(&info);
  std::free(memory);
  return file;
}

}  // namespace tweedie::test

// A note on the jumps: libpng reports an error by longjmp. Every function here that contains a setjmp has
// only trivial locals, and what must be destroyed lives in its caller, which the jump never leaves.
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <new>

#include "kernels/error.hpp"
#include "tools/codec.hpp"

namespace tweedie {
namespace {

constexpr std::size_t error_length = 200;

/// libpng's error handler: keeps the message in the buffer it was given, then jumps.
[[noreturn]] void keep_error(png_structp png, png_const_charp text) {
  std::snprintf(static_cast<char*>(png_get_error_ptr(png)), error_length, "%s", text);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, png_const_charp) {}

struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string_view rest;
  bool ended_early = false;
  char error[error_length] = "";

  explicit Reader(std::string_view bytes) : rest(bytes) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, error, keep_error, ignore_warning);
    if (png) info = png_create_info_struct(png);
    if (info) return;
    png_destroy_read_struct(&png, &info, nullptr);
    throw std::bad_alloc();
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

void read_bytes(png_structp png, png_bytep out, std::size_t count) {
  Reader& reader = *static_cast<Reader*>(png_get_io_ptr(png));
  if (count > reader.rest.size()) {
    reader.ended_early = true;
    png_error(png, "the file ends early");
  }
  std::memcpy(out, reader.rest.data(), count);
  reader.rest.remove_prefix(count);
}

bool read_header(Reader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_read_fn(reader.png, &reader, read_bytes);
  // Our own limits give the better message; libpng's would come first.
  png_set_user_limits(reader.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_read_info(reader.png, reader.info);
  return true;
}

/// Sets libpng to deliver 8 or 16 bits of gray or RGB.
bool start_rows(Reader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  const int type = png_get_color_type(reader.png, reader.info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(reader.png);
  if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(reader.png);
  png_set_strip_alpha(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_rows(Reader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_read_image(reader.png, rows);
  png_read_end(reader.png, reader.info);
  return true;
}

/// The orientation of an eXIf chunk, which may also follow the pixels; 1 where there is none.
int orientation(const Reader& reader) {
  png_bytep bytes = nullptr;
  png_uint_32 count = 0;
  if (!png_get_eXIf_1(reader.png, reader.info, &count, &bytes)) return 1;
  return exif_orientation({reinterpret_cast<const char*>(bytes), count});
}

[[noreturn]] void fail(const Reader& reader, const std::string& name) {
  throw Error(message(name, reader.ended_early ? ": truncated PNG: " : ": corrupt PNG: ", reader.error));
}

std::vector<png_bytep> row_pointers(Raster& raster, std::size_t row_bytes) {
  std::vector<png_bytep> rows;
  for (int row = 0; row < raster.height; ++row)
    rows.push_back(raster.bytes.data() + std::size_t(row) * row_bytes);
  return rows;
}

struct Writer {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string file;
  char error[error_length] = "";

  Writer() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, error, keep_error, ignore_warning);
    if (png) info = png_create_info_struct(png);
    if (info) return;
    png_destroy_write_struct(&png, &info);
    throw std::bad_alloc();
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

bool append(std::string& file, png_const_bytep data, std::size_t count) noexcept {
  try {
    file.append(reinterpret_cast<const char*>(data), count);
    return true;
  } catch (...) {
    return false;
  }
}

void write_bytes(png_structp png, png_bytep data, std::size_t count) {
  // The exception must not pass through libpng's C frames, nor the jump through a handler.
  if (!append(static_cast<Writer*>(png_get_io_ptr(png))->file, data, count)) png_error(png, "out of memory");
}

bool write_rows(Writer& writer, const Raster& raster, png_bytepp rows) {
  if (setjmp(png_jmpbuf(writer.png))) return false;
  png_set_write_fn(writer.png, &writer, write_bytes, nullptr);
  png_set_IHDR(writer.png, writer.info, png_uint_32(raster.width), png_uint_32(raster.height), 8,
               raster.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer.png, writer.info);
  png_write_image(writer.png, rows);
  png_write_end(writer.png, nullptr);
  return true;
}

}  // namespace

bool is_png(std::string_view bytes) { return bytes.substr(0, 8) == "\x89PNG\r\n\x1a\n"; }

Raster decode_png(std::string_view bytes, const std::string& name, std::vector<std::string>& notes) {
  Reader reader(bytes);
  if (!read_header(reader)) fail(reader, name);
  const std::uint64_t width = png_get_image_width(reader.png, reader.info);
  const std::uint64_t height = png_get_image_height(reader.png, reader.info);
  require_sane_size(name, width, height);
  // Deflate shrinks by at most 1032 to 1, so a small file that claims to be a large image lies.
  const std::uint64_t stored = height * png_get_rowbytes(reader.png, reader.info);
  require(stored / 1032 <= bytes.size(), name, ": corrupt PNG: the header says ", width, " x ", height,
          " pixels, too many for a file of ", bytes.size(), " bytes");
  const bool alpha = png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_ALPHA;
  if (alpha) notes.push_back(name + ": alpha channel ignored");
  if (!alpha && png_get_valid(reader.png, reader.info, PNG_INFO_tRNS))
    notes.push_back(name + ": transparent colours shown as opaque");

  if (!start_rows(reader)) fail(reader, name);
  Raster raster;
  raster.channels = png_get_channels(reader.png, reader.info);
  raster.height = int(height);
  raster.width = int(width);
  raster.peak = png_get_bit_depth(reader.png, reader.info) == 16 ? 65535 : 255;
  const std::size_t row_bytes = png_get_rowbytes(reader.png, reader.info);
  const std::size_t sample_bytes = raster.peak == 255 ? 1 : 2;
  require((raster.channels == 1 || raster.channels == 3) &&
              row_bytes == std::size_t(raster.channels) * std::size_t(raster.width) * sample_bytes,
          name, ": unsupported PNG: ", raster.channels, " channels in rows of ", row_bytes, " bytes");
  raster.bytes.resize(row_bytes * std::size_t(raster.height));
  std::vector<png_bytep> rows = row_pointers(raster, row_bytes);
  if (!read_rows(reader, rows.data())) fail(reader, name);
  const int turn = orientation(reader);
  if (turn != 1) notes.push_back(orientation_note(name, turn));
  return raster;
}

std::string encode_png(const Raster& raster, const std::string& name) {
  require(raster.peak == 255 && raster.bytes.size() == raster.count(), name, ": not an 8-bit raster");
  Writer writer;
  // libpng takes rows to write as pointers to non-const, and leaves them as they are.
  std::vector<png_bytep> rows =
      row_pointers(const_cast<Raster&>(raster), std::size_t(raster.channels) * std::size_t(raster.width));
  require(write_rows(writer, raster, rows.data()), name, ": cannot encode as PNG: ", writer.error);
  return std::move(writer.file);
}

}  // namespace tweedie

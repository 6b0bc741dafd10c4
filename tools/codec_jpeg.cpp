// A note on the jumps: see codec_png.cpp; libjpeg reports errors in the same way.
#include <cstdio>
// jpeglib.h needs size_t and FILE declared before it.
#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>

#include "kernels/error.hpp"
#include "tools/codec.hpp"

namespace tweedie {
namespace {

// A progressive file may repeat its scans without end, each a pass over the whole image.
constexpr int max_scans = 500;

struct Reader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape;
  bool ended_early = false;
  char error[JMSG_LENGTH_MAX] = "";

  Reader() = default;
  ~Reader() { jpeg_destroy_decompress(&info); }  // harmless on one that was never created
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

[[noreturn]] void keep_error(j_common_ptr info) {
  Reader& reader = *static_cast<Reader*>(info->client_data);
  reader.errors.format_message(info, reader.error);
  const int code = reader.errors.msg_code;
  reader.ended_early =
      code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JERR_INPUT_EMPTY || code == JERR_INPUT_EOF;
  std::longjmp(reader.escape, 1);
}

/// libjpeg warns, and invents pixels, where data is damaged: an error here. A few warnings leave every pixel
/// as it was stored; those pass.
void judge_warning(j_common_ptr info, int level) {
  if (level >= 0) return;  // traces
  switch (info->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
      return;
    default:
      keep_error(info);
  }
}

void print_nothing(j_common_ptr) {}

void count_scans(j_common_ptr info) {
  if (!info->is_decompressor) return;
  Reader& reader = *static_cast<Reader*>(info->client_data);
  if (reader.info.input_scan_number <= max_scans) return;
  std::snprintf(reader.error, sizeof reader.error, "more than %d scans", max_scans);
  std::longjmp(reader.escape, 1);
}

bool read_header(Reader& reader, std::string_view bytes) {
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.info.client_data = &reader;
  reader.errors.error_exit = keep_error;
  reader.errors.emit_message = judge_warning;
  reader.errors.output_message = print_nothing;
  if (setjmp(reader.escape)) return false;
  jpeg_create_decompress(&reader.info);
  reader.progress.progress_monitor = count_scans;
  reader.info.progress = &reader.progress;
  jpeg_mem_src(&reader.info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_save_markers(&reader.info, JPEG_APP0 + 1, 0xFFFF);  // EXIF
  jpeg_read_header(&reader.info, TRUE);
  return true;
}

bool read_rows(Reader& reader, Raster& raster, std::size_t row_bytes) {
  if (setjmp(reader.escape)) return false;
  jpeg_start_decompress(&reader.info);
  while (reader.info.output_scanline < reader.info.output_height) {
    JSAMPROW row = raster.bytes.data() + reader.info.output_scanline * row_bytes;
    jpeg_read_scanlines(&reader.info, &row, 1);
  }
  jpeg_finish_decompress(&reader.info);
  return true;
}

[[noreturn]] void fail(const Reader& reader, const std::string& name) {
  throw Error(
      message(name, reader.ended_early ? ": truncated or corrupt JPEG: " : ": corrupt JPEG: ", reader.error));
}

}  // namespace

bool is_jpeg(std::string_view bytes) {
  // The start of an image, and a marker that may follow it (ITU-T T.81, B.1.1.3): from SOF0 on.
  return bytes.size() >= 4 && bytes.substr(0, 3) == "\xff\xd8\xff" &&
         static_cast<unsigned char>(bytes[3]) >= 0xC0;
}

Raster decode_jpeg(std::string_view bytes, const std::string& name, std::vector<std::string>& notes) {
  Reader reader;
  if (!read_header(reader, bytes)) fail(reader, name);
  require_sane_size(name, reader.info.image_width, reader.info.image_height);
  const J_COLOR_SPACE stored = reader.info.jpeg_color_space;
  require(stored == JCS_GRAYSCALE || stored == JCS_YCbCr || stored == JCS_RGB, name, ": unsupported JPEG of ",
          reader.info.num_components, " components (CMYK?), expected gray or colour; convert it to RGB");
  for (jpeg_saved_marker_ptr marker = reader.info.marker_list; marker; marker = marker->next) {
    using namespace std::string_view_literals;
    const std::string_view segment(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (!segment.starts_with("Exif\0\0"sv)) continue;
    const int turn = exif_orientation(segment.substr(6));
    if (turn == 1) continue;
    notes.push_back(orientation_note(name, turn));
    break;
  }

  reader.info.out_color_space = stored == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  Raster raster;
  raster.channels = stored == JCS_GRAYSCALE ? 1 : 3;
  raster.height = int(reader.info.image_height);
  raster.width = int(reader.info.image_width);
  raster.bytes.resize(raster.count());
  if (!read_rows(reader, raster, std::size_t(raster.channels) * std::size_t(raster.width)))
    fail(reader, name);
  return raster;
}

}  // namespace tweedie

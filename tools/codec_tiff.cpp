#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "kernels/error.hpp"
#include "tools/codec.hpp"

namespace tweedie {
namespace {

/// A file in memory as libtiff reads it, and the first error that it reported.
struct Memory {
  std::string_view bytes;
  std::uint64_t position = 0;
  std::array<char, 256> error{};
};

tmsize_t read(thandle_t handle, void* out, tmsize_t wanted) {
  auto& memory = *static_cast<Memory*>(handle);
  const std::uint64_t left =
      memory.bytes.size() - std::min<std::uint64_t>(memory.position, memory.bytes.size());
  const std::size_t count =
      std::size_t(std::min<std::uint64_t>(left, std::uint64_t(std::max<tmsize_t>(wanted, 0))));
  if (count > 0) std::memcpy(out, memory.bytes.data() + memory.position, count);
  memory.position += count;
  return tmsize_t(count);
}
tmsize_t write_nothing(thandle_t, void*, tmsize_t) { return 0; }
toff_t seek(thandle_t handle, toff_t offset, int whence) {
  auto& memory = *static_cast<Memory*>(handle);
  memory.position = whence == SEEK_SET   ? offset
                    : whence == SEEK_CUR ? memory.position + offset
                                         : memory.bytes.size() + offset;
  return memory.position;
}
int close_nothing(thandle_t) { return 0; }
toff_t size(thandle_t handle) { return static_cast<Memory*>(handle)->bytes.size(); }

int keep_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  auto& memory = *static_cast<Memory*>(user);
  if (memory.error[0] == '\0') std::vsnprintf(memory.error.data(), memory.error.size(), format, arguments);
  return 1;  // handled: nothing is printed
}
int ignore_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

using File = std::unique_ptr<TIFF, void (*)(TIFF*)>;

File open(Memory& memory) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             TIFFOpenOptionsFree);
  if (!options) throw std::bad_alloc();
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_error, &memory);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore_warning, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), tmsize_t(1) << 30);
  // "m": no mapping; the bytes are in memory already.
  return {TIFFClientOpenExt("memory", "rm", &memory, read, write_nothing, seek, close_nothing, size, nullptr,
                            nullptr, options.get()),
          TIFFClose};
}

template <class T>
T tag(TIFF* file, std::uint32_t which, T otherwise) {
  T value = otherwise;
  return TIFFGetFieldDefaulted(file, which, &value) == 1 ? value : otherwise;
}

/// How the samples lie in the file.
struct Storage {
  std::uint32_t width, height;
  std::uint16_t samples, bits, format, colour, planes;  // `samples` with alpha and the like
  int channels;
  std::string type;
};

std::string type_of(int bits, int format) {
  const std::string size = std::to_string(bits / 8), order = bits == 8 ? "|" : "<";
  const bool whole = bits == 8 || bits == 16 || bits == 32;
  if (format == SAMPLEFORMAT_UINT && whole) return order + "u" + size;
  if (format == SAMPLEFORMAT_INT && whole) return order + "i" + size;
  if (format == SAMPLEFORMAT_IEEEFP && (bits == 32 || bits == 64)) return order + "f" + size;
  return "";
}

Storage storage_of(TIFF* file, const std::string& name, std::vector<std::string>& notes) {
  Storage s{};
  s.width = tag<std::uint32_t>(file, TIFFTAG_IMAGEWIDTH, 0);
  s.height = tag<std::uint32_t>(file, TIFFTAG_IMAGELENGTH, 0);
  require_sane_size(name, s.width, s.height);
  s.samples = tag<std::uint16_t>(file, TIFFTAG_SAMPLESPERPIXEL, 1);
  s.bits = tag<std::uint16_t>(file, TIFFTAG_BITSPERSAMPLE, 1);
  s.format = tag<std::uint16_t>(file, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
  s.planes = tag<std::uint16_t>(file, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  s.colour = tag<std::uint16_t>(file, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  const bool gray = s.colour == PHOTOMETRIC_MINISBLACK || s.colour == PHOTOMETRIC_MINISWHITE;
  require(gray || s.colour == PHOTOMETRIC_RGB, name, ": unsupported TIFF: colours of kind ", s.colour,
          " (a palette, CMYK, YCbCr, ...), expected gray or RGB");
  s.channels = gray ? 1 : 3;
  require(s.samples >= s.channels && s.samples <= 16, name, ": unsupported TIFF: ", s.samples,
          " samples a pixel");
  s.type = type_of(s.bits, s.format);
  require(!s.type.empty(), name, ": unsupported TIFF: samples of ", s.bits, " bits and format ", s.format,
          ", expected whole numbers of 8, 16 or 32 bits or real ones of 32 or 64");
  require(s.colour != PHOTOMETRIC_MINISWHITE || s.type[1] == 'u', name,
          ": unsupported TIFF: negative of signed or real numbers");
  if (s.samples > s.channels) notes.push_back(name + ": alpha channel ignored");
  const int turn = tag<std::uint16_t>(file, TIFFTAG_ORIENTATION, 1);
  if (turn != 1) notes.push_back(message(name, ": TIFF orientation ", turn, " ignored, read as stored"));
  return s;
}

float sample_at(const std::uint8_t* at, const std::string& type) {
  const auto as = [&]<class T>(T value) {
    std::memcpy(&value, at, sizeof value);
    return static_cast<float>(value);
  };
  const char size = type[2];
  if (type[1] == 'f') return size == '4' ? as(float{}) : as(double{});
  if (type[1] == 'u')
    return size == '1' ? as(std::uint8_t{}) : size == '2' ? as(std::uint16_t{}) : as(std::uint32_t{});
  return size == '1' ? as(std::int8_t{}) : size == '2' ? as(std::int16_t{}) : as(std::int32_t{});
}

/// A strip or tile: where it lies, and how many rows and columns are stored.
struct Block {
  std::uint32_t index, top, left, rows, columns;
  int first_channel;
};

/// Copies what of a block lies inside the image; `interleaved` samples make a pixel.
void copy_block(TiffSamples& out, const Storage& s, const Block& block,
                const std::vector<std::uint8_t>& bytes, std::size_t interleaved) {
  const std::size_t sample_bytes = s.bits / 8u;
  const int channels = interleaved > 1 ? out.channels : 1;
  for (std::uint32_t row = 0; row < block.rows && block.top + row < s.height; ++row)
    for (std::uint32_t column = 0; column < block.columns && block.left + column < s.width; ++column)
      for (int c = 0; c < channels; ++c) {
        const std::size_t from = (std::size_t(row) * block.columns + column) * interleaved + std::size_t(c);
        const std::size_t plane = std::size_t(block.first_channel + c) * s.height;
        out.values[(plane + block.top + row) * s.width + block.left + column] =
            sample_at(bytes.data() + from * sample_bytes, s.type);
      }
}

void read_blocks(TiffSamples& out, TIFF* file, const Storage& s, const Memory& memory,
                 const std::string& name) {
  const bool tiled = TIFFIsTiled(file) != 0, separate = s.planes == PLANARCONFIG_SEPARATE;
  std::uint32_t rows = s.height, columns = s.width;
  if (tiled) {
    columns = tag<std::uint32_t>(file, TIFFTAG_TILEWIDTH, 0);
    rows = tag<std::uint32_t>(file, TIFFTAG_TILELENGTH, 0);
  } else {
    rows = std::min(s.height, tag<std::uint32_t>(file, TIFFTAG_ROWSPERSTRIP, s.height));
  }
  require(rows > 0 && columns > 0 && rows <= 2 * max_image_side && columns <= 2 * max_image_side, name,
          ": corrupt TIFF: blocks of ", columns, " x ", rows, " pixels");
  const std::size_t interleaved = separate ? 1 : s.samples;
  const std::size_t wanted = std::size_t(rows) * columns * interleaved * (s.bits / 8u);
  const auto stored = std::size_t(std::max<tmsize_t>(0, tiled ? TIFFTileSize(file) : TIFFStripSize(file)));
  require(stored == wanted && wanted <= std::size_t(1) << 30, name, ": corrupt TIFF: blocks of ", stored,
          " bytes, expected ", wanted);
  std::vector<std::uint8_t> bytes(wanted);
  std::uint32_t index = 0;
  for (int plane = 0; plane < (separate ? out.channels : 1); ++plane)
    for (std::uint32_t top = 0; top < s.height; top += rows)
      for (std::uint32_t left = 0; left < s.width; left += columns, ++index) {
        // The last strip may hold fewer rows.
        const std::uint32_t held = tiled ? rows : std::min(rows, s.height - top);
        const auto expected = tmsize_t(wanted / rows * held);
        const tmsize_t got = tiled ? TIFFReadEncodedTile(file, index, bytes.data(), expected)
                                   : TIFFReadEncodedStrip(file, index, bytes.data(), expected);
        require(got == expected, name, ": truncated or corrupt TIFF: ",
                memory.error[0] ? memory.error.data() : "pixels are missing");
        copy_block(out, s, {index, top, left, held, columns, plane}, bytes, interleaved);
      }
}

}  // namespace

bool is_tiff(std::string_view start, std::uint64_t file_size) {
  if (start.size() < 8) return false;
  const bool little = start.substr(0, 2) == "II";
  if (!little && start.substr(0, 2) != "MM") return false;
  const auto number = [&](std::size_t at, std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
      value |= std::uint64_t(static_cast<unsigned char>(start[at + i])) << 8 * (little ? i : count - 1 - i);
    return value;
  };
  if (number(2, 2) == 42) return number(4, 4) >= 8 && number(4, 4) < file_size;
  return start.size() >= 16 && number(2, 2) == 43 && number(4, 2) == 8 && number(8, 8) >= 16 &&
         number(8, 8) < file_size;
}

TiffSamples decode_tiff(std::string_view bytes, const std::string& name, std::vector<std::string>& notes) {
  Memory memory{bytes, 0, {}};
  const File file = open(memory);
  require(file != nullptr, name, ": truncated or corrupt TIFF: ", memory.error.data());
  const Storage s = storage_of(file.get(), name, notes);
  TiffSamples out{s.channels, int(s.height), int(s.width), s.type, {}};
  // No compression of pixels unfolds more than some thousand times: a small file that claims more lies.
  const std::uint64_t count = std::uint64_t(s.width) * s.height * std::uint64_t(s.channels);
  require(count / 100000 <= bytes.size(), name, ": corrupt TIFF: the header says ", s.width, " x ", s.height,
          " pixels, too many for a file of ", bytes.size(), " bytes");
  out.values.resize(std::size_t(count));
  read_blocks(out, file.get(), s, memory, name);
  if (s.colour == PHOTOMETRIC_MINISWHITE) {
    const auto peak = float((std::uint64_t{1} << s.bits) - 1);
    for (float& value : out.values) value = peak - value;
  }
  if (TIFFLastDirectory(file.get()) == 0) notes.push_back(name + ": only the first of its images is read");
  return out;
}

}  // namespace tweedie

#include "tools/train/gunzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

/// A zlib stream that ends itself.
struct Inflater {
  z_stream stream{};
  explicit Inflater(const std::string& name) {
    const int status = inflateInit2(&stream, MAX_WBITS + 16);  // 16: gzip's header and checksum
    require(status == Z_OK, name, ": zlib cannot be started");
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.substr(0, 3) == "\x1f\x8b\x08"; }

std::string gunzip(std::string_view bytes, const std::string& name, std::size_t max_bytes) {
  require(bytes.size() <= std::numeric_limits<uInt>::max(), name, ": a gzip file of 4 GiB or more");
  Inflater inflater(name);
  z_stream& stream = inflater.stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // zlib does not write to it
  stream.avail_in = uInt(bytes.size());
  std::string out;
  std::string block(std::size_t(1) << 18, '\0');
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = uInt(block.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    const std::size_t made = block.size() - stream.avail_out;
    require(made <= max_bytes - out.size(), name, ": holds more than ", max_bytes,
            " bytes, the most that is read");
    out.append(block, 0, made);
    if (status == Z_STREAM_END) {
      if (stream.avail_in == 0) return out;
      const int again = inflateReset(&stream);  // a further member
      require(again == Z_OK, name, ": zlib cannot be started");
      continue;
    }
    const bool starved = status == Z_BUF_ERROR || (status == Z_OK && stream.avail_in == 0 && made == 0);
    require(!starved, name, ": truncated gzip file");
    require(status == Z_OK, name, ": damaged gzip file");
  }
}

}  // namespace tweedie

#include "weights/checkpoints/zip_archive.hpp"

#include <zip.h>

#include <algorithm>

#include "kernels/error.hpp"

namespace tweedie {

struct ZipArchive::State {
  std::shared_ptr<const ByteSource> source;
  std::uint64_t position = 0;
  zip_error_t error{};
  zip_t* archive = nullptr;

  /// Sizes and methods of an entry, all of them known.
  zip_stat_t status(zip_uint64_t index, const std::string& where) const {
    zip_stat_t status;
    zip_stat_init(&status);
    const zip_uint64_t wanted =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    require(zip_stat_index(archive, index, 0, &status) == 0 && (status.valid & wanted) == wanted, where,
            " is damaged");
    return status;
  }

  /// Fills `out` with an entry's bytes from `offset` on; `to_end`: these are all, to be held to the checksum.
  void fill(std::span<std::byte> out, const std::string& entry, std::uint64_t offset, bool to_end) const;
};

namespace {

// Deflate's densest code: one bit for a length and one for a distance make 258 bytes.
constexpr std::uint64_t most_unfolding = 1032;

// libzip's view of a ByteSource: https://libzip.org/documentation/zip_source_function.html. No exception may
// pass through the library, so a failed read becomes its error code.
template <class State>
zip_int64_t serve(void* user, void* data, zip_uint64_t length, zip_source_cmd_t command) {
  auto& s = *static_cast<State*>(user);
  switch (command) {
    case ZIP_SOURCE_SUPPORTS:
      return zip_source_make_command_bitmap(ZIP_SOURCE_SUPPORTS, ZIP_SOURCE_OPEN, ZIP_SOURCE_READ,
                                            ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
                                            ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_FREE, -1);
    case ZIP_SOURCE_OPEN:
      s.position = 0;
      return 0;
    case ZIP_SOURCE_READ: {
      const std::uint64_t left = s.source->size() - std::min(s.position, s.source->size());
      const std::uint64_t count = std::min<std::uint64_t>(length, left);
      try {
        s.source->read({static_cast<std::byte*>(data), static_cast<std::size_t>(count)}, s.position);
      } catch (const std::exception&) {
        zip_error_set(&s.error, ZIP_ER_READ, 0);
        return -1;
      }
      s.position += count;
      return static_cast<zip_int64_t>(count);
    }
    case ZIP_SOURCE_STAT: {
      auto& status = *static_cast<zip_stat_t*>(data);
      zip_stat_init(&status);
      status.valid = ZIP_STAT_SIZE;
      status.size = s.source->size();
      return sizeof(zip_stat_t);
    }
    case ZIP_SOURCE_SEEK: {
      const zip_int64_t target =
          zip_source_seek_compute_offset(s.position, s.source->size(), data, length, &s.error);
      if (target < 0) return -1;
      s.position = static_cast<std::uint64_t>(target);
      return 0;
    }
    case ZIP_SOURCE_TELL:
      return static_cast<zip_int64_t>(s.position);
    case ZIP_SOURCE_ERROR:
      return zip_error_to_data(&s.error, data, length);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
      return 0;
    default:
      zip_error_set(&s.error, ZIP_ER_OPNOTSUPP, 0);
      return -1;
  }
}

}  // namespace

// The record (APPNOTE.TXT 4.3.16) has 22 bytes and a comment of up to 65535, whose length it states.
bool is_zip(const ByteSource& source) {
  constexpr std::size_t record = 22;
  if (source.size() < record) return false;
  std::string end(std::min<std::uint64_t>(record + 65535, source.size()), '\0');
  source.read(std::as_writable_bytes(std::span(end)), source.size() - end.size());
  for (std::size_t at = end.size() - record + 1; at-- > 0;) {
    const auto byte = [&](std::size_t i) { return std::size_t(static_cast<unsigned char>(end[at + i])); };
    if (end.compare(at, 4, "PK\x05\x06") == 0 && at + record + byte(20) + 256 * byte(21) == end.size())
      return true;
  }
  return false;
}

ZipArchive::ZipArchive(std::shared_ptr<const ByteSource> source) : state_(std::make_unique<State>()) {
  const std::string name = source->name();
  state_->source = std::move(source);
  zip_error_init(&state_->error);
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* bytes = zip_source_function_create(serve<State>, state_.get(), &error);
  if (bytes != nullptr) state_->archive = zip_open_from_source(bytes, ZIP_RDONLY, &error);
  if (state_->archive == nullptr) {
    const std::string reason = zip_error_strerror(&error);
    if (bytes != nullptr) zip_source_free(bytes);
    zip_error_fini(&error);
    throw Error(message(name, ": truncated or damaged zip archive: ", reason));
  }
  zip_error_fini(&error);
}

ZipArchive::~ZipArchive() { zip_discard(state_->archive); }

std::vector<std::string> ZipArchive::names() const {
  std::vector<std::string> names;
  const zip_int64_t count = zip_get_num_entries(state_->archive, 0);
  for (zip_int64_t i = 0; i < count; ++i)
    if (const char* name = zip_get_name(state_->archive, static_cast<zip_uint64_t>(i), 0))
      names.emplace_back(name);
  return names;
}

void ZipArchive::State::fill(std::span<std::byte> out, const std::string& entry, std::uint64_t offset,
                             bool to_end) const {
  const std::string where = source->name() + ": the entry " + entry;
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen(archive, entry.c_str(), 0),
                                                               zip_fclose);
  require(file != nullptr, where, " is damaged: ", zip_strerror(archive));
  const auto fail = [&] {
    const bool checksum = zip_error_code_zip(zip_file_get_error(file.get())) == ZIP_ER_CRC;
    throw Error(where +
                (checksum
                     ? " does not match its checksum: damaged, or saved without (set_crc32_options(False))"
                     : " is truncated or damaged"));
  };
  if (offset > 0 && zip_fseek(file.get(), static_cast<zip_int64_t>(offset), SEEK_SET) != 0) fail();
  for (std::size_t done = 0; done < out.size();) {
    const zip_int64_t got = zip_fread(file.get(), out.data() + done, out.size() - done);
    if (got <= 0) fail();
    done += static_cast<std::size_t>(got);
  }
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION  // a fuzzer's mutations could not get past a checksum
  // The library compares the checksum when it meets the end, which takes one more read.
  std::byte beyond{};
  if (to_end && zip_fread(file.get(), &beyond, 1) != 0) fail();
#endif
}

std::optional<std::uint64_t> ZipArchive::size(const std::string& entry) const {
  const zip_int64_t index = zip_name_locate(state_->archive, entry.c_str(), 0);
  if (index < 0) return std::nullopt;
  const std::string where = state_->source->name() + ": the entry " + entry;
  const zip_stat_t status = state_->status(static_cast<zip_uint64_t>(index), where);
  require(status.comp_method == ZIP_CM_STORE && status.encryption_method == ZIP_EM_NONE, where,
          " is compressed or encrypted; torch.save stores entries as they are");
  require(status.size == status.comp_size && status.size <= state_->source->size(), where, " claims ",
          status.size, " bytes, more than the file has");
  return status.size;
}

void ZipArchive::read(std::span<std::byte> out, const std::string& entry, std::uint64_t offset) const {
  const std::string where = state_->source->name() + ": the entry " + entry;
  const std::optional<std::uint64_t> whole = size(entry);
  require(whole.has_value(), where, " is missing");
  require(offset <= *whole && out.size() <= *whole - offset, where, " has ", *whole, " bytes, wanted are ",
          out.size(), " from byte ", offset);
  state_->fill(out, entry, offset, offset == 0 && out.size() == *whole);
}

std::vector<std::byte> ZipArchive::inflated(const std::string& entry) const {
  const std::string where = state_->source->name() + ": the entry " + entry;
  const zip_int64_t index = zip_name_locate(state_->archive, entry.c_str(), 0);
  require(index >= 0, where, " is missing");
  const zip_stat_t status = state_->status(static_cast<zip_uint64_t>(index), where);
  require(status.encryption_method == ZIP_EM_NONE, where, " is encrypted");
  require(status.comp_method == ZIP_CM_STORE || status.comp_method == ZIP_CM_DEFLATE, where,
          " is compressed in another way than deflate");
  const std::uint64_t unfolding = status.comp_method == ZIP_CM_STORE ? 1 : most_unfolding;
  require(status.comp_size <= state_->source->size() && status.size / unfolding <= status.comp_size, where,
          " claims ", status.size, " bytes, more than the file can hold");
  std::vector<std::byte> bytes(static_cast<std::size_t>(status.size));
  state_->fill(bytes, entry, 0, true);
  return bytes;
}

}  // namespace tweedie

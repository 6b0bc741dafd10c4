#include "weights/checkpoints/state_dict_writer.hpp"

#include <zip.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

struct Written {
  std::string key;
  Extents extents;
  Element element;
  std::uint64_t offset, bytes;  // in the file of all tensors' bytes
};

// Tensors' bytes go to a file of their own first: both formats want to know all of them before the first.
class StateDictWriter : public TensorOutput {
 public:
  StateDictWriter(const std::string& path, Existing existing)
      : path_(path),
        output_(path, existing),
        data_(path, existing),
        stream_(data_.path(), std::ios::binary) {}

  void write(const std::string& key, const Extents& extents, std::span<const float> values,
             Element stored) override {
    const std::string where = path_ + ": the tensor " + key;
    require(keys_.insert(key).second, where, " is written twice");
    require_finite(values, where);
    std::vector<std::uint16_t> bits;
    if (stored != Element::f32) bits = encode_sixteen_bits(values, stored, where);
    const std::span<const std::byte> bytes =
        stored == Element::f32 ? std::as_bytes(values) : std::as_bytes(std::span(bits));
    put(stream_, bytes.data(), bytes.size());
    written_.push_back({key, extents, stored, size_, bytes.size()});
    size_ += bytes.size();
  }

  void commit() override {
    stream_.close();
    require(!stream_.fail(), path_, ": cannot write: ", std::strerror(errno));
    assemble();
    output_.commit();
  }

 protected:
  virtual void assemble() = 0;

  void put(std::ostream& stream, const void* bytes, std::size_t count) const {
    stream.write(static_cast<const char*>(bytes), std::streamsize(count));
    const int failure = errno;
    require(stream.good(), path_, ": cannot write: ", std::strerror(failure));
  }

  std::string path_;
  StagedFile output_, data_;
  std::vector<Written> written_;

 private:
  std::ofstream stream_;
  std::set<std::string> keys_;
  std::uint64_t size_ = 0;
};

class SafetensorsWriter final : public StateDictWriter {
 public:
  using StateDictWriter::StateDictWriter;

 private:
  void assemble() override {
    nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
    for (const Written& tensor : written_) {
      const char* type = tensor.element == Element::f32   ? "F32"
                         : tensor.element == Element::f16 ? "F16"
                                                          : "BF16";
      header[tensor.key] = {{"dtype", type},
                            {"shape", tensor.extents},
                            {"data_offsets", {tensor.offset, tensor.offset + tensor.bytes}}};
    }
    std::string text = header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    std::ofstream file(output_.path(), std::ios::binary);
    const std::uint64_t length = text.size();
    put(file, &length, sizeof length);
    put(file, text.data(), text.size());
    std::ifstream data(data_.path(), std::ios::binary);
    std::vector<char> piece(std::size_t{1} << 20);
    while (data.read(piece.data(), std::streamsize(piece.size())), data.gcount() > 0)
      put(file, piece.data(), std::size_t(data.gcount()));
    file.close();
    require(!file.fail(), path_, ": cannot write: ", std::strerror(errno));
  }
};

// The opcodes of a pickle (protocol 2; names as in Python's pickletools).
class PickleText {
 public:
  PickleText& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  PickleText& word(std::int64_t value) {  // BININT and BINPUT's kin count in four bytes, little-endian
    for (int i = 0; i < 4; ++i) bytes_ += char(std::uint64_t(value) >> (8 * i) & 0xFF);
    return *this;
  }
  PickleText& text(const std::string& value) {  // BINUNICODE
    return raw("X").word(std::int64_t(value.size())).raw(value);
  }
  PickleText& integer(std::int64_t value) {  // BININT, LONG1 where that is too short
    if (value <= 0x7FFFFFFF) return raw("J").word(value);
    raw(std::string_view("\x8a\x08", 2)).word(value & 0xFFFFFFFF);
    return word(value >> 32);
  }
  PickleText& integers(const std::vector<std::int64_t>& values) {  // MARK ... TUPLE
    raw("(");
    for (const std::int64_t value : values) integer(value);
    return raw("t");
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

std::string pickle_of(const std::vector<Written>& tensors) {
  PickleText pickle;
  pickle.raw(std::string_view("\x80\x02}(", 4));  // protocol 2, an empty dict, MARK
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Written& tensor = tensors[i];
    const char* type = tensor.element == Element::f32   ? "FloatStorage"
                       : tensor.element == Element::f16 ? "HalfStorage"
                                                        : "BFloat16Storage";
    std::vector<std::int64_t> strides(tensor.extents.size(), 1);
    for (std::size_t axis = strides.size(); axis-- > 1;)
      strides[axis - 1] = strides[axis] * tensor.extents[axis];
    pickle.text(tensor.key).raw("ctorch._utils\n_rebuild_tensor_v2\n((").text("storage");
    pickle.raw(message("ctorch\n", type, "\n")).text(std::to_string(i)).text("cpu");
    pickle.integer(element_count(tensor.extents)).raw("tQ");  // a persistent id: the storage's entry
    pickle.integer(0).integers(tensor.extents).integers(strides);
    pickle.raw(
        "\x89"
        "ccollections\nOrderedDict\n)RtR");  // no gradient wanted, no hooks; the call
  }
  return pickle.raw("u.").bytes();
}

class TorchWriter final : public StateDictWriter {
 public:
  using StateDictWriter::StateDictWriter;

 private:
  void assemble() override {
    const std::string pickle = pickle_of(written_), version = "3\n", order = "little";
    int code = 0;
    zip_t* archive = zip_open(output_.path().c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
    require(archive, path_, ": cannot write: libzip's error ", code);
    std::unique_ptr<zip_t, void (*)(zip_t*)> discarded(archive, zip_discard);
    const auto add = [&](const std::string& name, zip_source_t* content) {
      const zip_int64_t index = content ? zip_file_add(archive, ("archive/" + name).c_str(), content, 0) : -1;
      if (index < 0 && content) zip_source_free(content);
      const bool stored = index >= 0 &&
                          zip_set_file_compression(archive, zip_uint64_t(index), ZIP_CM_STORE, 0) == 0 &&
                          zip_file_set_dostime(archive, zip_uint64_t(index), 0, 0x21, 0) == 0;  // 1980-01-01
      require(stored, path_, ": cannot write: ", zip_strerror(archive));
    };
    const auto text = [&](const std::string& content) {
      return zip_source_buffer(archive, content.data(), content.size(), 0);
    };
    add("data.pkl", text(pickle));
    add("byteorder", text(order));
    for (std::size_t i = 0; i < written_.size(); ++i) {
      const Written& tensor = written_[i];  // a length of 0 would mean: to the end of the file
      add(message("data/", i), tensor.bytes == 0 ? text({})
                                                 : zip_source_file(archive, data_.path().c_str(),
                                                                   tensor.offset, zip_int64_t(tensor.bytes)));
    }
    add("version", text(version));
    require(zip_close(archive) == 0, path_, ": cannot write: ", zip_strerror(archive));
    discarded.release();  // closed
  }
};

}  // namespace

std::unique_ptr<TensorOutput> write_torch(const std::string& path, Existing existing) {
  return std::make_unique<TorchWriter>(path, existing);
}

std::unique_ptr<TensorOutput> write_safetensors(const std::string& path, Existing existing) {
  return std::make_unique<SafetensorsWriter>(path, existing);
}

}  // namespace tweedie

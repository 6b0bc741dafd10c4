// Checkpoints written byte by byte, so that tests can make every kind, the sound and the evil.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/error.hpp"
#include "weights/checkpoints/byte_source.hpp"
#include "weights/checkpoints/checkpoint.hpp"

namespace tweedie::test {

/// Emits the opcodes of a pickle of protocol 2.
class Pickle {
 public:
  explicit Pickle(int protocol = 2) { op(0x80).op(protocol); }
  Pickle& op(int code) { return raw(std::string(1, static_cast<char>(code))); }
  Pickle& raw(const std::string& bytes);
  Pickle& little(std::uint64_t value, int bytes);
  Pickle& text(const std::string& value);
  Pickle& integer(std::int64_t value);
  Pickle& tuple(const std::vector<std::int64_t>& values);
  Pickle& global(const std::string& module, const std::string& name);
  /// An empty OrderedDict, made by a call.
  Pickle& ordered_dict();
  /// The finished pickle.
  std::string stop() const { return bytes_ + "."; }
  /// A dict {KEY: TRUTH}.
  Pickle& truth(const std::string& key, bool value) {
    return op('}').text(key).op(value ? 0x88 : 0x89).op('s');
  }
  /// The opcodes alone, to go into another pickle.
  std::string body() const { return bytes_.substr(2); }

 private:
  std::string bytes_;
};

struct CraftedStorage {
  std::string key;
  std::string type;    ///< "FloatStorage"
  std::int64_t count;  ///< elements, as claimed
  std::string bytes;   ///< as stored
};

struct CraftedTensor {
  std::string name;
  std::size_t storage;
  std::int64_t offset;
  std::vector<std::int64_t> extents;
  std::vector<std::int64_t> strides;
  bool parameter = false;     ///< wrapped in _rebuild_parameter
  std::string metadata = {};  ///< opcodes of a seventh argument of _rebuild_tensor_v2
};

/// A checkpoint to be: a sound one unless its parts contradict each other.
struct Crafted {
  std::vector<CraftedStorage> storages;
  std::vector<CraftedTensor> tensors;
  std::string nested_under;  ///< key of the state dict in an outer dict; "" for a bare one
  std::string location = "cpu";
  std::string extra;  ///< opcodes of further keys and values beside the tensors (or the state dict)
  std::string prefix = "archive";  ///< of the zip's entries
  std::string byteorder;           ///< content of the zip's entry of that name; "" for none
};

/// Opcodes of a dict of tensors, which view the storages of `crafted`.
std::string dict_of(const Crafted& crafted, const std::vector<CraftedTensor>& tensors);

/// The pickle of its state dict; both containers hold it.
std::string pickle_of(const Crafted& crafted);

/// The whole file, in PyTorch's zip container, in its legacy container.
std::string zip_of(const Crafted& crafted);
std::string legacy_of(const Crafted& crafted);

/// A zip archive of stored entries.
std::string zip_archive(const std::vector<std::pair<std::string, std::string>>& entries);

/// A safetensors file of a JSON header and the bytes behind it.
std::string safetensors_of(const std::string& header, const std::string& data);

/// Little-endian bytes of numbers.
template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// Two float tensors (2, 3) and (4), values 0, 1, 2, ... and 10, 11, 12, 13.
Crafted two_tensors();

/// Opens bytes as a checkpoint called "crafted".
Checkpoint open(const std::string& bytes);

/// Values of the tensor of that name; fails the test when there is none.
std::vector<float> values_of(const Checkpoint& checkpoint, const std::string& name);

/// What `Error` a call throws; "" when it throws none. Other exceptions fail the test.
std::string error_of(const std::function<void()>& call);

/// Checks that a message is a single line that contains the text.
void check_says(const std::string& message, const std::string& text);

/// A folder that is empty at first and gone afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  /// Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& bytes) const;
  /// Names of the files in it, sorted.
  std::vector<std::string> files() const;

 private:
  std::string folder_;
};

/// Bytes of a file.
std::string read_file(const std::string& path);

}  // namespace tweedie::test

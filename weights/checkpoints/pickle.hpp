// Reads the pickles that torch.save writes. A reader, not an interpreter: no name in the file is ever looked
// up or called; the few globals that describe tensors are known by their meaning, any other is refused.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weights/checkpoints/byte_source.hpp"
#include "weights/element.hpp"
#include "weights/tensor_source.hpp"

namespace tweedie::pickle {

/// Bytes of a source in order, buffered; never reads past the end.
class Cursor {
 public:
  explicit Cursor(const ByteSource& source, std::uint64_t position = 0) : source_(source), next_(position) {}

  std::uint8_t byte();
  /// The next `count` bytes; throws `Error` before allocating when there are fewer.
  std::string take(std::uint64_t count);
  /// A little-endian unsigned number of 1, 2, 4 or 8 bytes.
  std::uint64_t number(int bytes);
  std::uint64_t position() const { return next_ - (buffer_.size() - used_); }
  const ByteSource& source() const { return source_; }

 private:
  void fill();

  const ByteSource& source_;
  std::uint64_t next_;  ///< where the byte after the buffer lies
  std::vector<std::byte> buffer_;
  std::size_t used_ = 0;
};

/// Index of a value in its document. Values refer to each other by index: a file can then build neither
/// ownership cycles nor chains deep enough to overflow the stack.
using Ref = std::uint32_t;

enum class Kind {
  none,
  boolean,
  integer,
  real,
  text,
  bytes,
  big_integer,
  list,
  mapping,
  global,
  storage,
  tensor,
  unread_tensor,  ///< of a kind that is not read; the text is what makes it
  opaque          ///< data of a class that has nothing to do with tensors; the text is its name
};

struct Value {
  Kind kind = Kind::none;
  std::int64_t integer = 0;     ///< boolean, integer; index of a storage, tensor or global
  std::string text = {};        ///< text, bytes, big_integer (little-endian two's complement), a class's name
  std::vector<Ref> items = {};  ///< list, tuple or set: its elements; mapping: keys and values in turn
};

/// A block of elements kept outside the pickle, by its key in the container.
struct Storage {
  std::string key;
  std::string type;  ///< "FloatStorage", ...
  Element element = Element::other;
  int element_size = 0;    ///< bytes
  std::int64_t count = 0;  ///< elements it claims to have
};

/// A strided view of a storage, as the file states it, unchecked.
struct Tensor {
  std::size_t storage = 0;
  std::int64_t offset = 0;
  Extents extents;
  std::vector<std::int64_t> strides;
  bool negated = false;  ///< the storage holds the negatives of the values (a lazy negation)
};

struct Document {
  std::vector<Value> values;
  std::vector<Storage> storages;
  std::vector<Tensor> tensors;
  Ref root = 0;

  const Value& at(Ref ref) const { return values[ref]; }
};

/// Reads one pickle (protocols 2 to 5) from the cursor, which ends up just behind it. Throws `Error` when it
/// is damaged, larger than any index of tensors is (64 MiB, 2 million values), or asks for a global that is
/// neither a tensor's nor a known class of plain data, which the message names.
Document read(Cursor& cursor);

}  // namespace tweedie::pickle

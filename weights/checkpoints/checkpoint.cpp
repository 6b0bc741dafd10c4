#include "weights/checkpoints/checkpoint.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "kernels/error.hpp"
#include "weights/checkpoints/containers.hpp"
#include "weights/checkpoints/zip_archive.hpp"

namespace tweedie {

namespace {

// One file may show one storage through several tensors, but not many times over: a small file must not
// unfold into a huge one.
constexpr std::uint64_t most_unfolding = 16;

// What begins like something else, for messages: the bytes, and what to say of them.
std::string other_kind(const std::string& start) {
  const auto begins = [&](std::string_view bytes) { return start.starts_with(bytes); };
  if (begins("\x89HDF\r\n\x1a\n")) return "an HDF5 file, not a checkpoint; is it converted already?";
  if (begins("\x1f\x8b")) return "compressed by gzip: unpack it first";
  if (begins("<!DOCTYPE") || begins("<html")) return "a web page, not a checkpoint: was it downloaded whole?";
  if (begins("version https://git-lfs")) return "a pointer of Git LFS, not the file it stands for";
  if (start.size() > 1 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5)
    return "a pickle, but not a checkpoint of torch.save (the magic number is missing)";
  return "";
}

Container open_container(const std::shared_ptr<const ByteSource>& source) {
  std::string start(std::min<std::uint64_t>(24, source->size()), '\0');
  source->read(std::as_writable_bytes(std::span(start)), 0);
  require(start.size() > 8, source->name(), ": not a checkpoint: only ", start.size(), " bytes long");
  if (is_safetensors(*source)) return open_safetensors(source);
  if (is_torch_legacy(*source)) return open_torch_legacy(source);
  if (is_zip(*source) || start.starts_with("PK\x03\x04")) return open_torch_zip(source);
  const std::string other = other_kind(start);
  require(other.empty(), source->name(), ": ", other);
  std::uint64_t length = 0;
  std::memcpy(&length, start.data(), sizeof length);
  require(start[8] != '{', source->name(), ": truncated or damaged: the safetensors header claims ", length,
          " bytes of ", source->size());
  throw Error(
      message(source->name(),
              ": not a checkpoint: no zip archive (its directory is missing), no legacy file of PyTorch "
              "(its magic number is missing), no safetensors (no header begins at byte 8)"));
}

// Elements from the first to the last that the view touches, counted from its offset.
std::int64_t span_of(const TensorEntry& tensor, const std::string& where) {
  std::int64_t last = 0;
  for (std::size_t axis = 0; axis < tensor.extents.size(); ++axis) {
    std::int64_t step = 0;
    const bool overflows = __builtin_mul_overflow(tensor.extents[axis] - 1, tensor.strides[axis], &step) ||
                           __builtin_add_overflow(last, step, &last);
    require(!overflows && tensor.strides[axis] >= 0, where, ": impossible strides");
  }
  return last + 1;
}

void check_view(const TensorEntry& tensor, const StorageInfo& storage, const std::string& where) {
  require(tensor.offset >= 0, where, ": negative offset");
  if (element_count(tensor.extents) == 0) return;
  const std::int64_t span = span_of(tensor, where);
  const auto held =
      static_cast<std::int64_t>(storage.bytes / static_cast<std::uint64_t>(storage.element_size));
  require(span <= held && tensor.offset <= held - span, where, ": reaches to element ", tensor.offset, " + ",
          span, " of a storage of ", held);
}

}  // namespace

Checkpoint::Checkpoint(std::shared_ptr<const ByteSource> source, const std::string& entry)
    : source_(std::move(source)) {
  Container container = open_container(source_);
  container_ = std::move(container.kind);
  storages_ = std::move(container.reader);
  ChosenTensors chosen = choose_tensors(container.entries, container.keys, entry, source_->name());
  tensors_ = std::move(chosen.tensors);
  notices_ = std::move(chosen.notices);

  std::set<std::string> names;
  std::uint64_t total = 0;
  for (const TensorEntry& tensor : tensors_) {
    const std::string where = source_->name() + ": the tensor " + tensor.name;
    require(names.insert(tensor.name).second, where, " is there twice");
    if (!tensor.described) continue;
    const StorageInfo& storage = container.storages[tensor.storage];
    check_view(tensor, storage, where);
    const auto count = static_cast<std::uint64_t>(element_count(tensor.extents));
    const std::uint64_t limit = most_unfolding * source_->size();
    require(count <= limit, where, " of shape ", to_string(tensor.extents),
            " has more elements than the file can");
    total += count * static_cast<std::uint64_t>(storage.element_size);
    require(total <= limit, where, ": its tensors are more than ", most_unfolding,
            " times as large as the file");
  }
}

Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;

namespace {

std::size_t size_of(Element element) {
  switch (element) {
    case Element::f16:
    case Element::bf16:
      return 2;
    case Element::f32:
      return 4;
    case Element::f64:
      return 8;
    case Element::other:
      break;
  }
  return 0;
}

bool is_row_major(const TensorEntry& tensor) {
  std::int64_t expected = 1;
  for (std::size_t axis = tensor.extents.size(); axis-- > 0;) {
    if (tensor.extents[axis] != 1 && tensor.strides[axis] != expected) return false;
    expected *= tensor.extents[axis];
  }
  return true;
}

// Errors: a finite double became infinite as the float of the same place, or the values as a whole lost a
// noticeable part of their size, being too small for a float.
void require_kept(const std::vector<float>& values, const std::vector<std::byte>& doubles,
                  const std::string& what) {
  // Sums of squares would underflow, too.
  double lost = 0, whole = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    double stored = 0;
    std::memcpy(&stored, doubles.data() + i * sizeof stored, sizeof stored);
    require(std::isfinite(values[i]) || !std::isfinite(stored), what, " has the value ", stored,
            " at element ", i, ", too large for f32");
    lost += std::abs(stored - values[i]);
    whole += std::abs(stored);
  }
  require(!std::isfinite(whole) || lost <= 0.01 * whole, what, " loses ", 100 * lost / whole,
          " % of its size as f32: its values are too small");
}

// Picks the view's elements, in row-major order, out of the span of memory it touches.
std::vector<float> gather(const std::vector<float>& span, const TensorEntry& tensor, std::size_t count) {
  std::vector<float> values;
  values.reserve(count);
  std::vector<std::int64_t> index(tensor.extents.size(), 0);
  std::int64_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(span[static_cast<std::size_t>(at)]);
    for (std::size_t axis = index.size(); axis-- > 0;) {  // an odometer
      at += tensor.strides[axis];
      if (++index[axis] < tensor.extents[axis]) break;
      at -= tensor.strides[axis] * tensor.extents[axis];
      index[axis] = 0;
    }
  }
  return values;
}

}  // namespace

std::vector<float> Checkpoint::read(const TensorEntry& tensor) const {
  const std::string where = source_->name() + ": the tensor " + tensor.name;
  require(tensor.element != Element::other, where, " is of type ", tensor.stored_type,
          ", expected float32, float16, bfloat16 or float64");
  const auto count = static_cast<std::size_t>(element_count(tensor.extents));
  if (count == 0) return {};
  const auto span = static_cast<std::size_t>(span_of(tensor, where));
  const std::size_t size = size_of(tensor.element);
  std::vector<float> values(span);
  const std::uint64_t offset = static_cast<std::uint64_t>(tensor.offset) * size;
  if (tensor.element == Element::f32) {  // already what we want: no second copy
    storages_->read(std::as_writable_bytes(std::span(values)), tensor.storage, offset);
  } else {
    std::vector<std::byte> bytes(span * size);
    storages_->read(bytes, tensor.storage, offset);
    decode_elements(values, bytes, tensor.element);
    if (tensor.element == Element::f64) require_kept(values, bytes, where);
  }
  if (tensor.negated)
    for (float& value : values) value = -value;
  return is_row_major(tensor) ? values : gather(values, tensor, count);
}

}  // namespace tweedie

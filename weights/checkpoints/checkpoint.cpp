#include "weights/checkpoints/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "kernels/error.hpp"
#include "weights/checkpoints/containers.hpp"

namespace tweedie {

namespace {

// One file may show one storage through several tensors, but not many times over: a small file must not
// unfold into a huge one.
constexpr std::uint64_t most_unfolding = 16;

Container open_container(const std::shared_ptr<const ByteSource>& source) {
  std::array<std::byte, 9> start{};
  const std::size_t count = std::min<std::uint64_t>(start.size(), source->size());
  source->read(std::span(start).first(count), 0);
  const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(start[i]); };
  require(count == start.size(), source->name(), ": not a checkpoint: only ", count, " bytes long");
  if (at(0) == 'P' && at(1) == 'K') return open_torch_zip(source);
  if (at(0) == 0x80) return open_torch_legacy(source);
  require(!(at(0) == 0x89 && at(1) == 'H' && at(2) == 'D' && at(3) == 'F'), source->name(),
          ": an HDF5 file, not a checkpoint; is it converted already?");
  require(at(8) == '{', source->name(), ": not a checkpoint of PyTorch (.pt, .pth) or safetensors");
  return open_safetensors(source);
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

void strip_module_prefix(std::vector<TensorEntry>& tensors) {
  constexpr std::string_view prefix = "module.";  // as DataParallel names them
  const bool everywhere = std::all_of(tensors.begin(), tensors.end(),
                                      [&](const TensorEntry& t) { return t.name.starts_with(prefix); });
  if (everywhere)
    for (TensorEntry& tensor : tensors) tensor.name.erase(0, prefix.size());
}

}  // namespace

Checkpoint::Checkpoint(std::shared_ptr<const ByteSource> source) : source_(std::move(source)) {
  Container container = open_container(source_);
  container_ = std::move(container.kind);
  tensors_ = std::move(container.tensors);
  notices_ = std::move(container.notices);
  storages_ = std::move(container.reader);
  strip_module_prefix(tensors_);

  std::set<std::string> names;
  std::uint64_t total = 0;
  for (const TensorEntry& tensor : tensors_) {
    const std::string where = source_->name() + ": the tensor " + tensor.name;
    require(names.insert(tensor.name).second, where, " is there twice");
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
  }
  return is_row_major(tensor) ? values : gather(values, tensor, count);
}

}  // namespace tweedie

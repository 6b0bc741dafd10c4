#include <algorithm>

#include "kernels/error.hpp"
#include "weights/checkpoints/pickle.hpp"

namespace tweedie::pickle {

void Cursor::fill() {
  const std::uint64_t left = source_.size() - std::min(next_, source_.size());
  require(left > 0, source_.name(), ": truncated: it ends inside a pickle, at byte ", next_);
  buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, 1 << 16)));
  source_.read(buffer_, next_);
  next_ += buffer_.size();
  used_ = 0;
}

std::uint8_t Cursor::byte() {
  if (used_ == buffer_.size()) fill();
  return std::to_integer<std::uint8_t>(buffer_[used_++]);
}

std::string Cursor::take(std::uint64_t count) {
  const std::uint64_t left = source_.size() - position();
  require(count <= left, source_.name(), ": truncated or damaged: a pickle wants ", count, " bytes at byte ",
          position(), ", the file has ", left, " more");
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(count));
  while (bytes.size() < count) {
    if (used_ == buffer_.size()) fill();
    const std::size_t part = std::min(buffer_.size() - used_, static_cast<std::size_t>(count) - bytes.size());
    bytes.append(reinterpret_cast<const char*>(buffer_.data() + used_), part);
    used_ += part;
  }
  return bytes;
}

std::uint64_t Cursor::number(int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= static_cast<std::uint64_t>(byte()) << (8 * i);
  return value;
}

}  // namespace tweedie::pickle

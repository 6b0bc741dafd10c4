#include "tests/machine/stand_in/device_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace tweedie::stand_in {
namespace {

constexpr std::size_t arena_bytes = std::size_t(64)
                                    << 30;  // addresses only; pages are committed when touched
constexpr std::size_t device_bytes = std::size_t(16) << 30;
constexpr std::size_t growth_bytes = std::size_t(2) << 20;
constexpr std::size_t resting_limit = std::size_t(64) << 20;
constexpr int poison = 0xff;
constexpr unsigned char guard_value = 0xa5;

std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

DeviceMemory& DeviceMemory::instance() {
  static DeviceMemory* memory = new DeviceMemory;
  return *memory;
}

DeviceMemory::DeviceMemory() : total_bytes_(device_bytes) {
  void* arena = mmap(nullptr, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  require(arena != MAP_FAILED, "stand-in runtime: cannot reserve ", arena_bytes, " bytes of addresses");
  base_ = static_cast<char*>(arena);
  // Large pages keep the cost of opening and closing low: it grows with the number of pages in use.
  madvise(base_, arena_bytes, MADV_HUGEPAGE);
}

void DeviceMemory::protect(int protection) {
  if (used_span_ == 0) return;
  require(mprotect(base_, used_span_, protection) == 0, "stand-in runtime: mprotect failed");
}

void DeviceMemory::open() {
  std::lock_guard lock(mutex_);
  if (open_count_++ == 0) protect(PROT_READ | PROT_WRITE);
}

void DeviceMemory::close() {
  std::lock_guard lock(mutex_);
  if (--open_count_ == 0) protect(PROT_NONE);
}

// First fit among the spans free for long enough, else fresh addresses. Call with the arena open.
std::size_t DeviceMemory::take(std::size_t span) {
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    if (it->second < span) continue;
    const std::size_t offset = it->first, rest = it->second - span;
    free_.erase(it);
    if (rest > 0) free_[offset + span] = rest;
    return offset;
  }
  std::size_t offset = 0;
  if (!blocks_.empty()) offset = blocks_.rbegin()->first + blocks_.rbegin()->second.span;
  if (!free_.empty()) offset = std::max(offset, free_.rbegin()->first + free_.rbegin()->second);
  for (const Resting& r : resting_) offset = std::max(offset, r.offset + r.span);
  if (offset + span > arena_bytes) return arena_bytes;
  if (offset + span > used_span_) {
    used_span_ = std::min(arena_bytes, round_up(offset + span, growth_bytes));
    protect(PROT_READ | PROT_WRITE);
  }
  return offset;
}

void DeviceMemory::release(std::size_t offset, std::size_t span) {
  auto next = free_.lower_bound(offset);
  if (next != free_.end() && next->first == offset + span) {
    span += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      previous->second += span;
      return;
    }
  }
  free_[offset] = span;
}

void* DeviceMemory::allocate(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  if (bytes > total_bytes_ - std::min(used_bytes_, total_bytes_)) return nullptr;
  DeviceAccess access;
  const std::size_t padded = round_up(std::max<std::size_t>(bytes, 1), alignment);
  const std::size_t span = padded + guard_bytes, offset = take(span);
  if (offset == arena_bytes) return nullptr;
  char* pointer = base_ + offset;
  std::memset(pointer, poison, bytes);
  std::memset(pointer + bytes, guard_value, span - bytes);
  blocks_[offset] = {bytes, span};
  ranges_.add(pointer, bytes);
  used_bytes_ += bytes;
  return pointer;
}

DeviceMemory::FreeResult DeviceMemory::free(void* pointer) {
  std::lock_guard lock(mutex_);
  if (!contains(pointer)) return FreeResult::not_a_block;
  const std::size_t offset = std::size_t(static_cast<char*>(pointer) - base_);
  const auto found = blocks_.find(offset);
  if (found == blocks_.end()) return FreeResult::not_a_block;
  const Block block = found->second;
  DeviceAccess access;
  const auto* bytes = reinterpret_cast<const unsigned char*>(pointer);
  const bool intact =
      std::all_of(bytes + block.bytes, bytes + block.span, [](unsigned char b) { return b == guard_value; });
  std::memset(pointer, poison, block.bytes);
  ranges_.remove(pointer);
  blocks_.erase(found);
  used_bytes_ -= block.bytes;
  resting_.push_back({offset, block.span});
  resting_bytes_ += block.span;
  while (resting_bytes_ > resting_limit) {
    resting_bytes_ -= resting_.front().span;
    release(resting_.front().offset, resting_.front().span);
    resting_.pop_front();
  }
  return intact ? FreeResult::freed : FreeResult::guard_overwritten;
}

bool DeviceMemory::contains(const void* pointer) const {
  const auto* p = static_cast<const char*>(pointer);
  return p >= base_ && p < base_ + arena_bytes;
}

bool DeviceMemory::allocated(const void* pointer, std::size_t bytes) {
  std::lock_guard lock(mutex_);
  return ranges_.find(reinterpret_cast<std::uint64_t>(pointer), bytes) != nullptr;
}

std::string DeviceMemory::describe(const void* pointer) {
  std::lock_guard lock(mutex_);
  if (!contains(pointer)) return message(pointer, ", host memory");
  const std::size_t offset = std::size_t(static_cast<const char*>(pointer) - base_);
  auto after = blocks_.upper_bound(offset);
  if (after != blocks_.begin()) {
    const auto& [start, block] = *std::prev(after);
    if (offset < start + block.bytes)
      return message(pointer, ", device memory, ", offset - start, " bytes into a block of ", block.bytes,
                     " bytes");
    if (offset < start + block.span)
      return message(pointer, ", ", offset - start - block.bytes, " bytes past the end of a device block of ",
                     block.bytes, " bytes");
  }
  return message(pointer, ", device memory that is not allocated");
}

void DeviceMemory::set_total_bytes(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  total_bytes_ = std::min(bytes, arena_bytes / 2);
}

}  // namespace tweedie::stand_in

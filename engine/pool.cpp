#include "engine/pool.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace tweedie {
namespace {

constexpr std::size_t unit = 256;
// Small requests share slabs of this size; larger ones get a slab of their own size, which later splits.
constexpr std::size_t slab_bytes = std::size_t(16) << 20;
// A later step may split one block more than the first did, which is no reason to ask for memory then.
constexpr std::size_t nodes_at_once = 256;
constexpr std::size_t guard_bytes = 256;
constexpr unsigned char guard_pattern = 0xA5;

std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

}  // namespace

Pool::Pool(Queue& q, bool guarded) : queue_(q), guard_(guarded ? guard_bytes : 0) {}

Pool::~Pool() {
  if (in_use_) std::fprintf(stderr, "tweedie: pool destroyed with %zu bytes in use\n", in_use_);
  try {
    queue_.synchronize();
  } catch (const Error& error) {
    std::fprintf(stderr, "tweedie: %s\n", error.what());
  }
  for (const Slab& slab : slabs_) queue_.deallocate(slab.first->data, slab.bytes);
}

Pool::Block* Pool::node() {
  if (!spare_) {
    for (std::size_t i = 0; i < nodes_at_once; ++i) {
      nodes_.emplace_back().next = spare_;
      spare_ = &nodes_.back();
    }
  }
  Block* block = spare_;
  spare_ = block->next;
  *block = {};
  return block;
}

Pool::Block* Pool::grow(std::size_t bytes) {
  const std::size_t size = bytes <= slab_bytes ? slab_bytes : bytes;
  void* data = queue_.allocate(size);
  Block* block = node();
  block->data = static_cast<char*>(data);
  block->bytes = size;
  slabs_.push_back({block, size, inside_});
  return block;
}

Pool::Block* Pool::acquire(std::size_t requested) {
  const std::size_t bytes = round_up(std::max<std::size_t>(requested, 1) + 2 * guard_, unit);
  Block* best = nullptr;
  for (const Slab& slab : slabs_)
    for (Block* block = slab.reserve == inside_ ? slab.first : nullptr; block; block = block->next)
      if (block->references == 0 && block->bytes >= bytes && (!best || block->bytes < best->bytes))
        best = block;
  if (!best) best = grow(bytes);
  if (best->bytes > bytes) {  // the tail stays free
    Block* tail = node();
    tail->data = best->data + bytes;
    tail->bytes = best->bytes - bytes;
    tail->previous = best;
    tail->next = best->next;
    if (tail->next) tail->next->previous = tail;
    best->next = tail;
    best->bytes = bytes;
  }
  best->references = 1;
  best->requested = requested;
  in_use_ += best->bytes;
  peak_ = std::max(peak_, in_use_);
  if (guard_) poison(best);
  return best;
}

void Pool::release(Block* block) noexcept {
  if (--block->references > 0) return;
  in_use_ -= block->bytes;
  if (guard_) check_guards(block);
  if (block->next && block->next->references == 0) merge_with_next(block);
  if (block->previous && block->previous->references == 0) merge_with_next(block->previous);
}

void Pool::merge_with_next(Block* block) {
  Block* gone = block->next;
  block->bytes += gone->bytes;
  block->next = gone->next;
  if (block->next) block->next->previous = block;
  gone->next = spare_;
  spare_ = gone;
}

void Pool::dissolve(int reserve) {
  for (Slab& slab : slabs_)
    if (slab.reserve == reserve) slab.reserve = 0;
}

void Pool::poison(const Block* block) {
  fill_bytes(queue_, block->data, guard_pattern, block->bytes);
  fill_bytes(queue_, block->data + guard_, 0xFF,
             block->requested);  // 0xFFFFFFFF is a NaN in every float type
}

void Pool::check_guards(const Block* block) noexcept {
  try {
    unsigned char around[2 * guard_bytes];
    copy_to_host(queue_, around, block->data, guard_bytes);
    copy_to_host(queue_, around + guard_bytes, block->data + guard_ + block->requested, guard_bytes);
    if (std::any_of(around, around + 2 * guard_bytes, [](unsigned char c) { return c != guard_pattern; })) {
      ++damaged_;
      std::fprintf(stderr, "tweedie: a kernel wrote outside its block of %zu bytes\n", block->requested);
    }
    fill_bytes(queue_, block->data + guard_, 0xFF, block->requested);
  } catch (const std::exception& error) {
    ++damaged_;
    std::fprintf(stderr, "tweedie: guards not checked: %s\n", error.what());
  }
}

}  // namespace tweedie

// Owning tensors over a pool.
#pragma once

#include <utility>

#include "engine/pool.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// A shape, a layout and a share in a pool block. Copies share the memory (a skip connection and the tape of
/// a network may hold the same tensor); the last one gives it back. Made by a `Context`.
template <class T>
class TensorOf {
 public:
  TensorOf() = default;
  TensorOf(Pool& pool, Shape shape, int b = 1)
      : pool_(&pool),
        block_(pool.acquire(std::size_t(shape.size()) * sizeof(T))),
        view_(static_cast<T*>(pool.data(block_)), shape, b) {}
  TensorOf(const TensorOf& other) : pool_(other.pool_), block_(other.block_), view_(other.view_) {
    if (block_) Pool::retain(block_);
  }
  TensorOf(TensorOf&& other) noexcept { swap(other); }
  TensorOf& operator=(TensorOf other) noexcept {
    swap(other);
    return *this;
  }
  ~TensorOf() {
    if (block_) pool_->release(block_);
  }
  void swap(TensorOf& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(block_, other.block_);
    std::swap(view_, other.view_);
  }

  explicit operator bool() const { return block_ != nullptr; }
  operator View<T>() { return view_; }
  operator View<const T>() const { return view_; }
  View<T> view() { return view_; }
  View<const T> view() const { return view_; }
  T* data() { return view_.data; }
  const T* data() const { return view_.data; }
  const Shape& shape() const { return view_.shape; }
  int b() const { return view_.b; }
  /// The same memory under another shape of the same size (planar only).
  TensorOf reshaped(Shape shape) const {
    require(view_.b == 1 && shape.size() == view_.size(), "reshape: ", view_.shape, " to ", shape);
    TensorOf result = *this;
    result.view_.shape = shape;
    return result;
  }
  /// The elements from `offset` on as a planar tensor of its own, which shares the memory.
  TensorOf part(std::int64_t offset, Shape shape) const {
    require(offset >= 0 && offset + shape.size() <= view_.size(), "part: ", shape, " from element ", offset,
            " of ", view_.shape);
    TensorOf result = *this;
    result.view_ = View<T>(view_.data + offset, shape, 1);
    return result;
  }
  /// True when nobody else shares the memory, so that it may be overwritten.
  bool unique() const { return block_ && block_->references == 1; }

 private:
  Pool* pool_ = nullptr;
  Pool::Block* block_ = nullptr;
  View<T> view_;
};

using Tensor = TensorOf<float>;

}  // namespace tweedie

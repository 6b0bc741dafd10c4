// Borrowed tensors: a pointer, a shape and one family of layouts.
#pragma once

#include <cstdint>
#include <ostream>
#include <type_traits>

#include "kernels/error.hpp"

namespace tweedie {

/// Shape of a batch of images or feature maps: samples, channels, rows, columns.
struct Shape {
  int N = 0, C = 0, H = 0, W = 0;
  std::int64_t size() const { return std::int64_t(N) * C * H * W; }
  /// Elements of one sample.
  std::int64_t sample() const { return std::int64_t(C) * H * W; }
  /// Pixels of one channel.
  std::int64_t plane() const { return std::int64_t(H) * W; }
  bool operator==(const Shape&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << '(' << s.N << ", " << s.C << ", " << s.H << ", " << s.W << ')';
}

/// A borrowed tensor. Layout: NCHW whose channel axis is split in blocks of `b`,
///   offset(n, c, h, w) = ((n * C/b + c/b) * H*W + h*W + w) * b + c%b ,   C a multiple of b.
/// b = 1 is planar NCHW (images, operators, files), b = 16 is oneDNN's nChw16c, b = C is channels-last.
/// The memory belongs to somebody else and lives on the device of the queue it is used with.
template <class T>
struct View {
  T* data = nullptr;
  Shape shape;
  int b = 1;

  View() = default;
  View(T* pointer, Shape s, int block = 1) : data(pointer), shape(s), b(block) {}
  /// A view of writable memory reads as a view of constant memory.
  template <class U>
  View(const View<U>& other) requires(std::is_const_v<T>&& std::is_same_v<const U, T>)
      : data(other.data), shape(other.shape), b(other.b) {}
  explicit operator bool() const { return data != nullptr; }
  int N() const { return shape.N; }
  int C() const { return shape.C; }
  int H() const { return shape.H; }
  int W() const { return shape.W; }
  std::int64_t size() const { return shape.size(); }
  std::int64_t offset(int n, int c, int h, int w) const {
    return ((std::int64_t(n) * (shape.C / b) + c / b) * shape.plane() + std::int64_t(h) * shape.W + w) * b +
           c % b;
  }
  /// Sample n alone, as a batch of one.
  View sample(int n) const { return {data + n * shape.sample(), {1, shape.C, shape.H, shape.W}, b}; }
};

/// The same shape and layout, so that element i of one is element i of the other.
template <class A, class B>
bool alike(const View<A>& x, const View<B>& y) {
  return x.shape == y.shape && x.b == y.b;
}

/// Requires two views to agree element by element; `op` names the kernel in the message.
template <class A, class B>
void require_alike(const char* op, const View<A>& x, const View<B>& y,
                   std::source_location where = std::source_location::current()) {
  require(Condition(alike(x, y), where), op, ": shapes or layouts differ: ", x.shape, " b=", x.b, " and ",
          y.shape, " b=", y.b);
}

}  // namespace tweedie

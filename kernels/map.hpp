// Feature maps whose elements are stored as fp32 or bf16.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/bf16.hpp"
#include "kernels/view.hpp"

namespace tweedie {

enum class Storage { fp32, bf16 };

/// A borrowed map, to read; layouts as a View's.
struct MapView {
  const void* data = nullptr;
  Storage storage = Storage::fp32;
  Shape shape;
  int b = 1;

  MapView() = default;
  template <class Map>
  MapView(Map&& x) requires(std::is_convertible_v<Map, View<const float>>)
      : MapView(View<const float>(x), 0) {}
  MapView(const View<const bf16>& x) : data(x.data), storage(Storage::bf16), shape(x.shape), b(x.b) {}
  MapView(const View<bf16>& x) : MapView(View<const bf16>(x)) {}
  explicit operator bool() const { return data != nullptr; }
  int N() const { return shape.N; }
  int C() const { return shape.C; }
  int H() const { return shape.H; }
  int W() const { return shape.W; }
  std::int64_t size() const { return shape.size(); }
  /// T is how it is stored.
  template <class T>
  View<const T> as() const {
    return {static_cast<const T*>(data), shape, b};
  }

 private:
  MapView(const View<const float>& x, int) : data(x.data), shape(x.shape), b(x.b) {}
};

/// The same, to write.
struct MutableMapView : MapView {
  MutableMapView() = default;
  template <class Map>
  MutableMapView(Map&& x) requires(std::is_convertible_v<Map, View<float>>) : MapView(View<float>(x)) {}
  MutableMapView(const View<bf16>& x) : MapView(x) {}
  template <class T>
  View<T> to() const {
    return {static_cast<T*>(const_cast<void*>(data)), shape, b};
  }
};

/// f(T()), T being how elements are stored.
template <class F>
decltype(auto) with_storage(Storage storage, F&& f) {
  return storage == Storage::bf16 ? f(bf16()) : f(float());
}

}  // namespace tweedie

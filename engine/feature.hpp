// What a network keeps of its maps.
#pragma once

#include <utility>
#include <variant>

#include "engine/tensor.hpp"
#include "kernels/map.hpp"

namespace tweedie {

/// A feature map stored as fp32 or bf16, whose memory is shared as a Tensor's is. Made by `Context::feature`
/// and `Context::keep`.
class Feature {
 public:
  Feature() = default;
  Feature(Tensor map) : map_(std::move(map)) {}
  Feature(TensorOf<bf16> map) : map_(std::move(map)) {}

  explicit operator bool() const { return bool(view()); }
  operator MapView() const { return view(); }
  MapView view() const {
    return std::visit([](const auto& map) { return MapView(map.view()); }, map_);
  }
  MutableMapView to() {
    return std::visit([](auto& map) { return MutableMapView(map.view()); }, map_);
  }
  Shape shape() const { return view().shape; }
  int b() const { return view().b; }
  /// The tensor itself, where it is stored as fp32; else null.
  const Tensor* tensor() const { return std::get_if<Tensor>(&map_); }

 private:
  std::variant<Tensor, TensorOf<bf16>> map_;
};

}  // namespace tweedie

// The globals a pickle of tensors may name, and what they mean to us.
#pragma once

#include <optional>
#include <string>

#include "weights/element.hpp"

namespace tweedie::pickle {

enum class Role {
  ordered_dict,
  default_dict,
  rebuild_tensor,     ///< torch._utils._rebuild_tensor: four arguments
  rebuild_tensor_v2,  ///< six, and a seventh with what is still to be done to the values
  rebuild_parameter,
  rebuild_parameter_with_state,
  unread_tensor,  ///< a tensor of a kind that is not read here: sparse, quantised, of a newer type
  size,
  storage,
  opaque  ///< data that has nothing to do with tensors: kept as a value without content, never looked into
};

struct Global {
  Role role = Role::opaque;
  std::string name;                  ///< "torch._utils._rebuild_tensor_v2"; of a storage type: "FloatStorage"
  Element element = Element::other;  ///< of a storage type
  int element_size = 0;              ///< of a storage type, bytes
};

/// The meaning of a global, or nothing when it is none of those that tensors and the plain data beside them
/// need.
std::optional<Global> find_global(const std::string& module, const std::string& name);

}  // namespace tweedie::pickle

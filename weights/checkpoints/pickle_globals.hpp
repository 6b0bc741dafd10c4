// The globals a pickle of tensors may name, and what they mean to us.
#pragma once

#include <optional>
#include <string>

#include "weights/element.hpp"

namespace tweedie::pickle {

enum class Role { ordered_dict, rebuild_tensor, rebuild_parameter, size, storage };

struct Global {
  Role role = Role::size;
  std::string name;                  ///< of a storage type: "FloatStorage"
  Element element = Element::other;  ///< of a storage type
  int element_size = 0;              ///< of a storage type, bytes
};

/// The meaning of a global, or nothing when it is none of those that tensors need.
std::optional<Global> find_global(const std::string& module, const std::string& name);

}  // namespace tweedie::pickle

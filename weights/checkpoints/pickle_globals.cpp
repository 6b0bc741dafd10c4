#include "weights/checkpoints/pickle_globals.hpp"

namespace tweedie::pickle {

namespace {

struct StorageType {
  const char* name;
  Element element;
  int size;
};

constexpr StorageType storage_types[] = {
    {"FloatStorage", Element::f32, 4},          {"HalfStorage", Element::f16, 2},
    {"BFloat16Storage", Element::bf16, 2},      {"DoubleStorage", Element::f64, 8},
    {"LongStorage", Element::other, 8},         {"IntStorage", Element::other, 4},
    {"ShortStorage", Element::other, 2},        {"CharStorage", Element::other, 1},
    {"ByteStorage", Element::other, 1},         {"BoolStorage", Element::other, 1},
    {"ComplexFloatStorage", Element::other, 8}, {"ComplexDoubleStorage", Element::other, 16},
};

}  // namespace

std::optional<Global> find_global(const std::string& module, const std::string& name) {
  const auto is = [&](const char* m, const char* n) { return module == m && name == n; };
  if (is("collections", "OrderedDict")) return Global{.role = Role::ordered_dict, .name = name};
  if (is("torch._utils", "_rebuild_tensor_v2") || is("torch._utils", "_rebuild_tensor"))
    return Global{.role = Role::rebuild_tensor, .name = name};
  if (is("torch._utils", "_rebuild_parameter")) return Global{.role = Role::rebuild_parameter, .name = name};
  if (is("torch", "Size")) return Global{.role = Role::size, .name = name};
  if (module == "torch" || module == "torch.cuda")
    for (const StorageType& type : storage_types)
      if (name == type.name) return Global{Role::storage, name, type.element, type.size};
  return std::nullopt;
}

}  // namespace tweedie::pickle

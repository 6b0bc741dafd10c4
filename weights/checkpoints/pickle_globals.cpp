#include "weights/checkpoints/pickle_globals.hpp"

#include <algorithm>
#include <string_view>

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
    {"QInt8Storage", Element::other, 1},        {"QUInt8Storage", Element::other, 1},
    {"QInt32Storage", Element::other, 4},       {"QUInt4x2Storage", Element::other, 1},
    {"QUInt2x4Storage", Element::other, 1},     {"UntypedStorage", Element::other, 1},
};

struct Known {
  std::string_view module;
  std::string_view name;  ///< "*": every name of the module
  Role role;
};

// Opaque ones are classes of plain data that training scripts keep beside their weights.
constexpr Known known[] = {
    {"collections", "OrderedDict", Role::ordered_dict},
    {"collections", "defaultdict", Role::default_dict},
    {"torch._utils", "_rebuild_tensor", Role::rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v2", Role::rebuild_tensor_v2},
    {"torch._utils", "_rebuild_parameter", Role::rebuild_parameter},
    {"torch._utils", "_rebuild_parameter_with_state", Role::rebuild_parameter_with_state},
    {"torch._utils", "_rebuild_tensor_v3", Role::unread_tensor},
    {"torch._utils", "_rebuild_qtensor", Role::unread_tensor},
    {"torch._utils", "_rebuild_sparse_tensor", Role::unread_tensor},
    {"torch._utils", "_rebuild_sparse_csr_tensor", Role::unread_tensor},
    {"torch._utils", "_rebuild_nested_tensor", Role::unread_tensor},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", Role::unread_tensor},
    {"torch._utils", "_rebuild_wrapper_subclass", Role::unread_tensor},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", Role::unread_tensor},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", Role::unread_tensor},
    {"torch._tensor", "_rebuild_from_type_v2", Role::unread_tensor},
    {"torch", "Size", Role::size},
    {"torch", "device", Role::opaque},
    {"torch.serialization", "_get_layout", Role::opaque},
    {"argparse", "Namespace", Role::opaque},
    {"types", "SimpleNamespace", Role::opaque},
    {"collections", "Counter", Role::opaque},
    {"collections", "deque", Role::opaque},
    {"_codecs", "encode", Role::opaque},
    {"copyreg", "_reconstructor", Role::opaque},
    {"copy_reg", "_reconstructor", Role::opaque},
    {"datetime", "*", Role::opaque},
    {"decimal", "Decimal", Role::opaque},
    {"fractions", "Fraction", Role::opaque},
    {"uuid", "UUID", Role::opaque},
    {"pathlib", "*", Role::opaque},
    {"pathlib._local", "*", Role::opaque},
    {"numpy", "*", Role::opaque},
    {"numpy.dtypes", "*", Role::opaque},
    {"numpy.core.multiarray", "scalar", Role::opaque},
    {"numpy.core.multiarray", "_reconstruct", Role::opaque},
    {"numpy._core.multiarray", "scalar", Role::opaque},
    {"numpy._core.multiarray", "_reconstruct", Role::opaque},
    {"numpy.core.numeric", "_frombuffer", Role::opaque},
    {"numpy._core.numeric", "_frombuffer", Role::opaque},
    {"easydict", "EasyDict", Role::opaque},
    {"addict.addict", "Dict", Role::opaque},
    {"munch", "Munch", Role::opaque},
    {"yacs.config", "CfgNode", Role::opaque},
    {"ml_collections.config_dict.config_dict", "ConfigDict", Role::opaque},
    {"ml_collections.config_dict.config_dict", "FieldReference", Role::opaque},
    {"omegaconf.dictconfig", "DictConfig", Role::opaque},
    {"omegaconf.listconfig", "ListConfig", Role::opaque},
    {"omegaconf.base", "*", Role::opaque},
    {"omegaconf.nodes", "*", Role::opaque},
    {"typing", "Any", Role::opaque},
};

// Types of Python that hold data; its functions (eval, getattr, open, ...) are refused.
constexpr std::string_view plain_types =
    " set frozenset list tuple int float bool complex str unicode bytes bytearray slice range xrange long "
    "object NoneType Ellipsis ";

// torch.float32 and its like are values of their own, named as globals.
constexpr std::string_view torch_values =
    " float32 float float64 double float16 half bfloat16 complex32 complex64 complex128 uint8 uint16 uint32 "
    "uint64 int8 int16 int32 int64 short int long bool float8_e4m3fn float8_e5m2 float8_e4m3fnuz "
    "float8_e5m2fnuz float8_e8m0fnu quint8 qint8 qint32 quint4x2 quint2x4 strided sparse_coo sparse_csr "
    "sparse_csc sparse_bsr sparse_bsc contiguous_format preserve_format channels_last channels_last_3d "
    "per_tensor_affine per_channel_affine ";

// Whether a list of words, each between blanks, has a word.
bool holds(std::string_view words, const std::string& word) {
  return word.find(' ') == std::string::npos && words.find(" " + word + " ") != std::string_view::npos;
}

// numpy's functions stay refused; its types begin with no underscore and are none of these.
bool is_numpy_type(const std::string& name) {
  if (holds(" dtype ndarray generic bool_ bool str_ bytes_ void object_ longlong ulonglong longdouble ",
            name))
    return true;
  for (const std::string_view start : {"float", "int", "uint", "complex", "datetime64", "timedelta64"})
    if (name.starts_with(start) && name.find_first_not_of("0123456789_", start.size()) == std::string::npos)
      return true;
  return false;
}

}  // namespace

std::optional<Global> find_global(const std::string& module, const std::string& name) {
  const std::string full = module + "." + name;
  const bool torch_module = module == "torch" || module == "torch.cuda" || module == "torch.storage";
  if (torch_module)
    for (const StorageType& type : storage_types)
      if (name == type.name) return Global{Role::storage, name, type.element, type.size};
  if (module == "torch" && holds(torch_values, name)) return Global{.role = Role::opaque, .name = full};
  if ((module == "builtins" || module == "__builtin__") && holds(plain_types, name))
    return Global{.role = Role::opaque, .name = full};
  if ((module == "builtins" || module == "__builtin__") && name == "dict")
    return Global{.role = Role::ordered_dict, .name = full};
  for (const Known& each : known) {
    if (module != each.module || (each.name != "*" && name != each.name)) continue;
    if (module == "numpy" && !is_numpy_type(name)) continue;
    // A dotted name reaches through its module to anything the module uses.
    if (name.find('.') != std::string::npos) continue;
    return Global{.role = each.role, .name = full};
  }
  return std::nullopt;
}

}  // namespace tweedie::pickle

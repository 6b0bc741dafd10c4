// What the objects in a pickle of tensors mean: calls of the few known globals, and references to storages.
#include "weights/checkpoints/pickle_reader.hpp"

namespace tweedie::pickle {

namespace {

constexpr std::size_t most_copies = 1000000;
constexpr std::size_t most_dimensions = 32;  // HDF5's limit

// Text from the file, made fit for one line of a message.
std::string printable(const std::string& text) {
  std::string shown = text.substr(0, 80);
  for (char& c : shown)
    if (c < 0x20 || c > 0x7e) c = '?';
  return shown;
}

}  // namespace

void Reader::push_global(const std::string& module, const std::string& name) {
  std::optional<Global> global = find_global(module, name);
  require(global.has_value(), cursor_.source().name(), ": its pickle asks for ", printable(module), ".",
          printable(name), ", which is no tensor and could run code: refused");
  globals_.push_back(std::move(*global));
  push_new({.kind = Kind::global, .integer = static_cast<std::int64_t>(globals_.size() - 1)});
}

bool Reader::is_opaque(Ref function) const {
  const Value& value = document_.at(function);
  return value.kind == Kind::global && globals_[static_cast<std::size_t>(value.integer)].role == Role::opaque;
}

std::int64_t Reader::integer(Ref ref, const char* what) const {
  hold(document_.at(ref).kind == Kind::integer, what);
  return document_.at(ref).integer;
}

std::vector<std::int64_t> Reader::integers(Ref ref, const char* what) const {
  const Value& list = document_.at(ref);
  hold(list.kind == Kind::list && list.items.size() <= most_dimensions, what);
  std::vector<std::int64_t> numbers;
  for (const Ref item : list.items) numbers.push_back(integer(item, what));
  return numbers;
}

void Reader::call(Ref function, Ref arguments) {
  hold(at(function).kind == Kind::global && at(arguments).kind == Kind::list,
       "a call of what is no function");
  const Value& given = at(arguments);
  const Global& global = globals_[static_cast<std::size_t>(at(function).integer)];
  switch (global.role) {
    case Role::ordered_dict:
      make_mapping(given);
      return;
    case Role::default_dict:
      hold(given.items.size() <= 1, "a defaultdict of more than what makes its defaults");
      push_new({.kind = Kind::mapping});
      return;
    case Role::rebuild_tensor:
    case Role::rebuild_tensor_v2:
      make_tensor(given, global.role);
      return;
    case Role::rebuild_parameter:
    case Role::rebuild_parameter_with_state:
      use_parameter(given, global.role);
      return;
    case Role::size:
      hold(given.items.size() == 1 && at(given.items[0]).kind == Kind::list, "a size without extents");
      push(given.items[0]);
      return;
    case Role::unread_tensor:
      push_new({.kind = Kind::unread_tensor, .text = global.name});
      return;
    case Role::opaque:
      push_new({.kind = Kind::opaque, .text = global.name});
      return;
    case Role::storage:
      break;
  }
  refuse("a storage made outside its container");
}

// OrderedDict(), or Python 2's OrderedDict([[key, value], ...]).
Ref Reader::make_mapping(const Value& arguments) {
  Value mapping{.kind = Kind::mapping};
  if (!arguments.items.empty()) {
    const Value& pairs = at(arguments.items[0]);
    hold(arguments.items.size() == 1 && pairs.kind == Kind::list, "an OrderedDict of what are no pairs");
    // Copies: without a limit, one list repeated by reference could fill the memory.
    copied_ += pairs.items.size();
    hold(copied_ <= most_copies, "OrderedDicts of too many pairs");
    for (const Ref item : pairs.items) {
      const Value& pair = at(item);
      hold(pair.kind == Kind::list && pair.items.size() == 2, "an OrderedDict of what are no pairs");
      mapping.items.insert(mapping.items.end(), pair.items.begin(), pair.items.end());
    }
  }
  return push_new(std::move(mapping));
}

// What is still to be done to a tensor's values, as torch._C._get_tensor_metadata says: None or
// {'conj': bool, 'neg': bool}. Complex tensors are never read, so a conjugation cannot matter.
bool Reader::is_negated(Ref metadata) const {
  const Value& table = document_.at(metadata);
  if (table.kind == Kind::none) return false;
  hold(table.kind == Kind::mapping, "a tensor's metadata that are no mapping");
  bool negated = false;
  for (std::size_t i = 0; i + 1 < table.items.size(); i += 2) {
    const Value& key = document_.at(table.items[i]);
    const Value& value = document_.at(table.items[i + 1]);
    const bool known = key.kind == Kind::text && (key.text == "neg" || key.text == "conj");
    hold(known && value.kind == Kind::boolean, "a tensor's metadata other than conj and neg");
    if (key.text == "neg") negated = value.integer != 0;
  }
  return negated;
}

// _rebuild_tensor(storage, offset, size, stride);
// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks[, metadata]).
Ref Reader::make_tensor(const Value& arguments, Role role) {
  const std::vector<Ref>& given = arguments.items;
  const bool second = role == Role::rebuild_tensor_v2;
  hold(second ? given.size() == 6 || given.size() == 7 : given.size() == 4,
       "a tensor described by more than torch writes, or less");
  const Value& storage = at(given[0]);
  hold(storage.kind == Kind::storage, "a tensor without a storage");
  Tensor tensor;
  tensor.storage = static_cast<std::size_t>(storage.integer);
  tensor.offset = integer(given[1], "a tensor's offset that is no number");
  tensor.extents = integers(given[2], "a tensor's size that is not up to 32 numbers");
  tensor.strides = integers(given[3], "a tensor's strides that are not up to 32 numbers");
  hold(tensor.extents.size() == tensor.strides.size(), "a tensor with more extents than strides, or fewer");
  if (second) {
    hold(at(given[4]).kind == Kind::boolean, "a tensor's requires_grad that is neither true nor false");
    require_no_hooks(given[5]);
  }
  if (given.size() == 7) tensor.negated = is_negated(given[6]);
  document_.tensors.push_back(std::move(tensor));
  return push_new({.kind = Kind::tensor, .integer = static_cast<std::int64_t>(document_.tensors.size() - 1)});
}

// Functions that torch calls with the gradients of a tensor: saved checkpoints have none.
void Reader::require_no_hooks(Ref hooks) const {
  const Value& value = document_.at(hooks);
  hold(value.kind == Kind::none || (value.kind == Kind::mapping && value.items.empty()),
       "a tensor with backward hooks");
}

// _rebuild_parameter(data, requires_grad, backward_hooks); ..._with_state has attributes behind them, which
// say nothing about the values.
void Reader::use_parameter(const Value& arguments, Role role) {
  const std::vector<Ref>& given = arguments.items;
  hold(given.size() == (role == Role::rebuild_parameter ? 3U : 4U),
       "a parameter described by more than torch writes, or less");
  const Kind kind = at(given[0]).kind;
  hold(kind == Kind::tensor || kind == Kind::unread_tensor, "a parameter without a tensor");
  hold(at(given[1]).kind == Kind::boolean, "a parameter's requires_grad that is neither true nor false");
  require_no_hooks(given[2]);
  push(given[0]);
}

// ('storage', type, key, location, count[, view]): where it lay (cpu, cuda:0) is of no interest.
void Reader::push_storage(Ref identifier) {
  const char* what = "a storage that is not described as torch does";
  const Value& id = at(identifier);
  hold(id.kind == Kind::list && (id.items.size() == 5 || id.items.size() == 6), what);
  const Value& type = at(id.items[1]);
  const Value& key = at(id.items[2]);
  hold(at(id.items[0]).kind == Kind::text && at(id.items[0]).text == "storage", what);
  hold(type.kind == Kind::global && key.kind == Kind::text && at(id.items[3]).kind == Kind::text, what);
  hold(id.items.size() == 5 || at(id.items[5]).kind == Kind::none,
       "a storage that is part of another (torch 0.3)");
  const Global& global = globals_[static_cast<std::size_t>(type.integer)];
  hold(global.role == Role::storage, what);
  const Storage storage{key.text, global.name, global.element, global.element_size,
                        integer(id.items[4], what)};
  hold(storage.count >= 0, "a storage of negative size");

  const auto [known, added] = storage_of_key_.emplace(storage.key, document_.storages.size());
  if (added) {
    document_.storages.push_back(storage);
  } else {
    const Storage& first = document_.storages[known->second];
    hold(first.type == storage.type && first.count == storage.count, "one storage with two types or sizes");
  }
  push_new({.kind = Kind::storage, .integer = static_cast<std::int64_t>(known->second)});
}

}  // namespace tweedie::pickle

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
          printable(name), ", which could run code and is no tensor: refused (to keep the weights alone, ",
          "save model.state_dict())");
  globals_.push_back(std::move(*global));
  push_new({.kind = Kind::global, .integer = static_cast<std::int64_t>(globals_.size() - 1)});
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
  switch (globals_[static_cast<std::size_t>(at(function).integer)].role) {
    case Role::ordered_dict:
      make_mapping(given);
      return;
    case Role::rebuild_tensor:
      make_tensor(given);
      return;
    case Role::rebuild_parameter:
      hold(!given.items.empty() && at(given.items[0]).kind == Kind::tensor, "a parameter without a tensor");
      push(given.items[0]);
      return;
    case Role::size:
      hold(given.items.size() == 1 && at(given.items[0]).kind == Kind::list, "a size without extents");
      push(given.items[0]);
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

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks[, metadata]).
Ref Reader::make_tensor(const Value& arguments) {
  hold(arguments.items.size() >= 4, "a tensor that is not described in full");
  const Value& storage = at(arguments.items[0]);
  hold(storage.kind == Kind::storage, "a tensor without a storage");
  Tensor tensor;
  tensor.storage = static_cast<std::size_t>(storage.integer);
  tensor.offset = integer(arguments.items[1], "a tensor's offset that is no number");
  tensor.extents = integers(arguments.items[2], "a tensor's size that is not up to 32 numbers");
  tensor.strides = integers(arguments.items[3], "a tensor's strides that are not up to 32 numbers");
  hold(tensor.extents.size() == tensor.strides.size(), "a tensor with more extents than strides, or fewer");
  document_.tensors.push_back(std::move(tensor));
  return push_new({.kind = Kind::tensor, .integer = static_cast<std::int64_t>(document_.tensors.size() - 1)});
}

// ('storage', type, key, location, count[, view]): where it lay (cpu, cuda:0) is of no interest.
void Reader::push_storage(Ref identifier) {
  const char* what = "a storage that is not described as torch does";
  const Value& id = at(identifier);
  hold(id.kind == Kind::list && (id.items.size() == 5 || id.items.size() == 6), what);
  const Value& type = at(id.items[1]);
  const Value& key = at(id.items[2]);
  hold(at(id.items[0]).text == "storage" && type.kind == Kind::global && key.kind == Kind::text, what);
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

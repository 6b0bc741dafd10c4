// From a pickle's values to dicts of named tensors.
#include <set>

#include "kernels/error.hpp"
#include "weights/checkpoints/containers.hpp"

namespace tweedie {

namespace {

using pickle::Document;
using pickle::Kind;
using pickle::Ref;
using pickle::Value;

constexpr int most_levels = 3;

std::string text_of(const Value& key) { return key.kind == Kind::text ? key.text : "(not a text)"; }

TensorEntry describe(const Document& document, const std::string& name, const Value& value) {
  TensorEntry entry{
      .name = name, .stored_type = value.text, .extents = {}, .strides = {}, .described = false};
  if (value.kind == Kind::unread_tensor) return entry;
  const pickle::Tensor& tensor = document.tensors[static_cast<std::size_t>(value.integer)];
  const pickle::Storage& storage = document.storages[tensor.storage];
  return {.name = name,
          .element = storage.element,
          .stored_type = "torch." + storage.type,
          .extents = tensor.extents,
          .strides = tensor.strides,
          .offset = tensor.offset,
          .storage = tensor.storage,
          .negated = tensor.negated};
}

// Goes through a dict and those in it, each once: a file can refer to one from many places.
class Walk {
 public:
  Walk(Container& container, const Document& document) : container_(container), document_(document) {}

  void visit(Ref ref, const std::string& name, int level) {
    if (!seen_.insert(ref).second) return;
    const Value& dict = document_.at(ref);
    CheckpointEntry entry{name, {}, {}};
    std::vector<std::pair<Ref, std::string>> nested;
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Value& key = document_.at(dict.items[i]);
      const Value& value = document_.at(dict.items[i + 1]);
      const bool tensor = value.kind == Kind::tensor || value.kind == Kind::unread_tensor;
      if (key.kind == Kind::text && tensor)
        entry.tensors.push_back(describe(document_, key.text, value));
      else
        entry.ignored.push_back(text_of(key));
      if (key.kind == Kind::text && value.kind == Kind::mapping && level < most_levels)
        nested.emplace_back(dict.items[i + 1], (name.empty() ? "" : name + "/") + key.text);
    }
    if (!entry.tensors.empty()) container_.entries.push_back(std::move(entry));
    for (const auto& [below, path] : nested) visit(below, path, level + 1);
  }

 private:
  Container& container_;
  const Document& document_;
  std::set<Ref> seen_;
};

}  // namespace

void add_entries(Container& container, const Document& document, const std::string& where) {
  const Value& root = document.at(document.root);
  require(root.kind != Kind::opaque, where, ": holds no dict of tensors, but a ", root.text);
  require(root.kind == Kind::mapping, where, ": holds no dict of tensors, but a single value");
  for (std::size_t i = 0; i + 1 < root.items.size(); i += 2)
    container.keys.push_back(text_of(document.at(root.items[i])));
  Walk(container, document).visit(document.root, "", 0);
  for (const pickle::Storage& storage : document.storages) {
    require(static_cast<std::uint64_t>(storage.count) < (std::uint64_t{1} << 58), where, ": storage ",
            storage.key, " claims ", storage.count, " elements");
    container.storages.push_back(
        {static_cast<std::uint64_t>(storage.count) * static_cast<std::uint64_t>(storage.element_size),
         storage.element_size});
  }
}

}  // namespace tweedie

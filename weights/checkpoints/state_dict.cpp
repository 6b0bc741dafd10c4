// From a pickle's values to named tensors.
#include <algorithm>
#include <optional>

#include "kernels/error.hpp"
#include "weights/checkpoints/containers.hpp"

namespace tweedie {

namespace {

using pickle::Document;
using pickle::Kind;
using pickle::Ref;
using pickle::Value;

bool holds_tensors(const Document& document, Ref ref) {
  const Value& mapping = document.at(ref);
  if (mapping.kind != Kind::mapping) return false;
  for (std::size_t i = 1; i < mapping.items.size(); i += 2)
    if (document.at(mapping.items[i]).kind == Kind::tensor) return true;
  return false;
}

std::optional<Ref> find(const Document& document, Ref ref, const std::string& key) {
  const Value& mapping = document.at(ref);
  for (std::size_t i = 0; i + 1 < mapping.items.size(); i += 2)
    if (document.at(mapping.items[i]).kind == Kind::text && document.at(mapping.items[i]).text == key)
      return mapping.items[i + 1];
  return std::nullopt;
}

// At most a few names, for one line of a message.
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 5); ++i)
    text += (i > 0 ? ", " : "") + names[i].substr(0, 60);
  if (names.size() > 5) text += ", ... (" + std::to_string(names.size()) + " in all)";
  return text;
}

std::vector<std::string> keys(const Document& document, Ref ref) {
  std::vector<std::string> names;
  const Value& mapping = document.at(ref);
  for (std::size_t i = 0; i + 1 < mapping.items.size(); i += 2) {
    const Value& key = document.at(mapping.items[i]);
    names.push_back(key.kind == Kind::text ? key.text : "(not a text)");
  }
  return names;
}

// Averaged weights come first: they are what a diffusion model is sampled with.
Ref choose_state_dict(const Document& document, std::vector<std::string>& notices, const std::string& where) {
  const Ref root = document.root;
  require(document.at(root).kind == Kind::mapping, where, ": holds no dict of tensors, but a single value");
  std::vector<std::string> candidates;
  for (const char* key : {"ema", "state_dict", "model_state_dict", "model"}) {
    const std::optional<Ref> nested = find(document, root, key);
    if (nested && holds_tensors(document, *nested)) candidates.emplace_back(key);
  }
  if (!candidates.empty()) {
    std::vector<std::string> others = keys(document, root);
    others.erase(std::remove(others.begin(), others.end(), candidates.front()), others.end());
    notices.push_back("tensors taken from the entry `" + candidates.front() + "`" +
                      (others.empty() ? "" : "; left alone beside it: " + listed(others)));
    return *find(document, root, candidates.front());
  }
  require(holds_tensors(document, root), where,
          ": no tensors at its top level, nor under model, state_dict, model_state_dict or ema; it has ",
          document.at(root).items.empty() ? "nothing" : listed(keys(document, root)));
  return root;
}

}  // namespace

void add_state_dict(Container& container, const Document& document, const std::string& where) {
  const Value& dict = document.at(choose_state_dict(document, container.notices, where));
  std::vector<std::string> ignored;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& key = document.at(dict.items[i]);
    const Value& value = document.at(dict.items[i + 1]);
    if (key.kind != Kind::text || value.kind != Kind::tensor) {
      ignored.push_back(key.kind == Kind::text ? key.text : "(not a text)");
      continue;
    }
    const pickle::Tensor& tensor = document.tensors[static_cast<std::size_t>(value.integer)];
    const pickle::Storage& storage = document.storages[tensor.storage];
    container.tensors.push_back({key.text, storage.element, "torch." + storage.type, tensor.extents,
                                 tensor.strides, tensor.offset, tensor.storage});
  }
  if (!ignored.empty()) container.notices.push_back("ignored, being no tensors: " + listed(ignored));
  for (const pickle::Storage& storage : document.storages) {
    require(static_cast<std::uint64_t>(storage.count) < (std::uint64_t{1} << 58), where, ": storage ",
            storage.key, " claims ", storage.count, " elements");
    container.storages.push_back(
        {static_cast<std::uint64_t>(storage.count) * static_cast<std::uint64_t>(storage.element_size),
         storage.element_size});
  }
}

}  // namespace tweedie

#include "weights/checkpoints/entries.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "kernels/error.hpp"

namespace tweedie {

namespace {

// The first layer of the networks that are known: a U-Net's, a KernelWizard's.
constexpr std::array<std::string_view, 2> first_layers = {"input_blocks.0.0.weight",
                                                          "feature_extractor.0.weight"};

// Modules that wrap others appear in the names wherever they do so.
constexpr std::array<std::string_view, 3> wrappers = {"_orig_mod", "_fsdp_wrapped_module",
                                                      "_checkpoint_wrapped_module"};

// State dicts by their usual names, the likelier first.
constexpr std::array<std::string_view, 4> usual_names = {"ema", "state_dict", "model_state_dict", "model"};

// A name without the parts that are wrappers'.
std::string unwrapped(const std::string& name) {
  std::string result;
  bool first = true;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    const std::string_view part = std::string_view(name).substr(at, end - at);
    if (std::find(wrappers.begin(), wrappers.end(), part) == wrappers.end()) {
      if (!first) result += '.';
      result += part;
      first = false;
    }
    at = end + 1;
  }
  return result;
}

// "ema" as a word, as in model_ema, ema_0.9999, EMAModel, netEma; not as in schema or email. "averag" too.
bool is_averaged(const std::string& name) {
  const auto is = [&](std::size_t i, int (*kind)(int)) {
    return i < name.size() && kind(static_cast<unsigned char>(name[i])) != 0;
  };
  for (std::size_t at = 0; at + 3 <= name.size(); ++at) {
    const std::string_view part = std::string_view(name).substr(at, 3);
    const bool after_letter = at > 0 && is(at - 1, std::isalpha);
    const bool before_lower = is(at + 3, std::islower);
    if (part == "EMA" || (part == "Ema" && !before_lower)) return true;
    if (part == "ema" && !after_letter && !before_lower) return true;
  }
  return name.find("averag") != std::string::npos || name.find("Averag") != std::string::npos;
}

// A set of tensors that may be the network.
struct Candidate {
  const CheckpointEntry* entry;
  std::string prefix;

  std::string label() const {
    const std::string shown = prefix.substr(0, prefix.empty() ? 0 : prefix.size() - 1);
    const std::string between = entry->name.empty() || shown.empty() ? "" : "/";
    return entry->name + between + shown;
  }
  bool is_called(const std::string& wanted) const {
    const std::string last = entry->name.substr(entry->name.rfind('/') + 1);
    return label() == wanted || entry->name == wanted || last == wanted ||
           (!prefix.empty() && (prefix == wanted || prefix == wanted + "."));
  }
  bool averaged() const { return is_averaged(entry->name) || is_averaged(prefix); }
};

std::vector<Candidate> networks_in(const std::vector<CheckpointEntry>& entries) {
  std::vector<Candidate> found;
  for (const CheckpointEntry& entry : entries)
    for (const TensorEntry& tensor : entry.tensors)
      for (const std::string_view layer : first_layers) {
        if (!tensor.name.ends_with(layer)) continue;
        const std::string prefix = tensor.name.substr(0, tensor.name.size() - layer.size());
        if (prefix.empty() || prefix.back() == '.') found.push_back({&entry, prefix});
      }
  return found;
}

// At most a few names, for one line of a message.
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 5); ++i)
    text += (i > 0 ? ", " : "") + names[i].substr(0, 60);
  if (names.size() > 5) text += message(", ... (", names.size(), " in all)");
  return text;
}

std::string labels(const std::vector<Candidate>& candidates) {
  std::vector<std::string> names;
  for (const Candidate& c : candidates) names.push_back(c.label().empty() ? "(the outermost)" : c.label());
  return listed(names);
}

// Averaged weights come first: they are what a diffusion model is sampled with.
Candidate best(const std::vector<Candidate>& networks, const std::string& where) {
  std::vector<Candidate> averaged;
  for (const Candidate& c : networks)
    if (c.averaged()) averaged.push_back(c);
  const std::vector<Candidate>& choice = averaged.empty() ? networks : averaged;
  if (choice.size() == 1) return choice.front();
  for (const std::string_view name : usual_names) {
    const auto named = [&](const Candidate& c) { return c.entry->name == name; };
    if (std::count_if(choice.begin(), choice.end(), named) == 1)
      return *std::find_if(choice.begin(), choice.end(), named);
  }
  throw Error(message(where, ": ", choice.size(), " sets of tensors look like the network: ", labels(choice),
                      "; choose with --entry NAME"));
}

// What may be taken though it does not look like a network: the entry of most tensors.
Candidate largest(const std::vector<CheckpointEntry>& entries) {
  const auto most = std::max_element(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.tensors.size() < b.tensors.size();
  });
  constexpr std::string_view prefix = "module.";  // as DataParallel names them
  const bool everywhere = std::all_of(most->tensors.begin(), most->tensors.end(),
                                      [&](const TensorEntry& t) { return t.name.starts_with(prefix); });
  return {&*most, everywhere ? std::string(prefix) : ""};
}

// The entries or networks that the user's word may mean, which are not none.
void keep_wanted(std::vector<Candidate>& networks, std::vector<CheckpointEntry>& entries,
                 const std::string& wanted, const std::string& where) {
  std::vector<Candidate> all = networks;
  for (const CheckpointEntry& entry : entries)
    if (std::none_of(networks.begin(), networks.end(), [&](const auto& n) { return n.entry == &entry; }))
      all.push_back({&entry, ""});
  const std::string known = labels(all);
  std::erase_if(networks, [&](const Candidate& c) { return !c.is_called(wanted); });
  if (!networks.empty()) return;
  std::erase_if(entries, [&](const CheckpointEntry& e) { return !Candidate{&e, ""}.is_called(wanted); });
  require(!entries.empty(), where, ": there are no tensors under `", wanted, "` in it, but under: ", known);
}

// The tensors under the prefix, and notices about the rest.
ChosenTensors take(const Candidate& chosen, const std::vector<std::string>& keys) {
  ChosenTensors result;
  std::vector<std::string> outside;
  for (TensorEntry tensor : chosen.entry->tensors) {
    if (!tensor.name.starts_with(chosen.prefix)) {
      outside.push_back(tensor.name);
      continue;
    }
    tensor.name.erase(0, chosen.prefix.size());
    result.tensors.push_back(std::move(tensor));
  }
  const std::string& name = chosen.entry->name;
  if (!name.empty()) {
    std::vector<std::string> others = keys;
    std::erase(others, name.substr(0, name.find('/')));
    result.notices.push_back("tensors taken from the entry `" + name + "`" +
                             (others.empty() ? "" : "; left alone beside it: " + listed(others)));
  }
  if (!outside.empty())
    result.notices.push_back("tensors taken are those of `" + chosen.prefix +
                             "`; left alone beside them: " + listed(outside));
  if (!chosen.entry->ignored.empty())
    result.notices.push_back("ignored, being no tensors: " + listed(chosen.entry->ignored));
  return result;
}

}  // namespace

ChosenTensors choose_tensors(const std::vector<CheckpointEntry>& given, const std::vector<std::string>& keys,
                             const std::string& wanted, const std::string& where) {
  require(!given.empty(), where, ": there are no tensors in it; it has ",
          keys.empty() ? "nothing" : listed(keys));
  std::vector<CheckpointEntry> entries = given;
  for (CheckpointEntry& entry : entries)
    for (TensorEntry& tensor : entry.tensors) tensor.name = unwrapped(tensor.name);
  std::vector<Candidate> networks = networks_in(entries);
  if (!wanted.empty()) keep_wanted(networks, entries, wanted, where);
  const Candidate chosen = networks.empty() ? largest(entries) : best(networks, where);
  ChosenTensors result = take(chosen, keys);
  if (networks.empty() || chosen.averaged() || !wanted.empty()) return result;
  const auto is_tensor = [&](const std::string& key) {
    const std::vector<TensorEntry>& outermost = entries.front().tensors;
    return entries.front().name.empty() &&
           std::any_of(outermost.begin(), outermost.end(), [&](const auto& t) { return t.name == key; });
  };
  for (const std::string& key : keys)
    if (is_averaged(key) && !is_tensor(key))
      result.notices.push_back("`" + key +
                               "` holds no tensors by the network's names: the weights taken are " +
                               "not averaged ones");
  return result;
}

}  // namespace tweedie

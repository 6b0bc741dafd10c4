#include "tools/restore/method.hpp"

#include <algorithm>

namespace tweedie {

std::vector<MethodRow> all_methods() {
  std::vector<MethodRow> methods;
  for (const SolverKind* kind : solver_kinds()) methods.push_back({kind, nullptr, nullptr});
  for (const EstimateKind& kind : estimate_kinds()) methods.push_back({nullptr, &kind, nullptr});
  for (const BlindKind* kind : blind_kinds()) methods.push_back({nullptr, nullptr, kind});
  return methods;
}

MethodRow find_method(const std::string& name) {
  std::string known;
  for (const MethodRow& method : all_methods()) {
    if (name == method.name()) return method;
    known += (known.empty() ? "" : ", ") + std::string(method.name());
  }
  throw Error(message("method '", name, "' is not known; expected one of ", known));
}

namespace {

std::string described(const std::string& title, bool blind) {
  std::string text = title;
  for (const MethodRow& method : all_methods())
    if ((method.blind != nullptr) == blind)
      text += message("\n  ", method.name(), std::string(20 - std::string(method.name()).size(), ' '),
                      method.what());
  return text;
}

}  // namespace

std::string describe_methods() { return described("Methods:", false); }

std::string describe_blind_methods() { return described("Methods for blind tasks:", true); }

std::vector<TaskOption> method_options() {
  std::vector<TaskOption> options;
  for (const MethodRow& method : all_methods())
    for (const Setting& row : method.settings())
      if (option_of(row) != "--compat")  // which is for operators and noise, too
        add_option(options, row, method.name());
  return options;
}

}  // namespace tweedie

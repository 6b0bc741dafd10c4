#include "tools/restore/method.hpp"

#include <algorithm>

#include "engine/solvers/solver.hpp"

namespace tweedie {
namespace {

struct Row {
  const char *name, *what;
};

/// Methods without a sampler.
constexpr Row classical[] = {
    {"zero-filled", "A^+ y, or the adjoint A^T y where there is no A^+ (linear)"},
    {"wiener", "the exact posterior mean under the spectrum prior (linear)"},
    {"admm-tv", "least squares with total variation (linear)"},
    {"fbp", "filtered backprojection (ct)"},
    {"er", "error reduction (phase_retrieval)"},
    {"hio", "hybrid input-output (phase_retrieval)"},
    {"oss", "oversampling smoothness (phase_retrieval)"},
};

/// The solvers that take a sampler and its options. The others want options of their own here first.
std::vector<const SolverKind*> sampled() {
  std::vector<const SolverKind*> kinds;
  for (const SolverKind* kind : solver_kinds())
    if (Settings(kind->name, kind->settings).knows("sampler")) kinds.push_back(kind);
  return kinds;
}

}  // namespace

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const SolverKind* kind : sampled()) names.push_back(kind->name);
  for (const Row& row : classical) names.push_back(row.name);
  return names;
}

std::string describe_methods() {
  std::string text = "Methods:";
  const auto line = [&](const char* name, const char* what) {
    text += message("\n  ", name, std::string(20 - std::string(name).size(), ' '), what);
  };
  for (const SolverKind* kind : sampled()) line(kind->name, kind->what);
  for (const Row& row : classical) line(row.name, row.what);
  return text;
}

bool is_classical(const std::string& method) {
  return std::any_of(std::begin(classical), std::end(classical),
                     [&](const Row& row) { return method == row.name; });
}

}  // namespace tweedie

// How the measurement is used: the rows of solvers that sample, and of estimates that need no sampler.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/solvers/solver.hpp"
#include "tools/restore/blind.hpp"
#include "tools/restore/problem.hpp"
#include "tools/restore/solution.hpp"

namespace tweedie {

/// An estimate without a sampler: one row.
struct EstimateKind {
  const char* name;
  const char* what;
  std::span<const Setting> settings;
  /// `ready` is called once it is known that the problem suits. Errors: it does not, with the reason.
  Solution (*run)(Context& context, const Options& options, const Problem& problem,
                  const std::function<void()>& ready);
  bool uses_prior = false, restarts = false;
  const char* prefers = "";  ///< "key=value": a setting of the operator that it would rather have
};
std::span<const EstimateKind> estimate_kinds();

/// One of the three rows.
struct MethodRow {
  const SolverKind* solver = nullptr;
  const EstimateKind* estimate = nullptr;
  const BlindKind* blind = nullptr;
  const char* name() const { return solver ? solver->name : estimate ? estimate->name : blind->name; }
  const char* what() const { return solver ? solver->what : estimate ? estimate->what : blind->what; }
  std::span<const Setting> settings() const {
    return solver ? solver->settings : estimate ? estimate->settings : blind->settings;
  }
  /// Whether it draws samples by a prior that the user chooses.
  bool samples() const { return !estimate; }
  /// Settings of the operator that it would rather have: "key=value key=value".
  const char* prefers() const { return estimate ? estimate->prefers : blind ? blind->prefers : ""; }
};
std::vector<MethodRow> all_methods();
/// Errors: an unknown name (the known ones are listed).
MethodRow find_method(const std::string& name);
/// The names with a line each, for --help; those for blind problems apart.
std::string describe_methods();
std::string describe_blind_methods();
/// Options that belong to methods.
std::vector<TaskOption> method_options();

}  // namespace tweedie

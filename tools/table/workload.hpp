// What the runs of a table ask of networks, found out before any of them is made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/restore/options.hpp"
#include "tools/table/table.hpp"

namespace tweedie::table {

/// The options of a task by a method as words of tweedie-restore: the table's, over which the task's win,
/// over which the method's win; --set adds to --set.
std::vector<std::string> words_of(const Table& table, const Row& task, const Row& method);

/// The same as tweedie-restore understands them. Errors: those that it would end with, beginning with task
/// and method.
Options options_of(const Table& table, const Row& task, const Row& method);

/// The networks of a run besides the image's prior.
struct OtherNetworks {
  std::vector<std::string> unknowns;  ///< whose priors it wants: "kernel", "tilt"
  std::vector<std::string> shipped;   ///< whose priors it takes of those that ship
  bool of_operator = false;           ///< the operator is one
};
OtherNetworks other_networks(const Options& options);

/// How often the prior is asked in a run, and how often for its gradient.
struct Workload {
  std::int64_t evaluations = 0, gradients = 0;
};
/// Counted: the method is run on a problem of 8 x 8 pixels with a prior that costs nothing. Estimates that
/// ask no prior have none. Where a method decides by the problem how often it asks (conjugate gradients that
/// converge), this is about right.
Workload workload_of(const Options& options);

}  // namespace tweedie::table

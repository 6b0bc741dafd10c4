// The ways tweedie-restore uses a measurement, by name.
#pragma once

#include <string>
#include <vector>

namespace tweedie {

/// All names, for --method.
std::vector<std::string> method_names();
/// The names with a line each, for --help.
std::string describe_methods();
/// True for those that need no sampler and no network.
bool is_classical(const std::string& method);

}  // namespace tweedie

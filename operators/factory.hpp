// Operators by name.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "operators/kinds.hpp"

namespace tweedie {

/// The rows of all operators, in the order of `--help`.
std::span<const OperatorKind* const> operator_kinds();
/// The row of that name or alias; null where there is none.
const OperatorKind* find_operator_kind(const std::string& name);

/// An operator from a table such as {"name": "super_resolution", "scale_factor": 4}, the DPS repository's
/// names and keys; {"name": "composed", "operators": [a, b]} is b after a. Errors: an unknown name or setting
/// (named), a value that does not fit, a missing one.
OperatorDescription describe_operator(const nlohmann::json& table);
/// The table again, of what was stated.
nlohmann::json to_json(const OperatorDescription& description);

/// Errors: a missing array, or one that does not fit the settings.
std::unique_ptr<ForwardOperator> make_operator(Context& context, const OperatorDescription& description,
                                               const OperatorData& data);
std::unique_ptr<ForwardOperator> make_operator(Context& context, const nlohmann::json& table,
                                               const OperatorData& data);

}  // namespace tweedie

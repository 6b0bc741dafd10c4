// What a table would take: runs, network evaluations, and time, from one measured step and from what a GPU
// can do at best.
#pragma once

#include <optional>
#include <string>

#include "tools/table/cells.hpp"

namespace tweedie::table {

/// The plan in words. Without a folder of images the table's own count is taken (its ids, or its first N).
/// Where the table names a network, a step of it (an evaluation with its gradient) takes `step_seconds`, or
/// as long as tweedie-bench measures. Errors: a row that tweedie-restore would refuse; no count of images.
std::string plan_text(const Table& table, const std::string& images, const Setting& setting,
                      std::optional<double> step_seconds);

}  // namespace tweedie::table

// Whether a bench's numbers changed by more than its noise.
#pragma once

#include <string>

#include "tools/report.hpp"

namespace tweedie::bench {

/// Reads what `tweedie-bench --json` printed. Errors: no such file, no JSON, not a bench's report.
Json read_report(const std::string& path);

/// Holds `now` against `old`, row by row (rows of kernels by name and shape, or the step of a model):
///   better, worse  the middle halves of both rows' repeats do not overlap, and their medians differ by 2 %
///   same           anything else: this noise does not tell
///   new, gone      in one of the reports only
/// Rows without quartiles count as ranging from their fastest to their slowest. Reports
///   rows    kernel, shape, old_seconds, new_seconds, ratio (new / old), verdict
///   worse   how many are
/// Errors: reports of different devices, threads, precisions, models, batches or image sizes; no row in
/// common.
Json compare_reports(const Json& old, const Json& now);

/// The same for people.
std::string describe_comparison(const Json& comparison);

}  // namespace tweedie::bench

// Restorations without a sampler.
#pragma once

#include "tools/restore/solve.hpp"

namespace tweedie {

/// One sample by the classical method of that name. Phase retrieval starts several times; its runs are the
/// starts, and its result has of each channel the best of them. Errors: a method that does not suit the
/// operator or the noise, with the reason.
Solution solve_classically(Context& context, const Options& options, const Problem& problem,
                           const std::function<void()>& ready);

}  // namespace tweedie

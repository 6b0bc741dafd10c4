// From the problem to its restorations.
#pragma once

#include <functional>

#include "tools/restore/problem.hpp"
#include "tools/restore/sample_store.hpp"

namespace tweedie {

/// Does what the method says; samples are drawn as the options ask for, each run from a random stream of its
/// own, and kept in `store` as they are finished; those that are there already are not drawn again. `ready`
/// is called once it is known that the method suits the problem. Errors: a method that does not suit the
/// operator, with the reason; a run that diverges.
Solution solve(Context& context, const Options& options, const Problem& problem, const Prior& prior,
               SampleStore& store, const std::function<void()>& ready);

}  // namespace tweedie

// The prior and the method where nobody names them: they depend on the problem.
#pragma once

#include "tools/prior.hpp"
#include "tools/restore/options.hpp"
#include "tools/restore/problem.hpp"

namespace tweedie {

/// Settles what the command line and its files leave open, and loads the prior if none was named.
///
/// The method is mmps, which has no step size, where it suits the problem and 100 steps or fewer are asked
/// for, or where neither steps nor a prior are stated and the image has three channels; else it is what it
/// was.
///
/// The prior is that of photographs, which ships, for images of three channels and methods without a step
/// size, which would have to be tuned to it; else the spectrum. (fast-em joins edges and cannot enlarge an
/// image whose sides do not suit the network: then the spectrum, too.)
void settle_defaults(Context& context, Options& options, const Problem& problem, Prior& prior);

}  // namespace tweedie

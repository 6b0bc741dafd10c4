// An operator of several unknowns of which all but one are known.
#pragma once

#include <memory>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"

namespace tweedie {

/// `op` with every unknown but `free` held at `values` (in the order of the unknowns; the free one's is not
/// looked at and may be empty): an operator of one unknown, and a LinearOperator where `op` is linear in it.
/// A known kernel makes blind deblurring plain deblurring. Errors: another number of values; a free unknown
/// that there is not.
std::unique_ptr<ForwardOperator> fixed(Context& context, std::unique_ptr<ForwardOperator> op, int free,
                                       std::vector<Tensor> values);

}  // namespace tweedie

#include "kernels/range.hpp"

#include <nvtx3/nvToolsExt.h>

namespace tweedie {

Range::Range(const char* name) { nvtxRangePushA(name); }

Range::~Range() { nvtxRangePop(); }

}  // namespace tweedie

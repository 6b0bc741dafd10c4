// How many runs are computed side by side.
#pragma once

#include <cstddef>

#include "engine/context.hpp"

namespace tweedie {

/// Runs of the next batch, of `left` (1 or more), where one takes `each` bytes, which are at hand, and
/// `available` could still be had: as many as fit with a margin, in batches of about the same size, at
/// least 1.
int batch_that_fits(int left, std::size_t each, std::size_t available);

/// The sizes of batches, in turn.
class Batches {
 public:
  /// `size` 0: one run first, which tells what one takes, and then as many as memory has room for.
  Batches(Context& context, int size);
  /// Of the `left` runs (1 or more) that are still to be computed.
  int next(int left);

 private:
  Context& context_;
  int size_;
  bool first_ = true;
  std::size_t used_, allocated_;  ///< before the first
};

}  // namespace tweedie

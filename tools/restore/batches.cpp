#include "tools/restore/batches.hpp"

#include <algorithm>
#include <utility>

namespace tweedie {

int batch_that_fits(int left, std::size_t each, std::size_t available) {
  // Others want memory, too, and a pool with blocks of other sizes finds less use for its holes.
  constexpr double share = 0.7;
  const double fit = 1 + share * double(available) / double(std::max<std::size_t>(each, 1));
  const int most = int(std::min<double>(fit, left)), batches = (left + most - 1) / most;
  return (left + batches - 1) / batches;
}

Batches::Batches(Context& context, int size)
    : context_(context), size_(size), used_(context.pool.in_use()), allocated_(context.queue.meter().live) {
  context.pool.reset_peak();
}

int Batches::next(int left) {
  if (size_ > 0) return std::min(size_, left);
  if (std::exchange(first_, false)) return 1;
  // Of the pool, or with it of buffers that libraries work in.
  const std::size_t pool = context_.pool.peak() - used_, all = context_.queue.meter().live - allocated_;
  size_ = batch_that_fits(left, std::max(pool, all), context_.queue.available());
  return size_;
}

}  // namespace tweedie

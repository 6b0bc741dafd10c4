// Work that is queued again and again, as a CUDA graph: one call of the host instead of hundreds.
#pragma once

#include <functional>
#include <memory>

#include "kernels/queue.hpp"

namespace tweedie {

/// What a function queued, to be queued again: the same kernels, with the same arguments, on the same memory.
/// On a CPU there is nothing to record, and an empty one is all there is.
class Recorded {
 public:
  Recorded() = default;
  /// Records the work that `body` queues on q; none of it is done. Ran `body` before, plans exist and buffers
  /// are large enough. Errors: what `body` throws; q is a CPU's; the host would wait for the device, ask it
  /// for memory, or copy to or from it: a graph can do none of these. Nothing is left recording then.
  Recorded(Queue& q, const std::function<void()>& body);

  explicit operator bool() const { return graph_ != nullptr; }
  /// Queues it all, in one call. The memory it works in must still be there, and what q borrows (see
  /// `Queue::keep_buffers`) is.
  void run(Queue& q) const;

 private:
  std::shared_ptr<void> graph_;
};

}  // namespace tweedie

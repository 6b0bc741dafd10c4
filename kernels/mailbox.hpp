// A few values on their way from the device to the host, which does not wait for them.
#pragma once

#include <array>
#include <cstddef>

#include "kernels/queue.hpp"

namespace tweedie {

/// What the host reads of every step without holding the device up: each time it sends this step's values on
/// their way, behind the work that makes them, and reads those of the time before, which are there by then.
/// On a CPU they are there at once.
class Mailbox {
 public:
  /// For messages of `bytes` bytes.
  Mailbox(Queue& q, std::size_t bytes);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// Sends what is at `device`, and reads into `host` what was sent the time before (on a CPU: now). False
  /// the first time on CUDA: there is nothing yet.
  bool exchange(void* host, const void* device);
  /// Waits for what was sent last and reads it. False where `exchange` read it already, or nothing was sent.
  bool collect(void* host);

 private:
  bool read(void* host, std::size_t slot);

  struct Slot {
    void* pinned = nullptr;
    void* event = nullptr;
  };
  Queue& queue_;
  std::size_t bytes_;
  std::array<Slot, 2> slots_;
  std::size_t sent_ = 0, read_ = 0;
};

}  // namespace tweedie

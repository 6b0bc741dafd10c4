#include "kernels/mailbox.hpp"

#include <cstdio>
#include <cstring>

#if TWEEDIE_CUDA
#include "kernels/cuda.hpp"
#endif

namespace tweedie {

#if TWEEDIE_CUDA
Mailbox::Mailbox(Queue& q, std::size_t bytes) : queue_(q), bytes_(bytes) {
  if (!q.on_cuda()) return;
  for (Slot& slot : slots_) {
    cudaEvent_t event = nullptr;
    CHECK_CUDA(cudaMallocHost(&slot.pinned, bytes));  // only a copy into pinned memory is left behind
    CHECK_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    slot.event = event;
  }
}

Mailbox::~Mailbox() {
  bool given_back = true;
  for (const Slot& slot : slots_) {
    if (slot.event) {
      // What is on its way must not arrive in memory that is somebody else's.
      given_back &= cudaEventSynchronize(static_cast<cudaEvent_t>(slot.event)) == cudaSuccess;
      given_back &= cudaEventDestroy(static_cast<cudaEvent_t>(slot.event)) == cudaSuccess;
    }
    if (slot.pinned) given_back &= cudaFreeHost(slot.pinned) == cudaSuccess;
  }
  if (!given_back) std::fputs("tweedie: pinned memory was not given back\n", stderr);
}

bool Mailbox::read(void* host, std::size_t number) {
  const Slot& slot = slots_[number % 2];
  CHECK_CUDA(cudaEventSynchronize(static_cast<cudaEvent_t>(slot.event)));
  std::memcpy(host, slot.pinned, bytes_);
  read_ = number + 1;
  return true;
}

bool Mailbox::exchange(void* host, const void* device) {
  if (!queue_.on_cuda()) {
    copy_to_host(queue_, host, device, bytes_);
    return true;
  }
  const Slot& slot = slots_[sent_ % 2];
  CHECK_CUDA(cudaMemcpyAsync(slot.pinned, device, bytes_, cudaMemcpyDeviceToHost, queue_.stream()));
  CHECK_CUDA(cudaEventRecord(static_cast<cudaEvent_t>(slot.event), queue_.stream()));
  ++sent_;
  return sent_ > 1 && read(host, sent_ - 2);
}

bool Mailbox::collect(void* host) { return read_ < sent_ && read(host, sent_ - 1); }
#else
Mailbox::Mailbox(Queue& q, std::size_t bytes) : queue_(q), bytes_(bytes) {}
Mailbox::~Mailbox() = default;

bool Mailbox::exchange(void* host, const void* device) {
  copy_to_host(queue_, host, device, bytes_);
  return true;
}

bool Mailbox::collect(void*) { return false; }
#endif

}  // namespace tweedie

#include "tools/train/batches.hpp"

#include <chrono>

#include "kernels/error.hpp"

namespace tweedie {

BatchLoader::BatchLoader(const Dataset& dataset, int batch, std::uint64_t seed, std::uint64_t first_batch,
                         int threads, int ahead, std::uint64_t stride)
    : dataset_(dataset), batch_(batch), seed_(seed), first_(first_batch), stride_(stride) {
  require(batch > 0 && threads > 0 && ahead > 0 && stride > 0, "batches of ", batch, " samples, ", ahead,
          " ahead, by ", threads, " threads: each must be at least 1");
  slots_.resize(std::size_t(ahead) + 1);  // one more is in the caller's hands
  const auto count = std::size_t(batch) * std::size_t(dataset.channels()) * std::size_t(dataset.height()) *
                     std::size_t(dataset.width());
  for (Slot& slot : slots_) {
    slot.batch.x.resize(count);
    if (dataset.classes() > 0) slot.batch.labels.resize(std::size_t(batch));
  }
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

const Batch& BatchLoader::next() {
  std::unique_lock lock(mutex_);
  if (holding_) {  // the caller is done with the last one: its slot is free
    slots_[(handed_out_ - 1) % slots_.size()].ready = false;
    holding_ = false;
    changed_.notify_all();
  }
  Slot& slot = slots_[handed_out_ % slots_.size()];
  const auto start = std::chrono::steady_clock::now();
  changed_.wait(lock, [&] { return slot.ready || failure_; });
  waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!slot.ready) std::rethrow_exception(failure_);
  ++handed_out_;
  holding_ = true;
  return slot.batch;
}

void BatchLoader::work() {
  const std::size_t sample = slots_[0].batch.x.size() / std::size_t(batch_);
  std::unique_lock lock(mutex_);
  for (;;) {
    // A slot is free from the moment that the batch in it was handed out and given back.
    const auto free = [&] {
      const std::uint64_t in_use = handed_out_ - (holding_ ? 1 : 0);
      return claimed_ < in_use + slots_.size();
    };
    changed_.wait(lock, [&] { return stopping_ || failure_ || free(); });
    if (stopping_ || failure_) return;
    const std::uint64_t mine = claimed_++;
    Slot& slot = slots_[mine % slots_.size()];
    lock.unlock();
    std::exception_ptr failure;
    try {
      for (int n = 0; n < batch_; ++n) {
        const std::span<float> x(slot.batch.x.data() + std::size_t(n) * sample, sample);
        const int label =
            dataset_.draw(x, seed_, (first_ + mine * stride_) * std::uint64_t(batch_) + std::uint64_t(n));
        if (!slot.batch.labels.empty()) slot.batch.labels[std::size_t(n)] = label;
      }
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure)
      failure_ = failure;
    else
      slot.ready = true;
    changed_.notify_all();
  }
}

}  // namespace tweedie

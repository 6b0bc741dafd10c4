// Who last touched each piece of a block's shared memory, and whether a barrier lies between.
#pragma once

#include <cstdint>
#include <vector>

namespace tweedie::ptx {

/// What an access did wrong.
enum class Hazard : std::uint8_t { none, race, uninitialised };

struct SharedAccess {
  std::uint32_t thread, warp_epoch;  ///< thread index in the block; how often its warp has synchronised
  bool write, atomic;
};

/// Two shadow words for each granule of shared memory. Two accesses of different threads, at least one of
/// them a write, are a race unless a block barrier, or for threads of one warp a warp-wide synchronisation,
/// lies between them; two atomic accesses never are.
class SharedShadow {
 public:
  /// For shared memory of so many bytes; the granule is the smallest access the kernel makes.
  void resize(std::size_t bytes, unsigned granule);

  /// A new block: everything is uninitialised.
  void begin_block() { first_epoch_ = ++epoch_; }

  /// All threads of the block have met.
  void barrier() { ++epoch_; }

  /// Records an access and says whether it is a hazard; `other` becomes the other thread of a race.
  Hazard access(std::size_t offset, std::size_t bytes, SharedAccess access, std::uint32_t& other);

  /// Records reads by all 32 lanes of a warp, of `bytes` bytes each at these offsets. False where one of them
  /// reads what was not written before the last barrier: then access() has to be asked lane by lane.
  bool read_by_warp(const std::uint64_t* offsets, std::size_t bytes, std::uint32_t warp,
                    std::uint32_t warp_epoch);

 private:
  // A word's upper half is the block's epoch of the access; the lower half tells by whom: a flag, the
  // thread's index, its warp's epoch. A writer's flag says that it was atomic, a reader's that several lanes
  // of its warp have read; an epoch that is `several_warps` that other warps have, too. A warp's epoch is
  // kept modulo 2^21 - 1: a race is overlooked where a warp synchronises so often between two barriers.
  using Word = std::uint64_t;
  static constexpr unsigned thread_shift = 21, warp_shift = thread_shift + 5;
  static constexpr std::uint32_t flag = 1u << 31, several_warps = (1u << thread_shift) - 1;
  static constexpr std::uint32_t epoch_of(Word w) { return std::uint32_t(w >> 32); }
  static constexpr std::uint32_t thread_of(Word w) { return std::uint32_t(w) >> thread_shift & 1023; }
  static constexpr std::uint32_t warp_of(Word w) { return std::uint32_t(w) >> warp_shift & 31; }
  static constexpr std::uint32_t warp_epoch_of(Word w) { return std::uint32_t(w) & several_warps; }

  Word word(std::uint32_t thread, std::uint32_t warp_epoch) const {
    return Word(epoch_) << 32 | thread << thread_shift | warp_epoch % several_warps;
  }
  static Word after_read(Word readers, Word reader);
  Hazard access_granule(std::size_t granule, Word who, bool write, bool atomic, std::uint32_t& other);

  std::vector<Word> readers_, writers_;
  unsigned granule_shift_ = 0;
  std::uint32_t epoch_ = 0, first_epoch_ = 1;
};

}  // namespace tweedie::ptx

#include "tests/machine/ptx/shared_shadow.hpp"

#include <bit>

namespace tweedie::ptx {

void SharedShadow::resize(std::size_t bytes, unsigned granule) {
  granule_shift_ = unsigned(std::countr_zero(granule));
  readers_.assign((bytes >> granule_shift_) + 1, 0);
  writers_.assign(readers_.size(), 0);
  epoch_ = 0;
}

// Of readers in one warp the last is enough: reads before the warp's last synchronisation are ordered before
// whatever the warp does now, and a write of another warp conflicts with the last read just as well.
inline SharedShadow::Word SharedShadow::after_read(Word readers, Word reader) {
  const bool together = warp_epoch_of(readers) == warp_epoch_of(reader);
  const Word of_a_warp = together && readers != reader ? readers | flag : reader;
  const Word of_warps = warp_of(readers) == warp_of(reader) ? of_a_warp : reader | flag | several_warps;
  const Word of_this_epoch = warp_epoch_of(readers) == several_warps ? readers : of_warps;
  return epoch_of(readers) == epoch_of(reader) ? of_this_epoch : reader;
}

Hazard SharedShadow::access_granule(std::size_t granule, Word who, bool write, bool atomic,
                                    std::uint32_t& other) {
  Word &readers = readers_[granule], &writer = writers_[granule];
  // Whether lanes of one warp have synchronised since.
  const auto ordered = [&](Word before) {
    return warp_of(before) == warp_of(who) && warp_epoch_of(before) != warp_epoch_of(who);
  };
  if ((!write || atomic) && epoch_of(writer) < first_epoch_) return Hazard::uninitialised;
  if (epoch_of(writer) == epoch_ && thread_of(writer) != thread_of(who) && !ordered(writer) &&
      !(atomic && (writer & flag))) {
    other = thread_of(writer);
    return Hazard::race;
  }
  if (!write) {
    readers = after_read(readers, who);
    return Hazard::none;
  }
  if (epoch_of(readers) == epoch_) {
    const bool several = warp_epoch_of(readers) == several_warps;
    const bool alone = !(readers & flag) && thread_of(readers) == thread_of(who);
    if (several || (!alone && !ordered(readers))) {
      other = thread_of(readers);
      return Hazard::race;
    }
  }
  writer = atomic ? who | flag : who;
  return Hazard::none;
}

Hazard SharedShadow::access(std::size_t offset, std::size_t bytes, SharedAccess access,
                            std::uint32_t& other) {
  const Word who = word(access.thread, access.warp_epoch);
  const std::size_t last = (offset + bytes - 1) >> granule_shift_;
  for (std::size_t g = offset >> granule_shift_; g <= last; ++g) {
    const Hazard hazard = access_granule(g, who, access.write, access.atomic, other);
    if (hazard != Hazard::none) return hazard;
  }
  return Hazard::none;
}

// Loops without branches, which the compiler vectorises.
bool SharedShadow::read_by_warp(const std::uint64_t* offsets, std::size_t bytes, std::uint32_t warp,
                                std::uint32_t warp_epoch) {
  constexpr unsigned lanes = 32;
  Word* const readers = readers_.data();
  const Word* const writers = writers_.data();
  const unsigned shift = granule_shift_;
  const Word first = word(warp * lanes, warp_epoch), block = Word(first_epoch_) << 32;
  const Word written_before = (Word(epoch_) << 32) - block;
  for (std::size_t k = 0; k <= (bytes - 1) >> shift; ++k) {
    std::uint64_t granules[lanes], now[lanes], changes = 0, unusual = 0;
    for (unsigned l = 0; l < lanes; ++l) {
      const std::uint64_t g = granules[l] = (offsets[l] >> shift) + k;
      unusual |= std::uint64_t(writers[g] - block >= written_before);
      now[l] = after_read(readers[g], first + (Word(l) << thread_shift));
      changes |= now[l] ^ readers[g];
    }
    if (unusual) return false;
    if (!changes) continue;
#pragma GCC ivdep
    for (unsigned l = 0; l < lanes; ++l) readers[granules[l]] = now[l];
    // Where another lane has written they read together.
    std::uint64_t shared = 0;
    for (unsigned l = 0; l < lanes; ++l) shared |= readers[granules[l]] ^ now[l];
    for (unsigned l = 0; shared && l < lanes; ++l)
      if (readers[granules[l]] != now[l]) readers[granules[l]] |= flag;
  }
  return true;
}

}  // namespace tweedie::ptx

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

/// A shadow cell for each granule of shared memory. Two accesses of different threads, at least one of them a
/// write, are a race unless a block barrier, or for threads of one warp a warp-wide synchronisation, lies
/// between them; two atomic accesses never are.
class SharedShadow {
 public:
  /// For shared memory of so many bytes; the granule is the smallest access the kernel makes.
  void resize(std::size_t bytes, unsigned granule);

  /// A new block: everything is uninitialised.
  void begin_block() { first_epoch_ = ++epoch_; }

  /// All threads of the block have met.
  void barrier() { ++epoch_; }

  /// Records an access and says whether it is a hazard; `other` becomes the other thread of a race.
  Hazard access(std::size_t offset, std::size_t bytes, SharedAccess access, std::uint32_t& other) {
    const std::size_t last = (offset + bytes - 1) >> granule_shift_;
    for (std::size_t c = offset >> granule_shift_; c <= last; ++c) {
      if (!access.write && read_tells_nothing(cells_[c], access)) continue;
      const Hazard hazard = access_cell(cells_[c], access, other);
      if (hazard != Hazard::none) return hazard;
    }
    return Hazard::none;
  }

 private:
  enum class Readers : std::uint8_t { one, lanes_of_a_warp, several_warps };
  struct Cell {
    std::uint32_t write_epoch = 0, read_epoch = 0;  // block epochs
    std::uint32_t writer_warp_epoch = 0, reader_warp_epoch = 0;
    std::uint16_t writer = 0, reader = 0;
    bool atomic = false;
    Readers readers = Readers::one;
  };
  // The usual read, repeated: written before the last barrier and already known to be read as widely.
  bool read_tells_nothing(const Cell& cell, const SharedAccess& access) const {
    if (cell.read_epoch != epoch_ || cell.write_epoch == epoch_ || cell.write_epoch < first_epoch_)
      return false;
    if (cell.readers == Readers::several_warps) return true;
    return cell.readers == Readers::lanes_of_a_warp && cell.reader / 32u == access.thread / 32u &&
           cell.reader_warp_epoch == access.warp_epoch;
  }
  Hazard access_cell(Cell& cell, const SharedAccess& access, std::uint32_t& other) const;
  bool conflicts_with_write(const Cell& cell, const SharedAccess& access) const;
  bool conflicts_with_reads(const Cell& cell, const SharedAccess& access) const;
  void note_read(Cell& cell, const SharedAccess& access) const;

  std::vector<Cell> cells_;
  unsigned granule_shift_ = 0;
  std::uint32_t epoch_ = 0, first_epoch_ = 1;
};

}  // namespace tweedie::ptx

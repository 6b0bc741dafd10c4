#include "tests/machine/ptx/shared_shadow.hpp"

#include <bit>

namespace tweedie::ptx {
namespace {

constexpr std::uint32_t warp_of(std::uint32_t thread) { return thread / 32; }

}  // namespace

void SharedShadow::resize(std::size_t bytes, unsigned granule) {
  granule_shift_ = unsigned(std::countr_zero(granule));
  cells_.assign((bytes >> granule_shift_) + 1, {});
  epoch_ = 0;
}

bool SharedShadow::conflicts_with_write(const Cell& cell, const SharedAccess& access) const {
  if (cell.write_epoch != epoch_ || cell.writer == access.thread) return false;
  if (cell.atomic && access.atomic) return false;
  const bool same_warp = warp_of(cell.writer) == warp_of(access.thread);
  return !(same_warp && cell.writer_warp_epoch != access.warp_epoch);
}

bool SharedShadow::conflicts_with_reads(const Cell& cell, const SharedAccess& access) const {
  if (cell.read_epoch != epoch_) return false;
  if (cell.readers == Readers::several_warps) return true;
  if (warp_of(cell.reader) != warp_of(access.thread)) return true;
  const bool ordered = cell.reader_warp_epoch != access.warp_epoch;
  if (cell.readers == Readers::lanes_of_a_warp) return !ordered;
  return cell.reader != access.thread && !ordered;
}

void SharedShadow::note_read(Cell& cell, const SharedAccess& access) const {
  if (cell.read_epoch != epoch_) {
    cell.readers = Readers::one;
  } else if (warp_of(cell.reader) != warp_of(access.thread)) {
    cell.readers = Readers::several_warps;
  } else if (cell.readers != Readers::several_warps) {
    // Reads before the warp's last synchronisation are ordered before whatever the warp does now; a write of
    // another warp conflicts with this read just as well.
    const bool together = cell.reader_warp_epoch == access.warp_epoch;
    const bool another = cell.reader != access.thread || cell.readers == Readers::lanes_of_a_warp;
    cell.readers = together && another ? Readers::lanes_of_a_warp : Readers::one;
  }
  cell.read_epoch = epoch_;
  cell.reader_warp_epoch = access.warp_epoch;
  cell.reader = std::uint16_t(access.thread);
}

Hazard SharedShadow::access_cell(Cell& cell, const SharedAccess& access, std::uint32_t& other) const {
  const bool reads = !access.write || access.atomic;
  if (reads && cell.write_epoch < first_epoch_) return Hazard::uninitialised;
  if (conflicts_with_write(cell, access)) {
    other = cell.writer;
    return Hazard::race;
  }
  if (!access.write) {
    note_read(cell, access);
    return Hazard::none;
  }
  if (conflicts_with_reads(cell, access)) {
    other = cell.reader;
    return Hazard::race;
  }
  cell.write_epoch = epoch_;
  cell.writer_warp_epoch = access.warp_epoch;
  cell.writer = std::uint16_t(access.thread);
  cell.atomic = access.atomic;
  return Hazard::none;
}

}  // namespace tweedie::ptx

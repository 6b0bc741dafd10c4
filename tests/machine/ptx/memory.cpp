#include "tests/machine/ptx/memory.hpp"

#include <algorithm>

#include "tests/machine/ptx/decode.hpp"

namespace tweedie::ptx {
namespace {

// The lanes' addresses as the instruction has them. All lanes are computed, the idle ones too: it is faster.
void read_addresses(Places& places, const Warp& w, const Operand& o) {
  if (o.kind == Operand::Kind::lanes && o.slot == 4) {
    const auto narrow = source<std::uint32_t>(w, o);
    for_lanes(all_lanes, [&](unsigned l) { places.address[l] = narrow[l] + std::uint64_t(o.displacement); });
  } else {
    const auto wide = source<std::uint64_t>(w, o);
    for_lanes(all_lanes, [&](unsigned l) { places.address[l] = wide[l] + std::uint64_t(o.displacement); });
  }
}

/// Over the lanes of a mask: the lowest and highest address, and all address bits that are set in any.
struct Extent {
  std::uint64_t low, high, bits;
};

Extent extent_of(const Places& places, Mask m) {
  Extent e{~std::uint64_t(0), 0, 0};
  if (m == all_lanes) {
    for (unsigned l = 0; l < warp_size; ++l) {
      e.low = std::min(e.low, places.address[l]);
      e.high = std::max(e.high, places.address[l]);
      e.bits |= places.address[l];
    }
  } else {
    each_lane(m, [&](unsigned l) {
      e.low = std::min(e.low, places.address[l]);
      e.high = std::max(e.high, places.address[l]);
      e.bits |= places.address[l];
    });
  }
  return e;
}

const char* verb(Access access) {
  return access == Access::read ? "read" : access == Access::write ? "write" : "atomic access";
}

std::string hexadecimal(std::uint64_t value) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

[[noreturn]] void misaligned(const Warp& w, const Instruction& i, unsigned lane, std::uint64_t address,
                             unsigned bytes, Access access) {
  fault(FaultKind::misaligned_address, w, i, lane,
        message("misaligned ", verb(access), " of ", bytes, " bytes at ", hexadecimal(address)));
}

void check_alignment(const Warp& w, const Instruction& i, const Places& places, unsigned bytes, Mask m,
                     Access access) {
  each_lane(m, [&](unsigned l) {
    if (places.address[l] & (bytes - 1)) misaligned(w, i, l, places.address[l], bytes, access);
  });
}

void count_traffic(Block& block, const Places& places, unsigned bytes, Mask m, Access access) {
  each_lane(m, [&](unsigned l) {
    if (access != Access::write) block.read.touch(places.address[l], bytes);
    if (access != Access::read) block.written.touch(places.address[l], bytes);
  });
}

// Fast where all lanes stay in the range this instruction touched last, the usual case.
void locate_global(Places& places, Warp& w, const Instruction& i, unsigned bytes, Mask m, Access access) {
  const Extent e = extent_of(places, m);
  if (e.bits & (bytes - 1)) check_alignment(w, i, places, bytes, m, access);
  if (w.block->count_traffic) count_traffic(*w.block, places, bytes, m, access);
  Range& last = w.block->last_range[i.index];
  if (e.low >= last.begin && e.high + bytes <= last.end) return;
  each_lane(m, [&](unsigned l) {
    if (last.holds(places.address[l], bytes)) return;
    const Range* range = w.block->memory->find(places.address[l], bytes);
    if (!range)
      fault(FaultKind::illegal_address, w, i, l,
            message("global ", verb(access), " out of bounds: ", bytes, " bytes at ",
                    hexadecimal(places.address[l]), ", ", w.block->memory->describe(places.address[l])));
    last = *range;
  });
}

// `base`: what the generic address space adds to an offset into shared memory.
void locate_shared(Places& places, Warp& w, const Instruction& i, unsigned bytes, Mask m, Access access,
                   std::uint64_t base = 0) {
  Block& block = *w.block;
  each_lane(m, [&](unsigned l) {
    const std::uint64_t offset = places.address[l] - base;
    if (offset & (bytes - 1)) misaligned(w, i, l, offset, bytes, access);
    if (offset + bytes > block.shared.size())
      fault(FaultKind::illegal_address, w, i, l,
            message("shared ", verb(access), " out of bounds: ", bytes, " bytes at offset ",
                    std::int64_t(offset), " of ", block.shared.size()));
    places.address[l] = reinterpret_cast<std::uint64_t>(block.shared.data() + offset);
    if (!block.check_shared) return;
    std::uint32_t other = 0;
    const SharedAccess what{w.id * warp_size + l, w.epoch, access != Access::read, access == Access::atomic};
    switch (block.shadow.access(offset, bytes, what, other)) {
      case Hazard::none:
        break;
      case Hazard::uninitialised:
        fault(FaultKind::uninitialised_shared, w, i, l,
              message("read of uninitialised shared memory at offset ", offset));
      case Hazard::race:
        fault(FaultKind::shared_race, w, i, l,
              message("race on shared memory: ", verb(access), " at offset ", offset,
                      ", no barrier since an access by ", thread_name(block, other)));
    }
  });
}

void locate_local(Places& places, Warp& w, const Instruction& i, unsigned bytes, Mask m, Access access,
                  std::uint64_t base = 0) {
  const std::size_t size = w.block->function->local_bytes;
  each_lane(m, [&](unsigned l) {
    const std::uint64_t offset = places.address[l] - base;
    if (offset & (bytes - 1)) misaligned(w, i, l, offset, bytes, access);
    if (offset + bytes > size)
      fault(FaultKind::illegal_address, w, i, l,
            message("local ", verb(access), " out of bounds: ", bytes, " bytes at offset ",
                    std::int64_t(offset), " of ", size));
    places.address[l] = reinterpret_cast<std::uint64_t>(w.local + l * size + offset);
  });
}

void locate_generic(Places& places, Warp& w, const Instruction& i, unsigned bytes, Mask m, Access access) {
  Mask shared = 0, local = 0;
  each_lane(m, [&](unsigned l) {
    if (places.address[l] - shared_window < window_bytes) shared |= Mask(1) << l;
    if (places.address[l] - local_window < window_bytes) local |= Mask(1) << l;
  });
  if (shared) locate_shared(places, w, i, bytes, shared, access, shared_window);
  if (local) locate_local(places, w, i, bytes, local, access, local_window);
  if (const Mask rest = m & ~shared & ~local) locate_global(places, w, i, bytes, rest, access);
}

}  // namespace

void locate(Places& places, Warp& w, const Instruction& i, const Operand& address, Space space,
            unsigned bytes, Mask m, Access access) {
  read_addresses(places, w, address);
  switch (space) {
    case Space::global:
    case Space::constant:
      return locate_global(places, w, i, bytes, m, access);
    case Space::shared:
      return locate_shared(places, w, i, bytes, m, access);
    case Space::local:
      return locate_local(places, w, i, bytes, m, access);
    case Space::generic:
      return locate_generic(places, w, i, bytes, m, access);
    case Space::parameter:
      for (std::uint64_t& a : places.address) a += reinterpret_cast<std::uint64_t>(w.block->parameters);
  }
}

}  // namespace tweedie::ptx

// The memory of the simulated device: one arena of addresses, closed to the host except inside DeviceAccess.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "tests/machine/ptx/machine.hpp"

namespace tweedie::stand_in {

/// Hands out device memory from an address range that no host pointer ever lies in. A new block is filled
/// with 0xff (NaN as any floating-point type), a freed one too; freed addresses rest before they are used
/// again, so that a use after free hits no newer block. Blocks are 256-byte aligned and kept apart by a
/// guard whose bytes are verified when the block is freed. All members may be called from any thread.
class DeviceMemory {
 public:
  static constexpr std::size_t alignment = 256, guard_bytes = 256;

  /// The device's only memory, created at first use and never destroyed: destructors of static objects free
  /// into it.
  static DeviceMemory& instance();

  /// nullptr when the device is full.
  void* allocate(std::size_t bytes);

  enum class FreeResult { freed, not_a_block, guard_overwritten };
  FreeResult free(void* pointer);

  /// Whether the address belongs to the device, allocated or not.
  bool contains(const void* pointer) const;

  /// Whether all `bytes` bytes at the address lie in one allocated block (or module variable).
  bool allocated(const void* pointer, std::size_t bytes);

  /// "0x7f...: 16 bytes into a block of 1024 bytes", for messages.
  std::string describe(const void* pointer);

  /// What kernels may touch; valid while no other thread allocates or frees.
  const ptx::RangeSet& ranges() const { return ranges_; }

  std::size_t used_bytes() const { return used_bytes_; }
  std::size_t total_bytes() const { return total_bytes_; }
  /// What the device claims to have, at most the size of the arena; for tests of running out of memory.
  void set_total_bytes(std::size_t bytes);

  /// Calls of open and close nest; the arena is accessible while any is open. Use DeviceAccess.
  void open();
  void close();

 private:
  struct Block {
    std::size_t bytes = 0, span = 0;  ///< asked for; taken, with padding and guard
  };

  DeviceMemory();
  std::size_t take(std::size_t span);
  void release(std::size_t offset, std::size_t span);
  void protect(int protection);

  mutable std::recursive_mutex mutex_;
  char* base_ = nullptr;
  std::size_t used_span_ = 0;  ///< the arena's bytes ever handed out; what open and close act on
  std::size_t used_bytes_ = 0, total_bytes_ = 0;
  int open_count_ = 0;
  std::map<std::size_t, Block> blocks_;      ///< by offset
  std::map<std::size_t, std::size_t> free_;  ///< offset -> span, neighbours merged
  struct Resting {
    std::size_t offset, span;
  };
  std::deque<Resting> resting_;  ///< freed, oldest first
  std::size_t resting_bytes_ = 0;
  ptx::RangeSet ranges_;
};

/// While one lives, host code may read and write device memory: inside the runtime's and the libraries'
/// stand-ins, never in the code under test.
class DeviceAccess {
 public:
  DeviceAccess() { DeviceMemory::instance().open(); }
  ~DeviceAccess() { DeviceMemory::instance().close(); }
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace tweedie::stand_in

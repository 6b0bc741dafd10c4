// Counts what a launch moves between global memory and itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace tweedie::ptx {

/// The sectors, the unit of 32 bytes in which GPUs move memory, that blocks touch in one direction.
class Traffic {
 public:
  static constexpr std::uint64_t sector = 32;

  void touch(std::uint64_t address, unsigned bytes) {
    for (std::uint64_t s = address / sector; s <= (address + bytes - 1) / sector; ++s)
      if (block_.empty() || block_.back() != s) block_.push_back(s);
  }
  /// The running block ends, one of a cluster of neighbours.
  void end_block(std::uint64_t cluster) {
    std::sort(block_.begin(), block_.end());
    block_.erase(std::unique(block_.begin(), block_.end()), block_.end());
    for (const std::uint64_t s : block_) touched_.emplace_back(s, cluster);
    block_.clear();
  }
  /// Takes over what other blocks of the launch touched.
  void add(const Traffic& other) {
    touched_.insert(touched_.end(), other.touched_.begin(), other.touched_.end());
  }
  /// Bytes of distinct sectors, where each block that ran stands for `share` blocks of the grid: a sector
  /// that one cluster alone touched is taken for one that every cluster has of its own, any other for one
  /// that all share.
  double bytes(double share) {
    std::sort(touched_.begin(), touched_.end());
    touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
    std::size_t own = 0, common = 0;
    for (std::size_t i = 0, end = 0; i < touched_.size(); i = end) {
      end = i + 1;
      while (end < touched_.size() && touched_[end].first == touched_[i].first) ++end;
      (end == i + 1 ? own : common) += 1;
    }
    return double(sector) * (double(own) * share + double(common));
  }

 private:
  std::vector<std::uint64_t> block_;                              ///< of the running block
  std::vector<std::pair<std::uint64_t, std::uint64_t>> touched_;  ///< sector and cluster
};

}  // namespace tweedie::ptx

// A best-fit pool of device memory that grows and never shrinks.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "kernels/queue.hpp"

namespace tweedie {

/// Hands out blocks of a queue's memory. Blocks are split and merged; the smallest free one that fits is
/// taken, so that a repeated sequence of requests repeats its addresses and, from its second round on,
/// reaches neither malloc nor the driver. Not thread-safe; outlives its blocks.
class Pool {
 public:
  struct Block {
    char* data = nullptr;  ///< 256-byte aligned
    std::size_t bytes = 0;
    int references = 0;  ///< 0: free
    std::size_t requested = 0;
    Block *previous = nullptr, *next = nullptr;  ///< neighbours in the same slab
  };

  /// `guarded`: a test mode that puts a pattern around every block, checks it when the block is freed, and
  /// fills blocks with NaN when they are taken and when they are freed.
  explicit Pool(Queue& q, bool guarded = false);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// A part of the pool with slabs of its own, for work that a graph repeats on the same addresses. Blocks
  /// that are taken while `Inside` lives come from it and return to it; nobody else gets them. With it, the
  /// slabs go to everybody. Not outlived by its pool.
  class Reserve {
   public:
    explicit Reserve(Pool& pool) : pool_(pool), id_(++pool.reserves_) {}
    ~Reserve() { pool_.dissolve(id_); }
    Reserve(const Reserve&) = delete;
    Reserve& operator=(const Reserve&) = delete;

    class Inside {
     public:
      explicit Inside(Reserve& reserve) : pool_(reserve.pool_), before_(pool_.inside_) {
        pool_.inside_ = reserve.id_;
      }
      ~Inside() { pool_.inside_ = before_; }
      Inside(const Inside&) = delete;
      Inside& operator=(const Inside&) = delete;

     private:
      Pool& pool_;
      int before_;
    };

   private:
    Pool& pool_;
    int id_;
  };

  /// A block of at least `bytes` bytes with one reference. Errors: out of memory.
  Block* acquire(std::size_t bytes);
  static void retain(Block* block) { ++block->references; }
  /// Gives up one reference; the last one frees the block. In guarded mode a damaged guard is logged and
  /// counted.
  void release(Block* block) noexcept;
  /// Where the caller's bytes start.
  void* data(const Block* block) const { return block->data + guard_; }

  std::size_t in_use() const { return in_use_; }
  std::size_t peak() const { return peak_; }
  void reset_peak() { peak_ = in_use_; }
  int damaged_guards() const { return damaged_; }
  bool guarded() const { return guard_ > 0; }
  Queue& queue() { return queue_; }

 private:
  Block* node();
  Block* grow(std::size_t bytes);
  void merge_with_next(Block* block);
  void dissolve(int reserve);
  void poison(const Block* block);
  void check_guards(const Block* block) noexcept;

  Queue& queue_;
  std::size_t guard_;  ///< bytes on each side
  std::size_t in_use_ = 0, peak_ = 0;
  int damaged_ = 0;
  int reserves_ = 0, inside_ = 0;  ///< how many there were; whose blocks are taken now
  struct Slab {
    Block* first;
    std::size_t bytes;
    int reserve;  ///< 0: everybody's
  };
  std::vector<Slab> slabs_;
  std::deque<Block> nodes_;
  Block* spare_ = nullptr;  ///< unused nodes, linked by `next`
};

}  // namespace tweedie

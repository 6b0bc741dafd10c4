// The processes that train one network together: data-parallel, by MPI.
#pragma once

#include <memory>
#include <span>
#include <vector>

namespace tweedie {

/// One process alone. Of several, every rank calls the same functions in the same order.
class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual int rank() const { return 0; }
  virtual int size() const { return 1; }
  /// Adds up each value over all ranks, in place. All ranks get the same bits.
  virtual void add_up(std::span<float>) {}
  /// The values of all ranks, rank 0's first. All give as many.
  virtual std::vector<double> gather(std::span<const double> values) {
    return {values.begin(), values.end()};
  }
};

/// The ranks of this process: those that mpirun (or a batch system) started together, else it alone. Errors:
/// several were started, and this build has no MPI.
std::unique_ptr<Ranks> join_ranks();

}  // namespace tweedie

#include "tools/train/ranks.hpp"

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "kernels/error.hpp"

#if TWEEDIE_MPI
#include <mpi.h>
#endif

namespace tweedie {
namespace {

// What Open MPI, MPICH and SLURM tell the processes they start. A process that was started alone does not
// wake MPI: that takes a while and complains in containers.
bool started_with_others() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"})
    if (const char* size = std::getenv(name); size && std::atoi(size) > 1) return true;
  return false;
}

#if TWEEDIE_MPI
void check(int code, const char* what) {
  require(code == MPI_SUCCESS, "MPI: ", what, " failed with code ", code);
}

class MpiRanks final : public Ranks {
 public:
  MpiRanks() {
    // The loader's threads make no calls.
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  }
  // A rank that fails says so and ends without a word to MPI; then mpirun ends the others, which wait for it.
  ~MpiRanks() override {
    if (std::uncaught_exceptions() == 0) MPI_Finalize();
  }
  MpiRanks(const MpiRanks&) = delete;
  MpiRanks& operator=(const MpiRanks&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void add_up(std::span<float> values) override {
    constexpr std::size_t most = std::size_t(1) << 30;  // MPI counts in int
    for (std::size_t at = 0; at < values.size(); at += most)
      check(MPI_Allreduce(MPI_IN_PLACE, values.data() + at, int(std::min(most, values.size() - at)),
                          MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD),
            "MPI_Allreduce");
  }
  std::vector<double> gather(std::span<const double> values) override {
    std::vector<double> all(values.size() * std::size_t(size_));
    check(MPI_Allgather(values.data(), int(values.size()), MPI_DOUBLE, all.data(), int(values.size()),
                        MPI_DOUBLE, MPI_COMM_WORLD),
          "MPI_Allgather");
    return all;
  }

 private:
  int rank_ = 0, size_ = 1;
};
#endif

}  // namespace

std::unique_ptr<Ranks> join_ranks() {
  if (!started_with_others()) return std::make_unique<Ranks>();
#if TWEEDIE_MPI
  return std::make_unique<MpiRanks>();
#else
  throw Error(
      "several processes were started together (mpirun, SLURM), but this build has no MPI: install it "
      "(libopenmpi-dev) and configure again");
#endif
}

}  // namespace tweedie

// What the stand-in counts of a program's calls, and that a dry run counts the same without doing it all.
#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/machine/ptx/kernels/kernels.hpp"
#include "tests/machine/stand_in/control.hpp"

namespace tweedie::stand_in {
namespace {

constexpr int n = 1 << 18;

/// Counts while it lives; a dry run where `blocks` is not 0.
struct Counting {
  explicit Counting(unsigned blocks = 0) {
    set_dry(blocks);
    count_kernels(true);
  }
  ~Counting() {
    set_dry(0);
    count_kernels(false);
  }
  /// The counts of the kernel whose name contains `words`.
  static KernelCount of(const std::string& words) {
    for (const auto& [name, count] : kernel_counts())
      if (name.find(words) != std::string::npos) return count;
    return {};
  }
};

struct Floats {
  explicit Floats(int count) {
    REQUIRE(cudaMalloc(&data, std::size_t(count) * sizeof(float)) == cudaSuccess);
    REQUIRE(cudaMemset(data, 0, std::size_t(count) * sizeof(float)) == cudaSuccess);
  }
  ~Floats() { cudaFree(data); }
  float* get() const { return static_cast<float*>(data); }
  void* data = nullptr;
};

TEST_CASE("what kernels move is counted by sectors, each once a launch and direction") {
  const Floats x(n), y(n);
  const Counting counting;
  ptx::kernels::saxpy(y.get(), x.get(), 2, n);
  ptx::kernels::saxpy(y.get(), x.get(), 2, n);
  const KernelCount saxpy = Counting::of("saxpy");
  CHECK(saxpy.launches == 2);
  CHECK(saxpy.read_bytes == 2 * 8 * std::uint64_t(n));
  CHECK(saxpy.written_bytes == 2 * 4 * std::uint64_t(n));

  // Blocks that touch the same sector count it once.
  constexpr int rows = 8, length = 1024;
  ptx::kernels::row_sums(y.get(), x.get(), rows, length);
  CHECK(Counting::of("row_sums").read_bytes == 4 * rows * length);
  CHECK(Counting::of("row_sums").written_bytes == 4 * rows);  // eight floats, all in one sector

  count_kernels(true);  // forgets
  CHECK(kernel_counts().empty());
}

TEST_CASE("a dry run executes some blocks of a grid and counts as if it were all") {
  const Floats x(n), y(n);
  REQUIRE(cudaMemset(x.get(), 0x3f, n * sizeof(float)) == cudaSuccess);
  KernelCount all, some;
  {
    const Counting counting;
    ptx::kernels::saxpy(y.get(), x.get(), 1, n);
    all = Counting::of("saxpy");
  }
  REQUIRE(cudaMemset(y.get(), 0, n * sizeof(float)) == cudaSuccess);
  {
    const Counting counting(8);
    const std::uint64_t launches = statistics().launches;
    ptx::kernels::saxpy(y.get(), x.get(), 1, n);
    CHECK(statistics().launches == launches + 1);
    some = Counting::of("saxpy");
  }
  CHECK(some.read_bytes == all.read_bytes);
  CHECK(some.written_bytes == all.written_bytes);
  std::vector<float> values(n);
  REQUIRE(cudaMemcpy(values.data(), y.get(), n * sizeof(float), cudaMemcpyDeviceToHost) == cudaSuccess);
  const auto written = std::count_if(values.begin(), values.end(), [](float v) { return v != 0; });
  CHECK(written > 0);
  CHECK(written < n / 4);
}

TEST_CASE("waits of the host are counted, and copies") {
  const Floats x(16);
  float host[16];
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  const Statistics before = statistics();
  CHECK(cudaMemcpyAsync(x.get(), host, sizeof host, cudaMemcpyHostToDevice, stream) == cudaSuccess);
  CHECK(cudaMemsetAsync(x.get(), 0, sizeof host, stream) == cudaSuccess);
  CHECK(statistics().waits == before.waits);
  CHECK(statistics().copies == before.copies + 2);
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
  CHECK(statistics().waits == before.waits + 2);
  CHECK(cudaMemcpy(host, x.get(), sizeof host, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(statistics().waits == before.waits + 3);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
}

}  // namespace
}  // namespace tweedie::stand_in

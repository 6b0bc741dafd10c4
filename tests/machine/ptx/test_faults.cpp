// The machine catches each mistake and names the culprit; the same kernel without the mistake passes.
#include <doctest/doctest.h>

#include "tests/machine/ptx/device_array.hpp"
#include "tests/machine/ptx/kernels/kernels.hpp"

namespace tweedie::ptx {
namespace {

constexpr WarpOrder all_orders[] = {WarpOrder::forward, WarpOrder::reverse, WarpOrder::random};

// Expects the error and a report that holds every word, in each warp order; the device works again after.
template <class Launch>
void expect_fault(Launch launch, cudaError_t expected, std::initializer_list<const char*> words) {
  stand_in::set_quiet(true);
  for (const WarpOrder order : all_orders) {
    stand_in::set_warp_order(order);
    launch();
    const cudaError_t status = cudaGetLastError();
    const std::string report = stand_in::last_report();
    CAPTURE(report);
    CHECK(status == expected);
    for (const std::string word : words) {
      CAPTURE(word);
      CHECK(report.find(word) != std::string::npos);
    }
    CHECK(cudaDeviceSynchronize() == expected);  // sticky
    stand_in::clear_fault();
    CHECK(cudaDeviceSynchronize() == cudaSuccess);
  }
  stand_in::set_quiet(false);
  stand_in::set_warp_order(WarpOrder::forward);
}

template <class Launch>
void expect_clean(Launch launch) {
  for (const WarpOrder order : all_orders) {
    stand_in::set_warp_order(order);
    launch();
    INFO(stand_in::last_report());
    CHECK(cudaDeviceSynchronize() == cudaSuccess);
    CHECK(cudaGetLastError() == cudaSuccess);
    stand_in::clear_fault();
  }
  stand_in::set_warp_order(WarpOrder::forward);
}

struct Fixture {
  DeviceArray<float> floats{std::vector<float>(256, 0.0f)};
  DeviceArray<int> ints{std::vector<int>(64, 0)};
  float* out = floats.data();
  int* whole = ints.data();
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a missing barrier is a race on shared memory") {
  expect_fault([&] { kernels::missing_barrier(out, false); }, cudaErrorLaunchFailure,
               {"race on shared memory", "missing_barrier", "faults.cu:", "thread (", "block (0,0,0)"});
  expect_clean([&] { kernels::missing_barrier(out, true); });
}

TEST_CASE_FIXTURE(Fixture, "overwriting shared memory that another warp may still read is a race") {
  expect_fault([&] { kernels::early_overwrite(out, false); }, cudaErrorLaunchFailure,
               {"race on shared memory", "early_overwrite", "faults.cu:"});
  expect_clean([&] { kernels::early_overwrite(out, true); });
}

TEST_CASE_FIXTURE(Fixture, "lanes of a warp exchanging without __syncwarp is a race too") {
  expect_fault([&] { kernels::missing_warp_barrier(out, false); }, cudaErrorLaunchFailure,
               {"race on shared memory", "missing_warp_barrier", "faults.cu:"});
  expect_clean([&] { kernels::missing_warp_barrier(out, true); });
}

TEST_CASE_FIXTURE(Fixture, "a divergent barrier: two barriers in the branches of one if") {
  expect_fault([&] { kernels::divergent_barrier(out, false); }, cudaErrorLaunchFailure,
               {"divergent barrier", "divergent_barrier", "bar"});
  expect_clean([&] { kernels::divergent_barrier(out, true); });
}

TEST_CASE_FIXTURE(Fixture, "a barrier that some threads pass by") {
  expect_fault(
      [&] { kernels::skipped_barrier(out, false); }, cudaErrorLaunchFailure,
      {"divergent barrier", "24 of the block's 64 threads exit without reaching it", "skipped_barrier"});
  expect_clean([&] { kernels::skipped_barrier(out, true); });
}

TEST_CASE_FIXTURE(Fixture, "a write past the end of a block") {
  const DeviceArray<float> small(std::vector<float>(50, 0.0f));
  expect_fault([&] { kernels::out_of_bounds(small.data(), 50, false); }, cudaErrorIllegalAddress,
               {"global write out of bounds: 4 bytes", "0 bytes past the end of a block of 200",
                "out_of_bounds", "thread (50,0,0)", "faults.cu:"});
  expect_clean([&] { kernels::out_of_bounds(small.data(), 50, true); });
}

TEST_CASE_FIXTURE(Fixture, "a misaligned vector access") {
  expect_fault([&] { kernels::misaligned_vector(out, false); }, cudaErrorMisalignedAddress,
               {"misaligned write of 8 bytes", "misaligned_vector", "thread (", "faults.cu:"});
  expect_clean([&] { kernels::misaligned_vector(out, true); });
}

TEST_CASE_FIXTURE(Fixture, "a read of shared memory that nobody wrote") {
  expect_fault(
      [&] { kernels::uninitialised_shared(out, false); }, cudaErrorLaunchFailure,
      {"read of uninitialised shared memory at offset 256", "uninitialised_shared", "thread (63,0,0)"});
  expect_clean([&] { kernels::uninitialised_shared(out, true); });
}

TEST_CASE_FIXTURE(Fixture, "an access past the end of shared memory") {
  expect_fault([&] { kernels::shared_out_of_bounds(out, false); }, cudaErrorIllegalAddress,
               {"shared write out of bounds", "shared_out_of_bounds", "thread (60,0,0)"});
  expect_clean([&] { kernels::shared_out_of_bounds(out, true); });
}

TEST_CASE_FIXTURE(Fixture, "a shuffle from a lane that does not take part") {
  expect_fault([&] { kernels::absent_lane(whole, false); }, cudaErrorLaunchFailure,
               {"shuffle reads lane 16, which does not take part", "absent_lane", "thread ("});
  expect_clean([&] { kernels::absent_lane(whole, true); });
}

TEST_CASE_FIXTURE(Fixture, "a failed assert") {
  expect_fault([&] { kernels::failed_assert(whole, false); }, cudaErrorAssert,
               {"trap", "failed_assert", "assert", "thread (5,0,0)"});
  expect_clean([&] { kernels::failed_assert(whole, true); });
}

TEST_CASE_FIXTURE(Fixture, "an endless loop") {
  stand_in::set_control_budget(100000);
  expect_fault([&] { kernels::endless_loop(whole, false); }, cudaErrorLaunchTimeout,
               {"does not come to an end", "endless_loop"});
  expect_clean([&] { kernels::endless_loop(whole, true); });
  stand_in::set_control_budget(Options().control_budget);
}

TEST_CASE("a kernel that uses memory after cudaFree") {
  float* freed = nullptr;
  REQUIRE(cudaMalloc(reinterpret_cast<void**>(&freed), 256) == cudaSuccess);
  expect_clean([&] { kernels::write_one(freed); });
  REQUIRE(cudaFree(freed) == cudaSuccess);
  expect_fault([&] { kernels::write_one(freed); }, cudaErrorIllegalAddress,
               {"global write out of bounds", "write_one", "thread ("});
}

TEST_CASE("a kernel that is given host memory") {
  std::vector<float> host(64);
  expect_fault([&] { kernels::write_one(host.data()); }, cudaErrorIllegalAddress,
               {"global write out of bounds", "write_one"});
}

TEST_CASE_FIXTURE(Fixture, "shared-memory checks can be turned off for long runs; results stay") {
  stand_in::set_shared_checks(false);
  expect_clean([&] { kernels::uninitialised_shared(out, false); });
  stand_in::set_shared_checks(true);
}

}  // namespace tweedie::ptx

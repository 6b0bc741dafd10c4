#include "tools/threads.hpp"

#include <doctest/doctest.h>
#include <sched.h>

#include <filesystem>

#include "tests/tools/files_for_tests.hpp"

using namespace tweedie;

TEST_CASE("a container's quota is rounded up to whole cores; where there is none, it is 0") {
  CHECK(cores_of_quota("200000 100000") == 2);
  CHECK(cores_of_quota("150000 100000\n") == 2);
  CHECK(cores_of_quota("10000 100000") == 1);
  CHECK(cores_of_quota("max 100000") == 0);
  CHECK(cores_of_quota("") == 0);
  CHECK(cores_of_quota("-1 100000") == 0);
  CHECK(cores_of_quota("100000") == 0);
  CHECK(cores_of_quota("100000 0") == 0);
}

TEST_CASE("the least quota of a process's cgroups and those above counts, of either generation") {
  const test::TemporaryFolder folder;
  const auto write = [&](const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(folder / path).parent_path());
    test::write_bytes(folder / path, text);
  };
  const std::string root = folder.path(), tree = "sys/fs/cgroup/";
  CHECK(cores_of_cgroups(root) == 0);  // a system without cgroups
  write("proc/self/cgroup", "0::/user.slice/job\n");
  CHECK(cores_of_cgroups(root) == 0);
  write(tree + "user.slice/job/cpu.max", "max 100000\n");
  CHECK(cores_of_cgroups(root) == 0);
  write(tree + "user.slice/cpu.max", "350000 100000\n");
  CHECK(cores_of_cgroups(root) == 4);
  write(tree + "user.slice/job/cpu.max", "150000 100000\n");
  CHECK(cores_of_cgroups(root) == 2);
  write(tree + "user.slice/other/cpu.max", "50000 100000\n");  // not ours
  CHECK(cores_of_cgroups(root) == 2);
  write(tree + "cpu.max", "100000 100000\n");  // a container sees its own as the root
  CHECK(cores_of_cgroups(root) == 1);

  // The first generation, whose path in a container is the host's and not there.
  write("proc/self/cgroup", "7:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n3:cpuset:/docker/abc\n");
  CHECK(cores_of_cgroups(root) == 0);
  write(tree + "memory/cpu.cfs_quota_us", "100000\n");
  write(tree + "memory/cpu.cfs_period_us", "100000\n");
  CHECK(cores_of_cgroups(root) == 0);
  write(tree + "cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write(tree + "cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  CHECK(cores_of_cgroups(root) == 0);
  write(tree + "cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
  CHECK(cores_of_cgroups(root) == 3);
  write(tree + "cpu/docker/abc/cpu.cfs_quota_us", "50000\n");
  write(tree + "cpu/docker/abc/cpu.cfs_period_us", "50000\n");
  CHECK(cores_of_cgroups(root) == 1);
}

TEST_CASE("a process's affinity bounds its threads") {
  cpu_set_t before, one;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(usable_cores() == 1);
  REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}

TEST_CASE("there is at least one core to use") { CHECK(usable_cores() >= 1); }

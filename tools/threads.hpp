// How many threads a program computes with, and how they wait for each other.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace tweedie {

/// Lets OpenMP's threads sleep soon when they wait for each other, unless the user's environment says how
/// they should (OMP_WAIT_POLICY, GOMP_SPINCOUNT). A thread that spins keeps a core from the very thread it
/// waits for as soon as other programs want the cores, too (`tweedie-bench --busy` shows what that costs,
/// with and without OMP_WAIT_POLICY=active). The runtime reads its environment when a process begins, so this
/// begins the process anew, once, with the same arguments; call it first thing in main.
void wait_politely(char** argv);

/// Adds --threads: all cores this process may use, or as many as its container's quota pays for, or N.
void add_threads_option(CLI::App& app);

/// The cores that this process may keep busy: those of its affinity, but no more than its cgroup's CPU quota,
/// rounded up.
int usable_cores();

/// The least CPU quota of this process's cgroups and those above them, in cores, rounded up; 0 where none
/// sets one. Both generations of cgroups are read, as this process sees them: `root` is "/", or a made-up
/// tree. Source: Documentation/admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst of Linux.
int cores_of_cgroups(const std::string& root = "/");

/// ceil(quota / period) of a cgroup's cpu.max ("150000 100000" is 2), or 0 where it sets none ("max 100000")
/// or says something else.
int cores_of_quota(const std::string& cpu_max);

}  // namespace tweedie

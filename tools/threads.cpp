#include "tools/threads.hpp"

#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/error.hpp"
#include "tools/numbers.hpp"

namespace tweedie {
namespace {

namespace fs = std::filesystem;

/// A line of /proc/self/cgroup, "number:controllers:path"; the unified hierarchy has no controllers.
struct Membership {
  bool unified = false;
  std::vector<std::string> mounts;  ///< below /sys/fs/cgroup; none where the line is not of the CPU
  fs::path path;                    ///< relative to the mount; a container's may not be below its mount

  explicit Membership(const std::string& line) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) return;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    path = fs::path(line.substr(second + 1)).relative_path();
    unified = controllers.empty();
    if (unified)
      mounts = {"", "unified"};
    else if (("," + controllers + ",").find(",cpu,") != std::string::npos)
      mounts = controllers == "cpu" ? std::vector<std::string>{"cpu"}
                                    : std::vector<std::string>{controllers, "cpu"};
  }
};

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// "quota period" of one cgroup; empty where there is none.
std::string quota_at(const fs::path& cgroup, bool unified) {
  if (unified) return first_line(cgroup / "cpu.max");
  return first_line(cgroup / "cpu.cfs_quota_us") + " " + first_line(cgroup / "cpu.cfs_period_us");
}

}  // namespace

void wait_politely(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT")) return;
  // 1000 turns take some microseconds: longer than threads of one loop are apart on a quiet machine.
  if (::setenv("GOMP_SPINCOUNT", "1000", 0) != 0) return;
  ::execv("/proc/self/exe", argv);  // where that fails, this process goes on, less politely
}

int cores_of_quota(const std::string& cpu_max) {
  std::istringstream text(cpu_max);
  double quota = 0, period = 0;
  if (!(text >> quota >> period) || !(quota > 0) || !(period > 0)) return 0;
  return int(std::min(std::ceil(quota / period), 1e6));
}

int cores_of_cgroups(const std::string& root) {
  int least = 0;
  std::ifstream list(fs::path(root) / "proc/self/cgroup");
  for (std::string line; std::getline(list, line);) {
    const Membership cgroup(line);
    for (const std::string& mount : cgroup.mounts) {
      const fs::path top = fs::path(root) / "sys/fs/cgroup" / mount;
      for (fs::path at = cgroup.path;; at = at.parent_path()) {
        const int cores = cores_of_quota(quota_at(top / at, cgroup.unified));
        if (cores > 0) least = least > 0 ? std::min(least, cores) : cores;
        if (at.empty()) break;
      }
    }
  }
  return least;
}

int usable_cores() {
  const int cores = omp_get_num_procs(), paid = cores_of_cgroups();
  return paid > 0 ? std::min(paid, cores) : cores;
}

void add_threads_option(CLI::App& app) {
  // What the user's environment says of threads stays, unless the command line says it.
  if (!std::getenv("OMP_NUM_THREADS")) omp_set_num_threads(usable_cores());
  app.add_option_function<int>(
         "--threads", [](int threads) { omp_set_num_threads(threads); },
         message("Threads to compute with (", omp_get_max_threads(), " here)"))
      ->check(whole_number(1, 4096));
}

}  // namespace tweedie

#include "tools/threads.hpp"

#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "kernels/error.hpp"
#include "tools/numbers.hpp"

namespace tweedie {

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

int usable_cores() {
  const int cores = omp_get_num_procs();
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string line;
  std::getline(file, line);
  const int paid = cores_of_quota(line);
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

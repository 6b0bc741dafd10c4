// A parallel loop over tasks that may throw.
#pragma once

#include <omp.h>

#include <cstdint>
#include <exception>

namespace tweedie {

/// Calls run(task, thread) for each task in [0, tasks), in any order, on all threads; `thread` numbers them
/// from 0. An exception must not leave a parallel region: of those that tasks throw one is thrown after the
/// loop.
template <class Run>
void for_tasks(std::int64_t tasks, const Run& run) {
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t task = 0; task < tasks; ++task) {
    try {
      run(task, omp_get_thread_num());
    } catch (...) {
#pragma omp critical(tweedie_task_failure)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tweedie

// The files that the table of refusals names.
#pragma once

#include <string>
#include <vector>

namespace tweedie::test {

/// Writes them into the current folder, which is empty. Errors: a program or a step of preparation fails.
void make_inputs();

/// Runs one of the programs on these words, in this process.
int run_program(const std::string& program, std::vector<std::string> words);

/// The task files of the DPS repository.
inline constexpr const char* task_files = TWEEDIE_TEST_DATA "/../end_to_end/task_files";

}  // namespace tweedie::test

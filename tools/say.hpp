// What programs print. Notes and progress may get lost, and work never stops for them; a result may not.
#pragma once

#include <cstdio>
#include <string_view>

namespace tweedie {

/// Prints a note or progress to `out` and flushes it. Never throws: where the stream is closed, full or
/// without a reader, the text is lost and the run goes on.
void say(std::FILE* out, std::string_view text) noexcept;

/// As above, on stderr.
void say(std::string_view text) noexcept;

/// Prints what a program was run for (a table, a JSON report, its help) and flushes it. Throws `Error` with
/// the system's reason when `out` did not take all of it; `name` is what the message calls the stream.
void print_result(std::string_view text, std::FILE* out = stdout, std::string_view name = "standard output");

/// Prepares the process's standard streams; `run_main` calls it first. A write without a reader fails from
/// then on, and does not end the process. A standard stream that is closed is given a file that takes no
/// bytes: otherwise the next file opened would get its number, and a note would be written into a result.
void guard_standard_streams();

}  // namespace tweedie

// The programs as functions, so that a test can run many command lines in one process.
#pragma once

namespace tweedie {

/// Runs the program on the words of its command line, the first of which is its name, and returns its exit
/// code: what `run_main` says. Prints to stdout and stderr. Nothing outlives a call but the files it wrote.
int convert_program(int argc, char** argv);
int restore_program(int argc, char** argv);
int sample_program(int argc, char** argv);
int verify_program(int argc, char** argv);

}  // namespace tweedie

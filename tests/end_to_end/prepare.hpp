// What tests of whole programs need to have beside them: pictures, spoiled weight files, changed attributes.
#pragma once

#include <string>
#include <vector>

namespace tweedie::test {

/// Carries out one command, the first of the words; the others are its files and numbers (see `usage` in
/// prepare.cpp). Errors: an unknown command, with a line for each known one; what it was to do failed.
void prepare(const std::vector<std::string>& words);

}  // namespace tweedie::test

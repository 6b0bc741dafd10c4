// Command lines of tweedie-restore, read and not carried out.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tools/restore/options.hpp"

namespace tweedie::test {

/// What `read_options` makes of these words and "-o out".
inline Options options_of(std::vector<std::string> words) {
  words.insert(words.begin(), {"tweedie-restore", "-o", "out"});
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  CLI::App app;
  return read_options(app, int(argv.size()), argv.data());
}

}  // namespace tweedie::test

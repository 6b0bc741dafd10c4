// Splits PTX text into tokens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tweedie::ptx {

struct Token {
  enum class Kind { identifier, number, string, punctuation, end };
  Kind kind = Kind::end;
  std::string text;
  int line = 0;
};

/// Comments and white space are dropped; the last token is of kind `end`. Identifiers keep their dots, so an
/// opcode with its modifiers, a directive and a register are one token each.
std::vector<Token> tokenize(std::string_view text);

}  // namespace tweedie::ptx

#include "tests/machine/ptx/lexer.hpp"

#include <cctype>

namespace tweedie::ptx {
namespace {

bool in_identifier(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '.' || c == '%';
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) step();
    add(Token::Kind::end, "");
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void add(Token::Kind kind, std::string_view text) { tokens_.push_back({kind, std::string(text), line_}); }

  void skip_comment() {
    if (peek(1) == '/') {
      while (at_ < text_.size() && peek() != '\n') ++at_;
      return;
    }
    while (at_ < text_.size() && !(peek() == '*' && peek(1) == '/')) {
      if (peek() == '\n') ++line_;
      ++at_;
    }
    at_ += 2;
  }

  void identifier() {
    const std::size_t start = at_;
    // "shared::cta" is one word
    while (in_identifier(peek()) || (peek() == ':' && peek(1) == ':')) at_ += peek() == ':' ? 2 : 1;
    std::string_view word = text_.substr(start, at_ - start);
    // ".reg.b32" may be written without a space
    if (word.starts_with(".reg.")) {
      add(Token::Kind::identifier, ".reg");
      word.remove_prefix(4);
    }
    add(Token::Kind::identifier, word);
  }

  void step() {
    const char c = peek();
    if (c == '\n') {
      ++line_;
      ++at_;
    } else if (std::isspace(static_cast<unsigned char>(c))) {
      ++at_;
    } else if (c == '/' && (peek(1) == '/' || peek(1) == '*')) {
      skip_comment();
    } else if (c == '"') {
      const std::size_t close = std::min(text_.find('"', at_ + 1), text_.size());
      add(Token::Kind::string, text_.substr(at_ + 1, close - at_ - 1));
      at_ = close + 1;
    } else if (std::isdigit(static_cast<unsigned char>(c))) {
      const std::size_t start = at_;
      while (std::isalnum(static_cast<unsigned char>(peek())) || peek() == '.') ++at_;
      add(Token::Kind::number, text_.substr(start, at_ - start));
    } else if (in_identifier(c)) {
      identifier();
    } else {
      add(Token::Kind::punctuation, text_.substr(at_, 1));
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view text) { return Lexer(text).run(); }

}  // namespace tweedie::ptx

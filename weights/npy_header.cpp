#include "weights/npy_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

constexpr std::size_t most_axes = 64;  // NumPy's own limit

struct Type {
  std::string_view text;
  std::uint64_t size;
};
constexpr std::array<Type, 14> read_types = {{{"|b1", 1},
                                              {"|i1", 1},
                                              {"|u1", 1},
                                              {"<i2", 2},
                                              {"<i4", 4},
                                              {"<i8", 8},
                                              {"<u2", 2},
                                              {"<u4", 4},
                                              {"<u8", 8},
                                              {"<f2", 2},
                                              {"<f4", 4},
                                              {"<f8", 8},
                                              {"<c8", 8},
                                              {"<c16", 16}}};

/// Reads the tokens of the few kinds of Python literal that a header may hold.
class Literal {
 public:
  Literal(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  /// Whether the next character, after blanks, is this one; if so, it is taken.
  bool take(char wanted) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    const bool taken = take(wanted);
    require(taken, where(), "expected '", wanted, "'");
  }
  /// Text in quotes of either kind. No escapes: neither a key nor a type has any.
  std::string text() {
    const bool single = take('\'');
    const bool quoted = single || take('"');
    require(quoted, where(), "expected text in quotes");
    const std::size_t end = text_.find(single ? '\'' : '"', at_);
    require(end != std::string_view::npos, where(), "a quote has no end");
    std::string value(text_.substr(at_, end - at_));
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    if (take_word("True")) return true;
    const bool is_false = take_word("False");
    require(is_false, where(), "expected True or False");
    return false;
  }
  /// A tuple of whole numbers: `()`, `(3,)`, `(3, 4)`; Python 2 wrote `3L`.
  Extents tuple() {
    Extents values;
    expect('(');
    while (!take(')')) {
      require(values.size() < most_axes, where(), "more than ", most_axes, " axes");
      values.push_back(number());
      take('L');
      if (take(',')) continue;
      expect(')');
      break;
    }
    return values;
  }
  bool at_end() {
    skip_blanks();
    return at_ == text_.size();
  }
  std::string where() const { return message(name_, ": damaged NumPy header at byte ", at_, ": "); }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool take_word(std::string_view word) {
    skip_blanks();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  std::int64_t number() {
    skip_blanks();
    std::int64_t value = 0;
    const char* end = text_.data() + text_.size();
    const auto [stop, failure] = std::from_chars(text_.data() + at_, end, value);
    require(failure == std::errc{} && value >= 0, where(), "expected a size");
    at_ = static_cast<std::size_t>(stop - text_.data());
    return value;
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
};

// Only printable characters of a file go into a message.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, 40));
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c > 0x7E; }, '?');
  return out;
}

const Type& known_type(const std::string& text, const std::string& name) {
  const auto found =
      std::find_if(read_types.begin(), read_types.end(), [&](const Type& type) { return type.text == text; });
  if (found != read_types.end()) return *found;
  const std::string called = "('" + printable(text) + "')";
  const char kind = text.size() > 1 ? text[1] : '\0';
  require(text.size() < 2 || text[0] != '>', name, ": holds big-endian numbers ", called,
          ", expected little-endian ones: save array.astype(array.dtype.newbyteorder('<'))");
  require(kind != 'O', name, ": holds Python objects ", called, ", expected numbers");
  require(kind != 'S' && kind != 'U', name, ": holds text ", called, ", expected numbers");
  require(kind != 'M' && kind != 'm', name, ": holds dates or times ", called, ", expected numbers");
  require(kind != 'V', name, ": holds raw bytes ", called, ", expected numbers");
  throw Error(message(name, ": holds elements of the type ", called,
                      ", expected b1, i1 to i8, u1 to u8, f2, f4, f8, c8 or c16"));
}

}  // namespace

NpyHeader parse_npy_header(std::string_view text, const std::string& name) {
  Literal literal(text, name);
  NpyHeader header;
  std::set<std::string> seen;
  literal.expect('{');
  while (!literal.take('}')) {
    const std::string key = literal.text();
    literal.expect(':');
    require(seen.insert(key).second, literal.where(), "the key '", printable(key), "' is there twice");
    if (key == "descr") {
      require(!literal.take('['), name, ": holds structures of several fields, expected numbers");
      const Type& type = known_type(literal.text(), name);
      header.type = type.text;
      header.element_size = type.size;
    } else if (key == "fortran_order") {
      header.fortran_order = literal.boolean();
    } else {
      require(key == "shape", literal.where(), "unknown key '", printable(key), "'");
      header.shape = literal.tuple();
    }
    if (literal.take(',')) continue;
    literal.expect('}');
    break;
  }
  const bool ended = literal.at_end();
  require(ended, literal.where(), "expected its end");
  require(seen.size() == 3, name, ": damaged NumPy header: expected 'descr', 'fortran_order' and 'shape'");
  return header;
}

}  // namespace tweedie

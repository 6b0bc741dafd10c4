#include "weights/pickle.hpp"

#include <algorithm>

#include "weights/pickle_reader.hpp"

namespace tweedie::pickle {

namespace {

constexpr std::uint64_t most_bytes = std::uint64_t{64} << 20;
constexpr std::size_t most_values = 2000000;

}  // namespace

Ref Reader::push_new(Value value) {
  hold(document_.values.size() < most_values, "more values than any index of tensors has");
  document_.values.push_back(std::move(value));
  push(static_cast<Ref>(document_.values.size() - 1));
  return stack_.back();
}

Ref Reader::top() const {
  hold(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "a value is missing from its stack");
  return stack_.back();
}

Ref Reader::pop() {
  const Ref ref = top();
  stack_.pop_back();
  return ref;
}

std::vector<Ref> Reader::pop_to_mark() {
  hold(!marks_.empty(), "a mark is missing from its stack");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<Ref> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

std::string Reader::take(std::uint64_t count) {
  hold(count <= most_bytes, "a text larger than any index of tensors");
  return cursor_.take(count);
}

std::string Reader::line() {
  std::string text;
  for (char c = static_cast<char>(cursor_.byte()); c != '\n'; c = static_cast<char>(cursor_.byte())) {
    hold(text.size() < 1000, "a name of more than 1000 characters");
    text += c;
  }
  return text;
}

void Reader::read_long(std::uint64_t bytes) {
  std::string digits = take(bytes);
  if (digits.size() > 8) {
    push_new({.kind = Kind::big_integer, .text = std::move(digits)});
    return;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < digits.size(); ++i)
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(digits[i])) << (8 * i);
  const bool negative = !digits.empty() && (static_cast<unsigned char>(digits.back()) & 0x80U) != 0;
  if (negative && digits.size() < 8) value |= ~std::uint64_t{0} << (8 * digits.size());
  push_new({.kind = Kind::integer, .integer = static_cast<std::int64_t>(value)});
}

bool Reader::read_scalar(std::uint8_t op) {
  const auto push_integer = [&](std::int64_t value) { push_new({.kind = Kind::integer, .integer = value}); };
  switch (op) {
    case 'N':
      push_new({.kind = Kind::none});
      return true;  // NONE
    case 0x88:
      push_new({.kind = Kind::boolean, .integer = 1});
      return true;  // NEWTRUE
    case 0x89:
      push_new({.kind = Kind::boolean, .integer = 0});
      return true;  // NEWFALSE
    case 'J':
      push_integer(static_cast<std::int32_t>(cursor_.number(4)));
      return true;  // BININT
    case 'K':
      push_integer(static_cast<std::int64_t>(cursor_.number(1)));
      return true;  // BININT1
    case 'M':
      push_integer(static_cast<std::int64_t>(cursor_.number(2)));
      return true;  // BININT2
    case 0x8a:
      read_long(cursor_.number(1));
      return true;  // LONG1
    case 0x8b:
      read_long(cursor_.number(4));
      return true;  // LONG4
    case 'G':       // BINFLOAT
      cursor_.number(8);
      push_new({.kind = Kind::real});  // its value never matters to a tensor
      return true;
    default:
      return false;
  }
}

bool Reader::read_text(std::uint8_t op) {
  const auto push_text = [&](Kind kind, int length_bytes) {
    push_new({.kind = kind, .text = take(cursor_.number(length_bytes))});
  };
  switch (op) {
    case 0x8c:
    case 'U':
      push_text(Kind::text, 1);
      return true;  // SHORT_BINUNICODE, SHORT_BINSTRING
    case 'X':
    case 'T':
      push_text(Kind::text, 4);
      return true;  // BINUNICODE, BINSTRING
    case 0x8d:
      push_text(Kind::text, 8);
      return true;  // BINUNICODE8
    case 'C':
      push_text(Kind::bytes, 1);
      return true;  // SHORT_BINBYTES
    case 'B':
      push_text(Kind::bytes, 4);
      return true;  // BINBYTES
    case 0x8e:
    case 0x96:
      push_text(Kind::bytes, 8);
      return true;  // BINBYTES8, BYTEARRAY8
    default:
      return false;
  }
}

bool Reader::read_container(std::uint8_t op) {
  const auto extend = [&](Kind kind, std::vector<Ref> items) {
    Value& target = at(top());
    hold(target.kind == kind, "items for a value that cannot hold them");
    hold(kind == Kind::list || items.size() % 2 == 0, "a key without a value");
    target.items.insert(target.items.end(), items.begin(), items.end());
  };
  const auto pop_last = [&](int count) {
    std::vector<Ref> items(static_cast<std::size_t>(count));
    for (auto item = items.rbegin(); item != items.rend(); ++item) *item = pop();
    return items;
  };
  switch (op) {
    case '(':
      marks_.push_back(stack_.size());
      return true;  // MARK
    case '0':       // POP, also of a mark
      if (!marks_.empty() && marks_.back() == stack_.size())
        marks_.pop_back();
      else
        pop();
      return true;
    case '1':
      pop_to_mark();
      return true;  // POP_MARK
    case '2':
      push(top());
      return true;  // DUP
    case ')':
    case ']':
    case 0x8f:
      push_new({.kind = Kind::list});
      return true;  // EMPTY_TUPLE, _LIST, _SET
    case '}':
      push_new({.kind = Kind::mapping});
      return true;  // EMPTY_DICT
    case 't':
    case 'l':
    case 0x91:
      push_new({.kind = Kind::list, .items = pop_to_mark()});
      return true;  // TUPLE, LIST
    case 0x85:
    case 0x86:
    case 0x87:  // TUPLE1, 2, 3
      push_new({.kind = Kind::list, .items = pop_last(op - 0x84)});
      return true;
    case 'a':
      extend(Kind::list, pop_last(1));
      return true;  // APPEND
    case 'e':
    case 0x90:
      extend(Kind::list, pop_to_mark());
      return true;  // APPENDS, ADDITEMS
    case 's':
      extend(Kind::mapping, pop_last(2));
      return true;  // SETITEM
    case 'u':
      extend(Kind::mapping, pop_to_mark());
      return true;  // SETITEMS
    case 'd':       // DICT
      push_new({.kind = Kind::mapping, .items = pop_to_mark()});
      hold(at(top()).items.size() % 2 == 0, "a key without a value");
      return true;
    default:
      return false;
  }
}

bool Reader::read_memo(std::uint8_t op) {
  const auto recall = [&](std::uint64_t index) {
    const auto found = memo_.find(index);
    hold(found != memo_.end(), "a reference to a value that was never stored");
    push(found->second);
  };
  switch (op) {
    case 'q':
      memo_[cursor_.number(1)] = top();
      return true;  // BINPUT
    case 'r':
      memo_[cursor_.number(4)] = top();
      return true;  // LONG_BINPUT
    case 0x94:
      memo_[memo_.size()] = top();
      return true;  // MEMOIZE
    case 'h':
      recall(cursor_.number(1));
      return true;  // BINGET
    case 'j':
      recall(cursor_.number(4));
      return true;  // LONG_BINGET
    default:
      return false;
  }
}

bool Reader::read_object(std::uint8_t op) {
  switch (op) {
    case 'c':
    case 'i': {  // GLOBAL, INST
      const std::string module = line();
      push_global(module, line());
      hold(op == 'c', "an opcode that tensors do not need (INST)");
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const Ref name = pop();
      const Ref module = pop();
      hold(at(name).kind == Kind::text && at(module).kind == Kind::text, "a global without a name");
      push_global(at(module).text, at(name).text);
      return true;
    }
    case 'R':
    case 0x81: {  // REDUCE, NEWOBJ
      const Ref arguments = pop();
      call(pop(), arguments);
      return true;
    }
    case 'b': {  // BUILD: attributes, such as a state dict's _metadata
      pop();
      const Kind kind = at(top()).kind;
      hold(kind == Kind::mapping || kind == Kind::tensor, "attributes for a value that has none");
      return true;
    }
    case 'Q':
      push_storage(pop());
      return true;  // BINPERSID
    default:
      return false;
  }
}

Document Reader::read() {
  while (true) {
    hold(cursor_.position() - start_ <= most_bytes, "larger than any index of tensors");
    const std::uint8_t op = cursor_.byte();
    if (op == '.') break;  // STOP
    if (op == 0x80) {      // PROTO
      const std::uint8_t protocol = cursor_.byte();
      hold(protocol >= 2 && protocol <= 5, "a protocol that torch.save does not use");
    } else if (op == 0x95) {  // FRAME
      cursor_.number(8);
    } else if (!read_scalar(op) && !read_text(op) && !read_container(op) && !read_memo(op) &&
               !read_object(op)) {
      refuse(message("opcode ", static_cast<int>(op), ", which tensors do not need"));
    }
  }
  document_.root = pop();
  return std::move(document_);
}

Document read(Cursor& cursor) { return Reader(cursor).read(); }

}  // namespace tweedie::pickle

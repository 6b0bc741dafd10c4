#include "weights/checkpoints/pickle.hpp"

#include <algorithm>

#include "weights/checkpoints/pickle_reader.hpp"

namespace tweedie::pickle {

namespace {

constexpr std::uint64_t most_bytes = std::uint64_t{64} << 20;
constexpr std::size_t most_values = 2000000;

// Opcodes of protocols 2 to 5 (Python's pickletools.py); a digit is the number of bytes of an operand or its
// length.
namespace op {
enum : std::uint8_t {
  protocol = 0x80,
  frame = 0x95,
  stop = '.',
  mark = '(',
  pop = '0',
  pop_mark = '1',
  duplicate = '2',
  none = 'N',
  new_true = 0x88,
  new_false = 0x89,
  int1 = 'K',
  int2 = 'M',
  int4 = 'J',
  long1 = 0x8a,
  long4 = 0x8b,
  real = 'G',
  text1 = 0x8c,
  text4 = 'X',
  text8 = 0x8d,
  string1 = 'U',
  string4 = 'T',
  bytes1 = 'C',
  bytes4 = 'B',
  bytes8 = 0x8e,
  byte_array8 = 0x96,
  empty_tuple = ')',
  tuple = 't',
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  empty_list = ']',
  list = 'l',
  append = 'a',
  appends = 'e',
  empty_dict = '}',
  dict = 'd',
  set_item = 's',
  set_items = 'u',
  empty_set = 0x8f,
  add_items = 0x90,
  frozen_set = 0x91,
  put1 = 'q',
  put4 = 'r',
  memoize = 0x94,
  get1 = 'h',
  get4 = 'j',
  global = 'c',
  instance = 'i',
  stack_global = 0x93,
  reduce = 'R',
  new_object = 0x81,
  new_object_by_keywords = 0x92,
  build = 'b',
  persistent_id = 'Q',
};
}  // namespace op

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

bool Reader::read_scalar(std::uint8_t code) {
  const auto push_integer = [&](std::int64_t value) { push_new({.kind = Kind::integer, .integer = value}); };
  switch (code) {
    case op::none:
      push_new({.kind = Kind::none});
      return true;
    case op::new_true:
      push_new({.kind = Kind::boolean, .integer = 1});
      return true;
    case op::new_false:
      push_new({.kind = Kind::boolean, .integer = 0});
      return true;
    case op::int4:
      push_integer(static_cast<std::int32_t>(cursor_.number(4)));
      return true;
    case op::int1:
      push_integer(static_cast<std::int64_t>(cursor_.number(1)));
      return true;
    case op::int2:
      push_integer(static_cast<std::int64_t>(cursor_.number(2)));
      return true;
    case op::long1:
      read_long(cursor_.number(1));
      return true;
    case op::long4:
      read_long(cursor_.number(4));
      return true;
    case op::real:
      cursor_.number(8);
      push_new({.kind = Kind::real});  // its value never matters to a tensor
      return true;
    default:
      return false;
  }
}

bool Reader::read_text(std::uint8_t code) {
  const auto push_text = [&](Kind kind, int length_bytes) {
    push_new({.kind = kind, .text = take(cursor_.number(length_bytes))});
    return true;
  };
  switch (code) {
    case op::text1:
    case op::string1:
      return push_text(Kind::text, 1);
    case op::text4:
    case op::string4:
      return push_text(Kind::text, 4);
    case op::text8:
      return push_text(Kind::text, 8);
    case op::bytes1:
      return push_text(Kind::bytes, 1);
    case op::bytes4:
      return push_text(Kind::bytes, 4);
    case op::bytes8:
    case op::byte_array8:
      return push_text(Kind::bytes, 8);
    default:
      return false;
  }
}

bool Reader::read_stack(std::uint8_t code) {
  switch (code) {
    case op::mark:
      marks_.push_back(stack_.size());
      return true;
    case op::pop:  // also of a mark
      if (!marks_.empty() && marks_.back() == stack_.size())
        marks_.pop_back();
      else
        pop();
      return true;
    case op::pop_mark:
      pop_to_mark();
      return true;
    case op::duplicate:
      push(top());
      return true;
    default:
      return false;
  }
}

std::vector<Ref> Reader::pop_last(int count) {
  std::vector<Ref> items(static_cast<std::size_t>(count));
  for (auto item = items.rbegin(); item != items.rend(); ++item) *item = pop();
  return items;
}

// Adds elements to the list, or keys and values to the mapping, on top of the stack.
void Reader::extend(Kind kind, const std::vector<Ref>& items) {
  Value& target = at(top());
  if (target.kind == Kind::opaque) return;  // a set's or a deque's
  hold(target.kind == kind, "items for a value that cannot hold them");
  hold(kind == Kind::list || items.size() % 2 == 0, "a key without a value");
  target.items.insert(target.items.end(), items.begin(), items.end());
}

bool Reader::read_container(std::uint8_t code) {
  switch (code) {
    case op::empty_tuple:
    case op::empty_list:
    case op::empty_set:
      push_new({.kind = Kind::list});
      return true;
    case op::empty_dict:
      push_new({.kind = Kind::mapping});
      return true;
    case op::tuple:
    case op::list:
    case op::frozen_set:
      push_new({.kind = Kind::list, .items = pop_to_mark()});
      return true;
    case op::tuple1:
    case op::tuple2:
    case op::tuple3:
      push_new({.kind = Kind::list, .items = pop_last(code - op::tuple1 + 1)});
      return true;
    case op::append:
      extend(Kind::list, pop_last(1));
      return true;
    case op::appends:
    case op::add_items:
      extend(Kind::list, pop_to_mark());
      return true;
    case op::set_item:
      extend(Kind::mapping, pop_last(2));
      return true;
    case op::set_items:
      extend(Kind::mapping, pop_to_mark());
      return true;
    case op::dict: {
      const std::vector<Ref> items = pop_to_mark();
      push_new({.kind = Kind::mapping});
      extend(Kind::mapping, items);
      return true;
    }
    default:
      return false;
  }
}

bool Reader::read_memo(std::uint8_t code) {
  const auto recall = [&](std::uint64_t index) {
    const auto found = memo_.find(index);
    hold(found != memo_.end(), "a reference to a value that was never stored");
    push(found->second);
    return true;
  };
  switch (code) {
    case op::put1:
      memo_[cursor_.number(1)] = top();
      return true;
    case op::put4:
      memo_[cursor_.number(4)] = top();
      return true;
    case op::memoize:
      memo_[memo_.size()] = top();
      return true;
    case op::get1:
      return recall(cursor_.number(1));
    case op::get4:
      return recall(cursor_.number(4));
    default:
      return false;
  }
}

bool Reader::read_object(std::uint8_t code) {
  switch (code) {
    case op::global:
    case op::instance: {
      const std::string module = line();
      push_global(module, line());
      hold(code == op::global, "an opcode that tensors do not need (INST)");
      return true;
    }
    case op::stack_global: {
      const Ref name = pop();
      const Ref module = pop();
      hold(at(name).kind == Kind::text && at(module).kind == Kind::text, "a global without a name");
      push_global(at(module).text, at(name).text);
      return true;
    }
    case op::reduce:
    case op::new_object: {
      const Ref arguments = pop();
      call(pop(), arguments);
      return true;
    }
    case op::new_object_by_keywords: {
      pop();
      const Ref arguments = pop();
      const Ref function = pop();
      hold(is_opaque(function), "a call by keywords of what takes none");
      call(function, arguments);
      return true;
    }
    case op::build: {  // attributes, such as a state dict's _metadata
      pop();
      const Kind kind = at(top()).kind;
      // A tensor's could replace its values.
      hold(kind != Kind::tensor, "attributes set on a tensor after it was made");
      hold(kind == Kind::mapping || kind == Kind::unread_tensor || kind == Kind::opaque,
           "attributes for a value that has none");
      return true;
    }
    case op::persistent_id:
      push_storage(pop());
      return true;
    default:
      return false;
  }
}

Document Reader::read() {
  while (true) {
    hold(cursor_.position() - start_ <= most_bytes, "larger than any index of tensors");
    const std::uint8_t code = cursor_.byte();
    if (code == op::stop) break;
    if (code == op::protocol) {
      const std::uint8_t protocol = cursor_.byte();
      hold(protocol >= 2 && protocol <= 5, "a protocol that torch.save does not use");
    } else if (code == op::frame) {
      cursor_.number(8);
    } else if (!read_scalar(code) && !read_text(code) && !read_stack(code) && !read_container(code) &&
               !read_memo(code) && !read_object(code)) {
      refuse(message("opcode ", static_cast<int>(code), ", which tensors do not need"));
    }
  }
  document_.root = pop();
  return std::move(document_);
}

Document read(Cursor& cursor) { return Reader(cursor).read(); }

}  // namespace tweedie::pickle

// The stack machine behind `pickle::read`: opcodes in pickle.cpp, the meaning of globals in
// pickle_objects.cpp.
#pragma once

#include <unordered_map>

#include "kernels/error.hpp"
#include "weights/checkpoints/pickle.hpp"
#include "weights/checkpoints/pickle_globals.hpp"

namespace tweedie::pickle {

/// The state of reading one pickle: a stack, marks on it, and a memo of values.
class Reader {
 public:
  explicit Reader(Cursor& cursor) : cursor_(cursor), start_(cursor.position()) {}
  Document read();

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(
        message(cursor_.source().name(), ": damaged pickle before byte ", cursor_.position(), ": ", what));
  }
  void hold(bool condition, const char* what) const {
    if (!condition) refuse(what);
  }

  // The stack.
  void push(Ref ref) { stack_.push_back(ref); }
  Ref push_new(Value value);
  Ref pop();
  Ref top() const;
  std::vector<Ref> pop_to_mark();
  std::vector<Ref> pop_last(int count);
  void extend(Kind kind, const std::vector<Ref>& items);
  Value& at(Ref ref) { return document_.values[ref]; }

  // Opcodes, by family; each says whether the opcode was one of its.
  bool read_scalar(std::uint8_t code);
  bool read_text(std::uint8_t code);
  bool read_stack(std::uint8_t code);
  bool read_container(std::uint8_t code);
  bool read_memo(std::uint8_t code);
  bool read_object(std::uint8_t code);
  void read_long(std::uint64_t bytes);
  std::string take(std::uint64_t count);
  std::string line();

  // What globals mean.
  void push_global(const std::string& module, const std::string& name);
  bool is_opaque(Ref function) const;
  void call(Ref function, Ref arguments);
  Ref make_mapping(const Value& arguments);
  Ref make_tensor(const Value& arguments, Role role);
  void use_parameter(const Value& arguments, Role role);
  bool is_negated(Ref metadata) const;
  void require_no_hooks(Ref hooks) const;
  void push_storage(Ref identifier);
  std::int64_t integer(Ref ref, const char* what) const;
  std::vector<std::int64_t> integers(Ref ref, const char* what) const;

  Cursor& cursor_;
  std::uint64_t start_;
  Document document_;
  std::vector<Ref> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Ref> memo_;
  std::vector<Global> globals_;
  std::unordered_map<std::string, std::size_t> storage_of_key_;
  std::size_t copied_ = 0;  ///< items copied from one value into another
};

}  // namespace tweedie::pickle

// From an opcode and its operands to a handler.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/machine/ptx/program.hpp"

namespace tweedie::ptx {

/// "ld.global.nc.v4.f32" taken apart.
struct Opcode {
  explicit Opcode(std::string_view text);
  std::string text;
  std::vector<std::string> parts;  ///< {"ld", "global", "nc", "v4", "f32"}
  std::vector<Type> types;         ///< {f32}
  const std::string& base() const { return parts[0]; }
  bool has(std::string_view part) const;
  /// The type of plain numbers among the operands: the last one named.
  Type operand_type() const { return types.empty() ? Type::none : types.back(); }
};

/// An operand as written: one value, a vector {a, b}, or the pair of a result and its predicate, p|q.
struct ParsedOperand {
  Operand value;
  std::vector<Operand> elements;
  Operand second;
  std::optional<std::uint64_t> constant;  ///< of a plain number
  std::string label;                      ///< of a branch, or any unknown name
  Space symbol_space = Space::generic;    ///< of a variable used by name
};

/// What a decoder works on. It sets `instruction.run`, or leaves it null for what it does not support.
struct Decoding {
  Instruction& instruction;
  const Opcode& opcode;
  const std::vector<ParsedOperand>& operands;
  Type type() const { return instruction.type; }
};
using Decoder = void (*)(Decoding&);
using DecoderTable = std::unordered_map<std::string_view, Decoder>;

/// Decoders by the name of the instruction; those of `add`, `min` and the like differ with the first type.
struct DecoderTables {
  DecoderTable integer, floating, half, any;
};

// Each family of instructions enters its decoders.
void add_integer_decoders(DecoderTables& tables);
void add_bit_decoders(DecoderTables& tables);
void add_float_decoders(DecoderTables& tables);
void add_half_decoders(DecoderTables& tables);
void add_select_decoders(DecoderTables& tables);
void add_convert_decoders(DecoderTables& tables);
void add_memory_decoders(DecoderTables& tables);
void add_atomic_decoders(DecoderTables& tables);
void add_warp_decoders(DecoderTables& tables);
void add_control_decoders(DecoderTables& tables);

/// The decoded instruction. Errors: Fault of kind `load` naming the line and the opcode.
Instruction decode(const Opcode& opcode, const std::vector<ParsedOperand>& operands, int line);

// Picks an instance of a generic lambda `Handler f(T)` by type; nullptr when the type does not fit.
template <class F>
Handler for_integer(Type t, F f) {
  switch (t) {
    case Type::u16:
    case Type::b16:
      return f(std::uint16_t());
    case Type::s16:
      return f(std::int16_t());
    case Type::u32:
    case Type::b32:
      return f(std::uint32_t());
    case Type::s32:
      return f(std::int32_t());
    case Type::u64:
    case Type::b64:
      return f(std::uint64_t());
    case Type::s64:
      return f(std::int64_t());
    default:
      return nullptr;
  }
}

/// For operations on bits alone: floating-point types count by their size.
template <class F>
Handler for_bits(Type t, F f) {
  switch (size_of(t)) {
    case 2:
      return f(std::uint16_t());
    case 4:
      return f(std::uint32_t());
    case 8:
      return f(std::uint64_t());
    default:
      return nullptr;
  }
}

template <class F>
Handler for_float(Type t, F f) {
  if (t == Type::f32) return f(float());
  if (t == Type::f64) return f(double());
  return nullptr;
}

}  // namespace tweedie::ptx

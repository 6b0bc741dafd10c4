#include "tests/machine/ptx/decode.hpp"

#include <algorithm>
#include <cfenv>
#include <unordered_set>

namespace tweedie::ptx {

std::optional<Type> type_named(std::string_view name) {
  static const std::unordered_map<std::string_view, Type> types = {
      {"u8", Type::u8},       {"s8", Type::s8},         {"b8", Type::b8},     {"u16", Type::u16},
      {"s16", Type::s16},     {"b16", Type::b16},       {"u32", Type::u32},   {"s32", Type::s32},
      {"b32", Type::b32},     {"u64", Type::u64},       {"s64", Type::s64},   {"b64", Type::b64},
      {"f16", Type::f16},     {"bf16", Type::bf16},     {"f32", Type::f32},   {"f64", Type::f64},
      {"f16x2", Type::f16x2}, {"bf16x2", Type::bf16x2}, {"pred", Type::pred}, {"b128", Type::b128}};
  const auto found = types.find(name);
  if (found == types.end()) return std::nullopt;
  return found->second;
}

Opcode::Opcode(std::string_view whole) : text(whole) {
  for (std::size_t start = 0; start <= whole.size();) {
    const std::size_t dot = std::min(whole.find('.', start), whole.size());
    parts.emplace_back(whole.substr(start, dot - start));
    start = dot + 1;
  }
  for (const std::string& part : parts)
    if (const auto type = type_named(part)) types.push_back(*type);
}

bool Opcode::has(std::string_view part) const {
  return std::find(parts.begin() + 1, parts.end(), part) != parts.end();
}

namespace {

Decoder find_decoder(const Opcode& op) {
  static const DecoderTables tables = [] {
    DecoderTables t;
    add_integer_decoders(t);
    add_bit_decoders(t);
    add_float_decoders(t);
    add_half_decoders(t);
    add_select_decoders(t);
    add_convert_decoders(t);
    add_memory_decoders(t);
    add_atomic_decoders(t);
    add_warp_decoders(t);
    add_control_decoders(t);
    return t;
  }();
  const Type type = op.types.empty() ? Type::none : op.types[0];
  const DecoderTable& own = is_half(type) ? tables.half : is_float(type) ? tables.floating : tables.integer;
  for (const DecoderTable* table : {&own, &tables.any})
    if (const auto found = table->find(op.base()); found != table->end()) return found->second;
  return nullptr;
}

// Every modifier the machine gives its meaning, or may ignore because it only concerns speed or an order of
// memory accesses that running one warp instruction at a time always keeps.
bool known_modifier(const std::string& word) {
  static const std::unordered_set<std::string> words = {
      // arithmetic
      "rn", "rna", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi", "ftz", "sat", "relu", "approx", "full", "lo",
      "hi", "wide", "cc", "NaN", "xorsign",
      // comparisons and bits
      "eq", "ne", "lt", "le", "gt", "ge", "ls", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan",
      "and", "or", "xor", "not", "shiftamt", "l", "r", "clamp", "wrap", "f4e", "b4e", "rc8", "ecl", "ecr",
      "rc16", "finite", "infinite", "number", "notanumber", "normal", "subnormal",
      // memory
      "global", "shared", "shared::cta", "local", "param", "param::entry", "param::func", "const", "v2", "v4",
      "v8", "volatile", "relaxed", "acquire", "release", "acq_rel", "weak", "sc", "cta", "cluster", "gpu",
      "sys", "nc", "ca", "cg", "cs", "lu", "cv", "cop", "wb", "wt", "L1", "L2", "L1::evict_last",
      "L1::evict_first", "L1::no_allocate", "L1::evict_normal", "L2::64B", "L2::128B", "L2::256B",
      "L2::evict_last", "L2::evict_normal", "gl", "to", "noftz", "add", "min", "max", "inc", "dec", "exch",
      "cas", "async", "commit_group", "wait_group", "wait_all",
      // control and warps
      "uni", "sync", "aligned", "red", "popc", "warp", "up", "down", "bfly", "idx", "all", "any", "ballot",
      "membar", "proxy", "alias", "generic", "mmio"};
  return words.count(word) != 0 || type_named(word).has_value();
}

void read_modifiers(Instruction& i, const Opcode& op) {
  static const std::unordered_map<std::string_view, int> rounding = {
      {"rn", FE_TONEAREST}, {"rz", FE_TOWARDZERO}, {"rm", FE_DOWNWARD}, {"rp", FE_UPWARD}};
  static const std::unordered_map<std::string_view, int> integral = {
      {"rni", FE_TONEAREST}, {"rzi", FE_TOWARDZERO}, {"rmi", FE_DOWNWARD}, {"rpi", FE_UPWARD}};
  static const std::unordered_map<std::string_view, Space> spaces = {
      {"global", Space::global},         {"shared", Space::shared},   {"shared::cta", Space::shared},
      {"local", Space::local},           {"param", Space::parameter}, {"param::entry", Space::parameter},
      {"param::func", Space::parameter}, {"const", Space::constant}};
  i.rounding = FE_TONEAREST;
  i.type = op.types.empty() ? Type::none : op.types[0];
  i.type2 = op.types.size() > 1 ? op.types[1] : Type::none;
  for (std::size_t k = 1; k < op.parts.size(); ++k) {
    const std::string& part = op.parts[k];
    if (const auto r = rounding.find(part); r != rounding.end()) i.rounding = r->second;
    if (const auto r = integral.find(part); r != integral.end()) i.integral = r->second;
    if (const auto s = spaces.find(part); s != spaces.end()) i.space = s->second;
    if (part == "v2" || part == "v4" || part == "v8") i.vector = std::uint8_t(part[1] - '0');
  }
  i.flush = op.has("ftz");
  i.saturate = op.has("sat");
  i.relu = op.has("relu");
}

}  // namespace

Instruction decode(const Opcode& opcode, const std::vector<ParsedOperand>& operands, int line) {
  const auto refuse = [&](const std::string& why) {
    throw Fault(FaultKind::load,
                message("PTX line ", line, ": unsupported instruction '", opcode.text, "'", why));
  };
  const Decoder decoder = find_decoder(opcode);
  if (!decoder) refuse("");
  for (std::size_t k = 1; k < opcode.parts.size(); ++k)
    if (!known_modifier(opcode.parts[k])) refuse(": unknown modifier ." + opcode.parts[k]);

  Instruction i;
  read_modifiers(i, opcode);
  Operand* const places[] = {&i.d, &i.a, &i.b, &i.c, &i.e};
  if (operands.size() > std::size(places)) refuse(": too many operands");
  for (std::size_t k = 0; k < operands.size(); ++k) {
    if (operands[k].value.kind == Operand::Kind::label && opcode.base() != "bra")
      refuse(": unknown name '" + operands[k].label + "'");
    *places[k] = operands[k].value;
    if (!operands[k].elements.empty()) i.elements = operands[k].elements;
  }
  if (!operands.empty()) i.d2 = operands[0].second;
  Decoding decoding{i, opcode, operands};
  decoder(decoding);
  if (!i.run) refuse("");
  return i;
}

}  // namespace tweedie::ptx

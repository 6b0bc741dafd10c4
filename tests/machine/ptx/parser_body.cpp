// Function bodies: declarations, instructions, operands and calls.
#include <cstdlib>
#include <cstring>

#include "tests/machine/ptx/parser.hpp"
#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {

void Parser::block() {
  expect("{");
  scopes_.emplace_back();
  while (!accept("}")) {
    if (token().kind == Token::Kind::end) fail("unexpected end of the module");
    statement();
  }
  scopes_.pop_back();
}

void Parser::statement() {
  if (is("{")) return block();
  if (accept(";") || declaration()) return;
  if (token().kind == Token::Kind::identifier && token(1).text == ":") {
    labels_[label_prefix_ + token().text] = std::uint32_t(function_->code.size());
    at_ += 2;
    return;
  }
  instruction();
}

bool Parser::declaration() {
  if (accept(".reg"))
    declare_registers();
  else if (accept(".shared"))
    variable(Space::shared, false);
  else if (accept(".local"))
    variable(Space::local, false);
  else if (accept(".param"))
    variable(Space::local, false);  // an argument of a call
  else if (accept(".pragma"))
    skip_past(";");
  else if (accept(".loc"))
    location();
  else
    return false;
  return true;
}

// .reg .b32 %r<9>;  .reg .b64 a, b;
void Parser::declare_registers() {
  const unsigned slot = size_of(type_directive()) == 8 ? 8 : 4;
  do {
    const std::string name = identifier();
    if (!accept("<")) {
      declare_register(name, slot);
      continue;
    }
    const std::int64_t count = integer();
    expect(">");
    for (std::int64_t k = 0; k < count; ++k) declare_register(name + std::to_string(k), slot);
  } while (accept(","));
  expect(";");
}

void Parser::declare_register(const std::string& name, unsigned slot) {
  Operand o;
  o.kind = Operand::Kind::lanes;
  o.slot = std::uint8_t(slot);
  o.offset = function_->register_bytes;
  function_->register_bytes += warp_size * slot;
  scopes_.back()[name] = o;
}

// .loc file line column [, function_name ..., inlined_at ...]
void Parser::location() {
  const int line = token().line;
  source_file_ = integer();
  source_line_ = integer();
  while (token().kind != Token::Kind::end && token().line == line) ++at_;
}

void Parser::append(Instruction instruction, const std::string& opcode, int line) {
  note_shared_access(instruction, opcode);
  function_->code.push_back(std::move(instruction));
  function_->origins.push_back({line, int(source_line_), opcode, {}});
  origin_files_.push_back(source_file_);
}

// Races are looked for in pieces as small as the smallest access; generic accesses may be shared ones.
void Parser::note_shared_access(const Instruction& i, std::string_view opcode) {
  const bool accesses = opcode.starts_with("ld.") || opcode.starts_with("st.") ||
                        opcode.starts_with("atom.") || opcode.starts_with("red.");
  if (accesses && (i.space == Space::shared || i.space == Space::generic))
    function_->shared_granule = std::min(function_->shared_granule, size_of(i.type));
}

// [@[!]p] opcode operand, ... ;
void Parser::instruction() {
  const int line = token().line;
  const Operand* guard = nullptr;
  bool guard_negated = false;
  if (accept("@")) {
    guard_negated = accept("!");
    const std::string name = identifier();
    guard = find_register(name);
    if (!guard) fail(message("unknown predicate '", name, "'"));
  }
  const Opcode opcode(identifier());
  if (opcode.base() == "call") {
    if (guard) fail("a predicated call is not supported");
    return call();
  }
  std::vector<ParsedOperand> operands;
  if (!is(";")) {
    do operands.push_back(operand(opcode.operand_type()));
    while (accept(","));
  }
  expect(";");
  Instruction i = decode(opcode, operands, line);
  if (guard) {
    i.guarded = true;
    i.guard_negated = guard_negated;
    i.guard_offset = guard->offset;
  }
  const auto index = std::uint32_t(function_->code.size());
  if (i.flow == Flow::branch) branches_.push_back({index, label_prefix_ + operands.at(0).label});
  if (opcode.base() == "ret" && depth_ > 0) {
    i.flow = Flow::branch;
    branches_.push_back({index, return_label_});
  }
  append(std::move(i), opcode.text, line);
}

// ---- calls --------------------------------------------------------------------------------------------

std::vector<std::string> Parser::name_list() {
  std::vector<std::string> names;
  expect("(");
  if (accept(")")) return names;
  do names.push_back(identifier());
  while (accept(","));
  expect(")");
  return names;
}

// call (result), name, (arguments);
void Parser::call() {
  const int line = token().line;
  std::vector<std::string> results, arguments;
  if (is("(")) {
    results = name_list();
    expect(",");
  }
  const std::string name = identifier();
  if (accept(",")) arguments = name_list();
  if (!is(";")) fail(message("an indirect call is not supported ('", name, "')"));
  expect(";");
  if (name == "__assertfail") return append(decode(Opcode("trap"), {}, line), "assert", line);
  inline_function(name, results, arguments);
}

void Parser::inline_function(const std::string& name, const std::vector<std::string>& results,
                             const std::vector<std::string>& arguments) {
  const auto found = device_functions_.find(name);
  if (found == device_functions_.end() || found->second.body == 0)
    fail(message("call of '", name, "', which is not in this module"));
  if (depth_ > 16) fail(message("'", name, "' is called recursively or too deep"));
  const DeviceFunction& device = found->second;
  if (arguments.size() != device.parameters.size() || results.size() != device.results.size())
    fail(message("call of '", name, "' with the wrong number of arguments"));

  const auto saved_locals = locals_;
  const auto saved_prefix = label_prefix_, saved_return = return_label_;
  const std::size_t saved_at = at_;
  std::vector<Scope> saved_scopes(1);
  saved_scopes.swap(scopes_);
  const auto bind = [&](const std::vector<Parameter>& inner, const std::vector<std::string>& outer) {
    for (std::size_t k = 0; k < outer.size(); ++k) {
      const auto variable = saved_locals.find(outer[k]);
      if (variable == saved_locals.end())
        fail(message("'", outer[k], "' passed to '", name, "' is no .param"));
      locals_[inner[k].name] = variable->second;
    }
  };
  bind(device.parameters, arguments);
  bind(device.results, results);
  label_prefix_ = message("call", inlined_++, "/");
  return_label_ = label_prefix_ + "return";
  at_ = device.body;
  ++depth_;
  block();
  --depth_;
  labels_[return_label_] = std::uint32_t(function_->code.size());
  locals_ = saved_locals;
  label_prefix_ = saved_prefix;
  return_label_ = saved_return;
  scopes_.swap(saved_scopes);
  at_ = saved_at;
}

// ---- operands -----------------------------------------------------------------------------------------

const Operand* Parser::find_register(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto found = scope->find(name); found != scope->end()) return &found->second;
  return nullptr;
}

const Variable* Parser::find_variable(const std::string& name) const {
  if (const auto local = locals_.find(name); local != locals_.end()) return &local->second;
  const auto global = program_.variables.find(name);
  return global == program_.variables.end() ? nullptr : &global->second;
}

// 12, 0x1F, 5U, and floating point as bits: 0f3F800000, 0d3FF0000000000000.
std::uint64_t Parser::literal(const std::string& text, bool negative) const {
  if (text.find('.') != std::string::npos) fail(message("number '", text, "' is not written as bits"));
  if (text.size() == 10 && text[0] == '0' && (text[1] == 'f' || text[1] == 'F')) {
    const auto bits = std::uint32_t(std::strtoul(text.c_str() + 2, nullptr, 16));
    return negative ? bits ^ 0x8000'0000u : bits;
  }
  if (text.size() == 18 && text[0] == '0' && (text[1] == 'd' || text[1] == 'D')) {
    const std::uint64_t bits = std::strtoull(text.c_str() + 2, nullptr, 16);
    return negative ? bits ^ 0x8000'0000'0000'0000u : bits;
  }
  const std::uint64_t value = std::strtoull(text.c_str(), nullptr, 0);  // stops at a trailing U
  return negative ? 0 - value : value;
}

void Parser::write_constant(std::uint32_t offset, std::uint64_t value) {
  char* narrow = function_->constants.data() + offset;
  char* wide = narrow + wide_constant;
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    std::memcpy(narrow + 4 * lane, &value, 4);
    std::memcpy(wide + 8 * lane, &value, 8);
  }
}

std::uint32_t Parser::append_constant(std::uint64_t value) {
  const auto offset = std::uint32_t(function_->constants.size());
  function_->constants.resize(offset + constant_bytes);
  write_constant(offset, value);
  return offset;
}

Operand Parser::constant(std::uint64_t value) {
  Operand o;
  o.kind = Operand::Kind::uniform;
  const auto known = constants_.find(value);
  o.offset = known != constants_.end() ? known->second : (constants_[value] = append_constant(value));
  return o;
}

ParsedOperand Parser::number(bool negative) {
  ParsedOperand parsed;
  parsed.constant = literal(tokens_[at_++].text, negative);
  parsed.value = constant(*parsed.constant);
  return parsed;
}

ParsedOperand Parser::vector_operand(Type type) {
  ParsedOperand parsed;
  do parsed.elements.push_back(operand(type).value);
  while (accept(","));
  expect("}");
  return parsed;
}

// [register + n], [variable + n], [n]
ParsedOperand Parser::address() {
  ParsedOperand parsed = operand(Type::u64);
  if (accept("+") || is("-")) parsed.value.displacement += integer();
  expect("]");
  return parsed;
}

ParsedOperand Parser::operand(Type type) {
  if (accept("!")) {
    ParsedOperand parsed = operand(type);
    parsed.value.negated = true;
    return parsed;
  }
  if (accept("{")) return vector_operand(type);
  if (accept("[")) return address();
  const bool negative = accept("-");
  if (token().kind == Token::Kind::number) return number(negative);
  if (negative) fail("a register cannot be negated");
  ParsedOperand parsed = named_operand();
  if (accept("|")) parsed.second = operand(type).value;
  return parsed;
}

namespace {

// %tid.x and the like, as operands.
const Operand* special_register(const std::string& name) {
  static const std::map<std::string, Operand> registers = [] {
    constexpr const char* names[] = {"%tid.x",       "%tid.y",       "%tid.z",
                                     "%ntid.x",      "%ntid.y",      "%ntid.z",
                                     "%ctaid.x",     "%ctaid.y",     "%ctaid.z",
                                     "%nctaid.x",    "%nctaid.y",    "%nctaid.z",
                                     "%laneid",      "%warpid",      "%nwarpid",
                                     "%lanemask_eq", "%lanemask_lt", "%lanemask_le",
                                     "%lanemask_gt", "%lanemask_ge", "%dynamic_smem_size"};
    static_assert(std::size(names) == special_registers);
    std::map<std::string, Operand> map;
    for (std::uint32_t k = 0; k < special_registers; ++k) {
      Operand o;
      o.kind = Operand::Kind::lanes;
      o.slot = 4;
      o.offset = k * 4 * warp_size;
      map[names[k]] = o;
    }
    return map;
  }();
  const auto found = registers.find(name);
  return found == registers.end() ? nullptr : &found->second;
}

}  // namespace

ParsedOperand Parser::named_operand() {
  ParsedOperand parsed;
  const std::string name = identifier();
  if (name == "_") return parsed;
  if (const Operand* known = find_register(name)) {
    parsed.value = *known;
  } else if (const Operand* special = special_register(name)) {
    parsed.value = *special;
  } else if (name == "WARP_SZ") {
    parsed.value = constant(warp_size);
  } else if (const Variable* variable = find_variable(name)) {
    parsed.symbol_space = variable->space;
    const std::uint64_t offset = accept("+") ? std::uint64_t(integer()) : 0;
    if (variable->address == dynamic_shared_address) {
      parsed.value.kind = Operand::Kind::uniform;
      parsed.value.offset = append_constant(0);
      dynamic_shared_uses_.emplace_back(parsed.value.offset, offset);
    } else {
      parsed.value = constant(variable->address + offset);
    }
  } else if (name[0] == '%') {
    fail(message("unknown register '", name, "'"));
  } else {
    parsed.value.kind = Operand::Kind::label;
    parsed.label = name;
  }
  return parsed;
}

}  // namespace tweedie::ptx

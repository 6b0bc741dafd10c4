#include "tests/machine/ptx/parser.hpp"

#include <algorithm>
#include <cstdlib>

namespace tweedie::ptx {

// ---- tokens -------------------------------------------------------------------------------------------

const Token& Parser::token(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

bool Parser::is(std::string_view text) const {
  return token().kind != Token::Kind::end && token().kind != Token::Kind::string && token().text == text;
}

bool Parser::accept(std::string_view text) {
  if (!is(text)) return false;
  ++at_;
  return true;
}

void Parser::fail(const std::string& what) const {
  throw Fault(FaultKind::load, message("PTX line ", token().line, ": ", what));
}

void Parser::expect(std::string_view text) {
  if (!accept(text)) fail(message("expected '", text, "' before '", token().text, "'"));
}

std::string Parser::identifier() {
  if (token().kind != Token::Kind::identifier) fail(message("expected a name before '", token().text, "'"));
  return tokens_[at_++].text;
}

std::int64_t Parser::integer() {
  const bool negative = accept("-");
  if (token().kind != Token::Kind::number) fail(message("expected a number before '", token().text, "'"));
  return std::int64_t(literal(tokens_[at_++].text, negative));
}

Type Parser::type_directive() {
  const std::string word = identifier();
  const auto type = type_named(std::string_view(word).substr(1));
  if (word[0] != '.' || !type) fail(message("unknown type '", word, "'"));
  return *type;
}

void Parser::skip_line() {
  for (const int line = token().line; token().kind != Token::Kind::end && token().line == line;) ++at_;
}

void Parser::skip_past(std::string_view text) {
  while (!accept(text)) {
    if (token().kind == Token::Kind::end) fail(message("expected '", text, "' before the end"));
    ++at_;
  }
}

void Parser::skip_braces() {
  int depth = 0;
  do {
    if (is("{")) ++depth;
    if (is("}")) --depth;
    if (token().kind == Token::Kind::end) fail("unbalanced braces");
    ++at_;
  } while (depth > 0);
}

// ---- module scope -------------------------------------------------------------------------------------

void Parser::run() {
  while (token().kind != Token::Kind::end) module_item();
  for (const std::size_t entry : entries_) {
    at_ = entry;
    function(true);
  }
}

void Parser::file_directive() {
  const std::int64_t number = integer();
  if (token().kind == Token::Kind::string) files_[number] = token().text;
  skip_line();
}

void Parser::module_item() {
  if (accept(".version")) {
    ++at_;
  } else if (accept(".target")) {
    do identifier();
    while (accept(","));
  } else if (accept(".address_size")) {
    if (integer() != 64) fail("only 64-bit addresses are supported");
  } else if (accept(".file")) {
    file_directive();
  } else if (is(".loc")) {
    skip_line();
  } else if (accept(".section")) {
    while (!is("{")) ++at_;
    skip_braces();
  } else if (accept(".pragma") || accept(".alias")) {
    skip_past(";");
  } else {
    linkage_item();
  }
}

// [.visible | .weak | .extern | .common] then a variable, a kernel or a device function.
void Parser::linkage_item() {
  bool external = false;
  while (is(".visible") || is(".weak") || is(".extern") || is(".common"))
    external |= tokens_[at_++].text == ".extern";
  if (accept(".global")) return variable(Space::global, external);
  if (accept(".const")) return variable(Space::constant, external);
  if (accept(".shared")) return variable(Space::shared, external);
  if (accept(".func")) return function(false);
  if (!accept(".entry")) fail(message("unknown directive '", token().text, "'"));
  entries_.push_back(at_);
  while (!is("{")) {
    if (token().kind == Token::Kind::end) fail("a kernel without a body");
    ++at_;
  }
  skip_braces();
}

// ( .param [.align n] .type [.ptr ...] name[bytes], ... )
std::vector<Parameter> Parser::parameter_list(std::size_t& bytes) {
  std::vector<Parameter> list;
  bytes = 0;
  expect("(");
  if (accept(")")) return list;
  do {
    expect(".param");
    std::size_t align = accept(".align") ? std::size_t(integer()) : 0;
    std::size_t size = size_of(type_directive());
    if (accept(".ptr")) {
      while (is(".global") || is(".shared") || is(".const") || is(".local")) ++at_;
      if (accept(".align")) integer();
    }
    const std::string name = identifier();
    if (align == 0) align = size;
    if (accept("[")) {
      size *= std::size_t(integer());
      expect("]");
    }
    bytes = (bytes + align - 1) / align * align;
    list.push_back({name, size, bytes});
    bytes += size;
  } while (accept(","));
  expect(")");
  return list;
}

void Parser::function(bool entry) {
  DeviceFunction device;
  std::size_t bytes = 0;
  if (!entry && is("(")) device.results = parameter_list(bytes);
  const std::string name = identifier();
  if (is("(")) device.parameters = parameter_list(bytes);
  if (!entry) {  // kept as tokens, read where it is called
    while (!is("{") && !is(";")) ++at_;
    device.body = is("{") ? at_ : 0;
    if (device.body || !device_functions_.count(name)) device_functions_[name] = device;
    if (device.body)
      skip_braces();
    else
      expect(";");
    return;
  }
  auto kernel = std::make_unique<Function>();
  function_ = kernel.get();
  function_->name = name;
  function_->parameters = device.parameters;
  function_->parameter_bytes = bytes;
  function_->shared_bytes = module_shared_;
  function_->register_bytes = special_registers * 4 * warp_size;
  locals_.clear();
  scopes_.assign(1, {});
  labels_.clear();
  branches_.clear();
  constants_.clear();
  dynamic_shared_uses_.clear();
  origin_files_.clear();
  for (const Parameter& p : device.parameters) locals_[p.name] = {Space::parameter, p.offset, p.bytes};
  kernel_directives();
  block();
  finish_kernel();
  function_ = nullptr;
  program_.kernels[name] = std::move(kernel);
}

// Between a kernel's parameters and its body: .maxntid 256, 1, 1 and others.
void Parser::kernel_directives() {
  while (!is("{")) {
    if (accept(".maxntid") || accept(".reqntid")) {
      std::int64_t threads = integer();
      while (accept(",")) threads *= integer();
      function_->max_threads = unsigned(threads);
    } else if (accept(".minnctapersm") || accept(".maxnreg")) {
      integer();
    } else if (accept(".pragma")) {
      skip_past(";");
    } else {
      fail(message("unknown kernel directive '", token().text, "'"));
    }
  }
}

void Parser::finish_kernel() {
  Function& f = *function_;
  append(decode(Opcode("ret"), {}, token().line), "ret", token().line);
  for (const Branch& branch : branches_) {
    const auto label = labels_.find(branch.label);
    if (label == labels_.end()) fail(message("no label '", branch.label, "' in kernel ", f.name));
    f.code[branch.instruction].target = label->second;
  }
  // Dynamic shared memory begins after the static part, whose size is known only now.
  f.shared_bytes = (f.shared_bytes + 15) / 16 * 16;
  for (const auto& [constant, offset] : dynamic_shared_uses_)
    write_constant(constant, f.shared_bytes + offset);
  f.local_bytes = (f.local_bytes + 15) / 16 * 16;
  for (std::size_t k = 0; k < f.code.size(); ++k) {
    f.code[k].index = std::uint32_t(k);
    const auto file = files_.find(origin_files_[k]);
    if (file != files_.end()) f.origins[k].source_file = file->second;
  }
}

// ---- variables ----------------------------------------------------------------------------------------

// Of a declaration such as [4][32] or []: how many elements; `open` for the latter.
std::size_t Parser::array_count(bool& open) {
  std::size_t count = 1;
  while (accept("[")) {
    if (is("]"))
      open = true;
    else
      count *= std::size_t(integer());
    expect("]");
  }
  return count;
}

void Parser::initializer(Type type, std::vector<char>& data) {
  if (accept("{")) {
    do {
      if (!is("}")) initializer(type, data);
    } while (accept(","));
    expect("}");
    return;
  }
  std::uint64_t value = 0;
  if (token().kind == Token::Kind::identifier) {
    const bool generic = accept("generic");
    if (generic) expect("(");
    const std::string name = identifier();
    const Variable* variable = find_variable(name);
    if (!variable) fail(message("unknown name '", name, "' in an initialiser"));
    value = variable->address;
    if (generic) expect(")");
    if (accept("+")) value += std::uint64_t(integer());
  } else {
    value = std::uint64_t(integer());
  }
  const char* bytes = reinterpret_cast<const char*>(&value);
  data.insert(data.end(), bytes, bytes + size_of(type));
}

// .space [.align n] [.v2 | .v4] .type name[n] [= { ... }], ... ;
void Parser::variable(Space space, bool external) {
  std::size_t align = accept(".align") ? std::size_t(integer()) : 0;
  const std::size_t elements = accept(".v2") ? 2 : accept(".v4") ? 4 : 1;
  const Type type = type_directive();
  const std::size_t size = size_of(type) * elements;
  do {
    const std::string name = identifier();
    bool open = false;
    const std::size_t count = array_count(open);
    std::vector<char> data;
    if (accept("=")) initializer(type, data);
    const std::size_t bytes = open ? data.size() : size * count;
    place(name, {space, 0, bytes}, align ? align : size, external, open, data);
  } while (accept(","));
  expect(";");
}

void Parser::place(const std::string& name, Variable variable, std::size_t align, bool external, bool open,
                   const std::vector<char>& data) {
  if (variable.space == Space::global || variable.space == Space::constant) {
    if (external) fail(message("variable '", name, "' is defined in another module"));
    void* memory = allocate_(std::max<std::size_t>(variable.bytes, 1));
    std::copy_n(data.begin(), std::min(data.size(), variable.bytes), static_cast<char*>(memory));
    variable.address = reinterpret_cast<std::uint64_t>(memory);
    program_.variables[name] = variable;
    return;
  }
  if (variable.space == Space::shared && external && open) {
    variable.address = dynamic_shared_address;
    program_.variables[name] = variable;
    return;
  }
  std::size_t& top = variable.space != Space::shared ? function_->local_bytes
                     : function_                     ? function_->shared_bytes
                                                     : module_shared_;
  top = (top + align - 1) / align * align;
  variable.address = top;
  top += variable.bytes;
  (function_ ? locals_ : program_.variables)[name] = variable;
}

}  // namespace tweedie::ptx

// Reads a PTX module into a Program. Device functions are inlined at each call: no call stack is needed, and
// recursion is refused.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/machine/ptx/decode.hpp"
#include "tests/machine/ptx/lexer.hpp"
#include "tests/machine/ptx/program.hpp"

namespace tweedie::ptx {

class Parser {
 public:
  Parser(std::string_view text, Program& program, const Module::Allocate& allocate)
      : tokens_(tokenize(text)), program_(program), allocate_(allocate) {}

  /// Errors: Fault of kind `load`.
  void run();

 private:
  // ---- tokens
  const Token& token(std::size_t ahead = 0) const;
  bool is(std::string_view text) const;
  bool accept(std::string_view text);
  void expect(std::string_view text);
  std::string identifier();
  std::int64_t integer();
  Type type_directive();
  void skip_line();
  void skip_past(std::string_view text);
  void skip_braces();
  [[noreturn]] void fail(const std::string& what) const;

  // ---- module scope (parser.cpp)
  void module_item();
  void linkage_item();
  void file_directive();
  std::vector<Parameter> parameter_list(std::size_t& bytes);
  void function(bool entry);
  void kernel_directives();
  void finish_kernel();
  void variable(Space space, bool external);
  std::size_t array_count(bool& open);
  void initializer(Type type, std::vector<char>& data);
  void place(const std::string& name, Variable variable, std::size_t align, bool external, bool open,
             const std::vector<char>& data);

  // ---- function bodies (parser_body.cpp)
  void block();
  void statement();
  bool declaration();
  void declare_registers();
  void declare_register(const std::string& name, unsigned slot);
  void location();
  void instruction();
  void call();
  void inline_function(const std::string& name, const std::vector<std::string>& results,
                       const std::vector<std::string>& arguments);
  std::vector<std::string> name_list();
  ParsedOperand operand(Type type);
  ParsedOperand address();
  ParsedOperand vector_operand(Type type);
  ParsedOperand named_operand();
  ParsedOperand number(bool negative);
  std::uint64_t literal(const std::string& text, bool negative) const;
  Operand constant(std::uint64_t value);
  std::uint32_t append_constant(std::uint64_t value);
  void write_constant(std::uint32_t offset, std::uint64_t value);
  const Operand* find_register(const std::string& name) const;
  const Variable* find_variable(const std::string& name) const;
  void append(Instruction instruction, const std::string& opcode, int line);
  void note_shared_access(const Instruction& instruction, std::string_view opcode);

  struct DeviceFunction {
    std::vector<Parameter> results, parameters;
    std::size_t body = 0;  ///< its first token; 0: declared only
  };
  struct Branch {
    std::uint32_t instruction;
    std::string label;
  };
  using Scope = std::map<std::string, Operand>;

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  Program& program_;
  const Module::Allocate& allocate_;
  std::map<std::string, DeviceFunction> device_functions_;
  std::vector<std::size_t> entries_;  ///< kernels are read last: functions may be defined after their use
  std::map<std::int64_t, std::string> files_;
  std::size_t module_shared_ = 0;

  // Of the kernel being read.
  Function* function_ = nullptr;
  std::map<std::string, Variable> locals_;  ///< parameters, .shared, .local, arguments of calls
  std::vector<Scope> scopes_;
  std::map<std::string, std::uint32_t> labels_;
  std::vector<Branch> branches_;
  std::map<std::uint64_t, std::uint32_t> constants_;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> dynamic_shared_uses_;  ///< constant, offset
  std::int64_t source_file_ = 0, source_line_ = 0;
  std::vector<std::int64_t> origin_files_;  ///< for each instruction: names come at the module's end
  std::string label_prefix_, return_label_;
  int inlined_ = 0, depth_ = 0;
};

}  // namespace tweedie::ptx

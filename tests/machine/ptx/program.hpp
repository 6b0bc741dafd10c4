// Decoded PTX: what the parser produces and the executor runs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/machine/ptx/machine.hpp"
#include "tests/machine/ptx/types.hpp"

namespace tweedie::ptx {

constexpr unsigned warp_size = 32;
using Mask = std::uint32_t;  ///< one bit a lane
constexpr Mask all_lanes = ~Mask(0);

struct Warp;
struct Instruction;
/// Executes an instruction for the lanes of the mask; never called with an empty mask.
using Handler = void (*)(Warp&, const Instruction&, Mask);

enum class Space : std::uint8_t { generic, global, shared, local, parameter, constant };

/// Where the generic address space shows a block's shared and a thread's local memory: addresses no host
/// allocation has.
constexpr std::uint64_t shared_window = 0x0070'0000'0000'0000;
constexpr std::uint64_t local_window = 0x0078'0000'0000'0000;
constexpr std::uint64_t window_bytes = std::uint64_t(1) << 40;

/// A register is 32 lanes side by side, 4 bytes apart or, for 64-bit types, 8. A constant is stored the same
/// way, both 4 and 8 bytes apart, so that instructions need not tell the two kinds apart.
struct Operand {
  enum class Kind : std::uint8_t { none, lanes, uniform, label };
  Kind kind = Kind::none;
  std::uint8_t slot = 0;  ///< lanes: bytes from one lane to the next
  bool negated = false;   ///< a predicate read as its opposite
  std::uint32_t offset = 0;
  std::int64_t displacement = 0;  ///< addresses: added to the value
  explicit operator bool() const { return kind != Kind::none; }
};
constexpr std::uint32_t wide_constant = 4 * warp_size;  ///< of the copy with 8 bytes a lane
constexpr std::uint32_t constant_bytes = (4 + 8) * warp_size;

enum class Flow : std::uint8_t { next, branch, exit, barrier, warp_operation };

struct Instruction {
  Handler run = nullptr;
  Flow flow = Flow::next;
  Type type = Type::none, type2 = Type::none;
  Space space = Space::generic;
  std::uint8_t vector = 1;               ///< elements of a vector load or store
  std::uint8_t mode = 0, combine = 0;    ///< meaning depends on the handler
  bool flush = false, saturate = false;  ///< .ftz; .sat
  bool relu = false;                     ///< .relu
  int rounding = 0;                      ///< a FE_ constant
  int integral = -1;                     ///< a FE_ constant when the result is rounded to an integer
  bool guarded = false, guard_negated = false;
  std::uint32_t guard_offset = 0;
  std::uint32_t index = 0;        ///< in Function::code
  std::uint32_t target = 0;       ///< of a branch
  Operand d, d2, a, b, c, e;      ///< results and arguments
  std::vector<Operand> elements;  ///< of the one vector operand, when there is one
};

/// What a report says of an instruction.
struct Origin {
  int line = 0, source_line = 0;
  std::string opcode, source_file;
};

struct Variable {
  Space space = Space::generic;
  std::uint64_t address = 0;
  std::size_t bytes = 0;
};

/// Stands for the address of dynamic shared memory until a kernel's static part is known.
constexpr std::uint64_t dynamic_shared_address = ~std::uint64_t(0);

struct Parameter {
  std::string name;
  std::size_t bytes = 0, offset = 0;
};

struct Function {
  std::string name;
  std::vector<Parameter> parameters;
  std::size_t parameter_bytes = 0, shared_bytes = 0, local_bytes = 0;
  unsigned max_threads = 1024;
  std::vector<Instruction> code;
  std::vector<Origin> origins;  ///< one for each instruction
  std::uint32_t register_bytes = 0;
  std::vector<char> constants;
  unsigned shared_granule = 16;  ///< the smallest access to shared memory, in bytes
};

/// Special registers sit at the start of a warp's registers, in this order.
enum SpecialRegister : std::uint32_t {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid,
  nwarpid,
  lanemask_eq,
  lanemask_lt,
  lanemask_le,
  lanemask_gt,
  lanemask_ge,
  dynamic_smem_size,
  special_registers
};

struct Program {
  std::map<std::string, std::unique_ptr<Function>> kernels;
  std::map<std::string, Variable> variables;
};

}  // namespace tweedie::ptx

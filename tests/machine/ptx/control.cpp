// Control flow as the executor needs to know it: bra, ret, exit, bar, trap. Where control goes is in
// executor.cpp.
#include "tests/machine/ptx/decode.hpp"
#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {
namespace {

void nothing(Warp&, const Instruction&, Mask) {}

void trap(Warp& w, const Instruction& i, Mask m) {
  fault(FaultKind::trap, w, i, unsigned(std::countr_zero(m)), "trap");
}

template <Flow flow>
void decode_flow(Decoding& d) {
  d.instruction.flow = flow;
  d.instruction.run = nothing;
}

// Of block barriers, those of the whole block: barrier 0, no thread count. mode: a BarrierResult.
void decode_bar(Decoding& d) {
  Instruction& i = d.instruction;
  if (d.opcode.has("warp")) {
    i.flow = Flow::warp_operation;
    i.e = i.d;
    i.d = {};
    i.run = nothing;
    return;
  }
  const bool reduces = d.opcode.has("red");
  const std::size_t id_at = reduces ? 1 : 0;
  if (d.operands.size() != (reduces ? 3 : 1)) return;
  if (!d.opcode.has("sync") && !reduces) return;
  if (d.operands[id_at].constant != std::uint64_t(0)) return;
  i.flow = Flow::barrier;
  i.run = nothing;
  i.a = reduces ? d.operands[2].value : Operand();
  if (!reduces) i.d = {};
  i.mode = std::uint8_t(d.opcode.has("popc") ? 1 : d.opcode.has("and") ? 2 : d.opcode.has("or") ? 3 : 0);
}

}  // namespace

void add_control_decoders(DecoderTables& tables) {
  DecoderTable& table = tables.any;
  table["bra"] = decode_flow<Flow::branch>;
  table["ret"] = table["exit"] = decode_flow<Flow::exit>;
  table["bar"] = table["barrier"] = decode_bar;
  table["trap"] = [](Decoding& d) { d.instruction.run = trap; };
}

}  // namespace tweedie::ptx

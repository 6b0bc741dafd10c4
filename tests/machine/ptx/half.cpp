// fp16 and bf16, single and in pairs: computed in double and rounded once.
#include <cmath>

#include "tests/machine/ptx/decode.hpp"
#include "tests/machine/ptx/half.hpp"
#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {
namespace {

template <class H, HalfOperation operation>
void single(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<std::uint16_t>(w, i.d);
  const auto a = source<H>(w, i.a);
  const auto b = i.b ? source<H>(w, i.b) : a, c = i.c ? source<H>(w, i.c) : a;
  for_lanes(m, [&](unsigned l) { d.set(l, half_result<H, operation>(i, a[l], b[l], c[l]).bits); });
}

template <class H, HalfOperation operation>
void pair(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<std::uint32_t>(w, i.d);
  const auto a = source<std::uint32_t>(w, i.a);
  const auto b = i.b ? source<std::uint32_t>(w, i.b) : a, c = i.c ? source<std::uint32_t>(w, i.c) : a;
  for_lanes(m, [&](unsigned l) { d.set(l, half_pair_result<H, operation>(i, a[l], b[l], c[l])); });
}

template <HalfOperation operation>
void decode_half(Decoding& d) {
  d.instruction.mode = d.opcode.has("NaN");
  Handler& run = d.instruction.run;
  switch (d.type()) {
    case Type::f16:
      run = single<F16, operation>;
      break;
    case Type::bf16:
      run = single<Bf16, operation>;
      break;
    case Type::f16x2:
      run = pair<F16, operation>;
      break;
    case Type::bf16x2:
      run = pair<Bf16, operation>;
      break;
    default:
      break;
  }
}

}  // namespace

void add_half_decoders(DecoderTables& tables) {
  DecoderTable& table = tables.half;
  table["add"] = decode_half<HalfOperation::add>;
  table["sub"] = decode_half<HalfOperation::sub>;
  table["mul"] = decode_half<HalfOperation::mul>;
  table["fma"] = decode_half<HalfOperation::fma>;
  table["min"] = decode_half<HalfOperation::min>;
  table["max"] = decode_half<HalfOperation::max>;
  table["neg"] = decode_half<HalfOperation::neg>;
  table["abs"] = decode_half<HalfOperation::abs>;
  table["ex2"] = decode_half<HalfOperation::ex2>;
  table["tanh"] = decode_half<HalfOperation::tanh>;
}

}  // namespace tweedie::ptx

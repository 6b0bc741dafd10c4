// Operations across the lanes of a warp: shfl, vote, match, redux, activemask, bar.warp.sync. The executor
// has gathered the participating lanes; the mask holds all of them.
#include "tests/machine/ptx/decode.hpp"
#include "tests/machine/ptx/reduction.hpp"
#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {
namespace {

enum class Shuffle : std::uint8_t { up, down, butterfly, index };

// PTX ISA, "shfl.sync": c holds a clamp in bits 0-4 and a segment mask in bits 8-12. A lane whose source lies
// outside its segment reads itself.
template <Shuffle kind>
void shuffle(Warp& w, const Instruction& i, Mask m) {
  std::uint32_t values[warp_size];
  int from[warp_size];
  std::uint32_t inside[warp_size];
  std::memcpy(values, source<std::uint32_t>(w, i.a).at, sizeof values);
  const auto b = source<std::uint32_t>(w, i.b), c = source<std::uint32_t>(w, i.c);
  for_lanes(all_lanes, [&](unsigned l) {
    const int lane = int(l), shift = int(b[l] & 31), segment = int(c[l] >> 8 & 31), clamp = int(c[l] & 31);
    const int least = lane & segment, most = least | (clamp & ~segment);
    const int wanted = kind == Shuffle::up          ? lane - shift
                       : kind == Shuffle::down      ? lane + shift
                       : kind == Shuffle::butterfly ? lane ^ shift
                                                    : least | (shift & ~segment);
    inside[l] = kind == Shuffle::up ? wanted >= most : wanted <= most;
    from[l] = inside[l] ? wanted : lane;
  });
  if (m != all_lanes)
    each_lane(m, [&](unsigned l) {
      if (!(m >> from[l] & 1))
        fault(FaultKind::warp_operation, w, i, l,
              message("shuffle reads lane ", from[l], ", which does not take part"));
    });
  const auto d = sink<std::uint32_t>(w, i.d);
  for_lanes(m, [&](unsigned l) { d.set(l, values[from[l]]); });
  if (!i.d2) return;
  const auto d2 = sink<std::uint32_t>(w, i.d2);
  for_lanes(m, [&](unsigned l) { d2.set(l, inside[l]); });
}

enum class Vote : std::uint8_t { ballot, all, any, uniform };

void vote(Warp& w, const Instruction& i, Mask m) {
  const Mask yes = lanes_where(w, i.a, m);
  std::uint32_t result = 0;
  switch (Vote(i.mode)) {
    case Vote::ballot:
      result = yes;
      break;
    case Vote::all:
      result = yes == m;
      break;
    case Vote::any:
      result = yes != 0;
      break;
    case Vote::uniform:
      result = yes == 0 || yes == m;
      break;
  }
  const auto d = sink<std::uint32_t>(w, i.d);
  for_lanes(m, [&](unsigned l) { d.set(l, result); });
}

// mode 1: match.all, whose second result tells whether all lanes agree.
template <class T>
void match(Warp& w, const Instruction& i, Mask m) {
  const auto a = source<T>(w, i.a);
  Mask same[warp_size] = {};
  each_lane(m, [&](unsigned l) { each_lane(m, [&](unsigned k) { same[l] |= Mask(a[k] == a[l]) << k; }); });
  const bool agree = same[std::countr_zero(m)] == m;
  const auto d = sink<std::uint32_t>(w, i.d);
  each_lane(m, [&](unsigned l) {
    d.set(l, i.mode ? (agree ? m : 0) : same[l]);
    if (i.d2) sink<std::uint32_t>(w, i.d2).set(l, agree);
  });
}

template <class T>
void reduce(Warp& w, const Instruction& i, Mask m) {
  const auto a = source<T>(w, i.a);
  T total = a[unsigned(std::countr_zero(m))];
  each_lane(m & (m - 1), [&](unsigned l) { total = reduced(Reduction(i.combine), total, a[l], T()); });
  const auto d = sink<T>(w, i.d);
  for_lanes(m, [&](unsigned l) { d.set(l, total); });
}

void active_mask(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<std::uint32_t>(w, i.d);
  for_lanes(m, [&](unsigned l) { d.set(l, m); });
}

// The member mask is put where the executor looks for it, in e.
void decode_shfl(Decoding& d) {
  if (!d.opcode.has("sync") || d.operands.size() != 5) return;
  d.instruction.flow = Flow::warp_operation;
  d.instruction.run = d.opcode.has("up")     ? shuffle<Shuffle::up>
                      : d.opcode.has("down") ? shuffle<Shuffle::down>
                      : d.opcode.has("bfly") ? shuffle<Shuffle::butterfly>
                                             : shuffle<Shuffle::index>;
}

void decode_vote(Decoding& d) {
  if (!d.opcode.has("sync") || d.operands.size() != 3) return;
  d.instruction.flow = Flow::warp_operation;
  d.instruction.e = d.operands[2].value;
  d.instruction.mode = std::uint8_t(d.opcode.has("ballot") ? Vote::ballot
                                    : d.opcode.has("all")  ? Vote::all
                                    : d.opcode.has("any")  ? Vote::any
                                                           : Vote::uniform);
  d.instruction.run = vote;
}

void decode_match(Decoding& d) {
  if (!d.opcode.has("sync") || d.operands.size() != 3) return;
  d.instruction.flow = Flow::warp_operation;
  d.instruction.e = d.operands[2].value;
  d.instruction.mode = d.opcode.has("all");
  d.instruction.run = size_of(d.type()) == 8 ? match<std::uint64_t> : match<std::uint32_t>;
}

void decode_redux(Decoding& d) {
  const auto operation = reduction_named(d.opcode);
  if (!operation || d.operands.size() != 3) return;
  d.instruction.flow = Flow::warp_operation;
  d.instruction.e = d.operands[2].value;
  d.instruction.combine = std::uint8_t(*operation);
  if (d.type() == Type::s32) d.instruction.run = reduce<std::int32_t>;
  if (d.type() == Type::u32 || d.type() == Type::b32) d.instruction.run = reduce<std::uint32_t>;
}

}  // namespace

void add_warp_decoders(DecoderTables& tables) {
  DecoderTable& table = tables.any;
  table["shfl"] = decode_shfl;
  table["vote"] = decode_vote;
  table["match"] = decode_match;
  table["redux"] = decode_redux;
  table["activemask"] = [](Decoding& d) { d.instruction.run = active_mask; };
}

}  // namespace tweedie::ptx

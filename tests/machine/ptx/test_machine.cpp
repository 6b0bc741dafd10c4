// Single instructions on chosen bits, and PTX the machine must refuse. Needs no nvcc.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "tests/machine/ptx/machine.hpp"
#include "tests/machine/ptx/types.hpp"

namespace tweedie::ptx {
namespace {

const std::string header = ".version 8.0\n.target sm_90\n.address_size 64\n";

// Storage for the variables of a module.
struct Memory {
  std::vector<std::unique_ptr<std::uint64_t[]>> blocks;
  Module::Allocate allocate() {
    return [this](std::size_t bytes) -> void* {
      blocks.push_back(std::make_unique<std::uint64_t[]>(bytes / 8 + 1));
      return blocks.back().get();
    };
  }
};

Module load(const std::string& text) {
  static Memory memory;
  return Module(header + text, memory.allocate());
}

// Runs `instructions` in one thread with three 64-bit inputs. They are found in %a, %b, %c (64 bits), their
// low parts in %ra.. (32), %ha.. (16), and as floating point in %fa.., %da..; the result is taken from %x,
// %rx, %hx, %fx or %dx, whichever `result` names.
std::uint64_t evaluate(const std::string& instructions, const std::string& result, std::uint64_t a,
                       std::uint64_t b = 0, std::uint64_t c = 0) {
  std::string body =
      ".visible .entry k(.param .u64 p0, .param .u64 p1, .param .u64 p2, .param .u64 out) {\n"
      ".reg .b64 %a, %b, %c, %x, %y, %to; .reg .b32 %ra, %rb, %rc, %rx, %ry; .reg .b16 %ha, %hb, %hc, %hx;\n"
      ".reg .f32 %fa, %fb, %fc, %fx; .reg .f64 %da, %db, %dc, %dx; .reg .pred %p, %q;\n"
      "ld.param.u64 %a, [p0]; ld.param.u64 %b, [p1]; ld.param.u64 %c, [p2]; ld.param.u64 %to, [out];\n";
  for (const char* v : {"a", "b", "c"})
    body += message("cvt.u32.u64 %r", v, ", %", v, "; cvt.u16.u64 %h", v, ", %", v, "; mov.b32 %f", v, ", %r",
                    v, "; mov.b64 %d", v, ", %", v, ";\n");
  const std::string type = result == "%x" || result == "%dx" ? "b64" : result == "%hx" ? "b16" : "b32";
  body += instructions + "\nst.global." + type + " [%to], " + result + ";\nret;\n}\n";
  const Module module = load(body);
  std::uint64_t out = 0;
  void* to = &out;
  void* arguments[] = {&a, &b, &c, &to};
  RangeSet memory;
  memory.add(&out, sizeof out);
  module.launch("k", {1, 1, 1}, {1, 1, 1}, 0, arguments, memory);
  return out;
}

std::uint64_t f(float x) { return bits_as<std::uint32_t>(x); }
std::uint64_t d(double x) { return bits_as<std::uint64_t>(x); }

struct Case {
  const char *instructions, *result;
  std::uint64_t a, b, c, expected;
};

void check(std::initializer_list<Case> cases) {
  for (const Case& t : cases) {
    CAPTURE(t.instructions);
    CAPTURE(t.a);
    CHECK(evaluate(t.instructions, t.result, t.a, t.b, t.c) == t.expected);
  }
}

// Runs PTX and returns what the machine objects to.
template <class Run>
std::string objection(FaultKind kind, Run run) {
  try {
    run();
  } catch (const Fault& fault) {
    CHECK(fault.kind() == kind);
    return fault.what();
  }
  return "nothing";
}

bool mentions(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words)
    if (text.find(word) == std::string::npos) {
      MESSAGE("'" << word << "' is not in: " << text);
      return false;
    }
  return true;
}

std::string launch_objection(FaultKind kind, const std::string& body, unsigned threads) {
  const Module module = load(".visible .entry k() {\n" + body + "\nret;\n}\n");
  Options options;
  options.control_budget = 1 << 20;
  return objection(kind, [&] {
    module.launch("k", {1, 1, 1}, {threads, 1, 1}, 0, nullptr, RangeSet(), options);
  });
}

}  // namespace

TEST_CASE("integer arithmetic") {
  check({{"add.s32 %rx, %ra, %rb;", "%rx", 0x7fffffff, 1, 0, 0x80000000},
         {"add.sat.s32 %rx, %ra, %rb;", "%rx", 0x7fffffff, 1, 0, 0x7fffffff},
         {"sub.u16 %hx, %ha, %hb;", "%hx", 1, 2, 0, 0xffff},
         {"mul.hi.u32 %rx, %ra, %rb;", "%rx", 0xffffffff, 0xffffffff, 0, 0xfffffffe},
         {"mul.hi.s32 %rx, %ra, %rb;", "%rx", 0xffffffff, 2, 0, 0xffffffff},
         {"mul.hi.u64 %x, %a, %b;", "%x", ~0ull, ~0ull, 0, ~0ull - 1},
         {"mul.hi.s64 %x, %a, %b;", "%x", ~0ull, 5, 0, ~0ull},
         {"mul.wide.s32 %x, %ra, %rb;", "%x", 0xffffffff, 3, 0, std::uint64_t(-3)},
         {"mul.wide.u16 %rx, %ha, %hb;", "%rx", 0xffff, 0xffff, 0, 0xfffe0001},
         {"mad.wide.u32 %x, %ra, %rb, %c;", "%x", 0xffffffff, 0xffffffff, 7, 0xfffffffe00000008},
         {"mad.lo.s32 %rx, %ra, %rb, %rc;", "%rx", 100000, 100000, 5, 1410065413},
         {"mad.hi.u32 %rx, %ra, %rb, %rc;", "%rx", 0x80000000, 6, 9, 12},
         {"div.s32 %rx, %ra, %rb;", "%rx", std::uint32_t(-7), 2, 0, std::uint32_t(-3)},
         {"rem.s32 %rx, %ra, %rb;", "%rx", std::uint32_t(-7), 2, 0, std::uint32_t(-1)},
         {"div.s32 %rx, %ra, %rb;", "%rx", 0x80000000, 0xffffffff, 0, 0x80000000},
         {"div.u64 %x, %a, %b;", "%x", ~0ull, 10, 0, 1844674407370955161ull},
         {"min.s64 %x, %a, %b;", "%x", ~0ull, 1, 0, ~0ull},
         {"max.u64 %x, %a, %b;", "%x", ~0ull, 1, 0, ~0ull},
         {"abs.s32 %rx, %ra;", "%rx", std::uint32_t(-5), 0, 0, 5},
         {"neg.s16 %hx, %ha;", "%hx", 3, 0, 0, 0xfffd}});
}

TEST_CASE("carry: each of add, sub and mad, in and out") {
  check({{"add.cc.u32 %rx, %ra, %rb; addc.u32 %rx, %rc, 0;", "%rx", 0xffffffff, 1, 5, 6},
         {"add.cc.u32 %rx, %ra, %rb; addc.u32 %rx, %rc, 0;", "%rx", 0xfffffffe, 1, 5, 5},
         {"add.cc.u32 %rx, %ra, %rb; addc.cc.u32 %rx, %ra, 0; addc.u32 %rx, %rc, 0;", "%rx", 0xffffffff, 1, 5,
          6},
         {"add.cc.u64 %x, %a, %b; addc.u64 %x, %c, 0;", "%x", ~0ull, 1, 5, 6},
         {"sub.cc.u32 %rx, %ra, %rb; subc.u32 %rx, %rc, 0;", "%rx", 0, 1, 5, 4},
         {"sub.cc.u32 %rx, %ra, %rb; subc.u32 %rx, %rc, 0;", "%rx", 1, 1, 5, 5},
         {"sub.cc.u32 %rx, %ra, %rb; subc.cc.u32 %rx, 0, 0; subc.u32 %rx, %rc, 0;", "%rx", 0, 1, 5, 4},
         {"mad.lo.cc.u32 %rx, %ra, %rb, %rc; madc.hi.u32 %rx, %ra, %rb, 0;", "%rx", 0x10000, 0xffff, 0x10000,
          1},
         {"mad.hi.cc.u64 %x, %a, %b, %c; addc.u64 %x, 0, 0;", "%x", ~0ull, 2, ~0ull, 1}});
}

TEST_CASE("bits") {
  check({{"shl.b32 %rx, %ra, %rb;", "%rx", 1, 31, 0, 0x80000000},
         {"shl.b32 %rx, %ra, %rb;", "%rx", 1, 32, 0, 0},
         {"shr.u32 %rx, %ra, %rb;", "%rx", 0x80000000, 40, 0, 0},
         {"shr.s32 %rx, %ra, %rb;", "%rx", 0x80000000, 40, 0, 0xffffffff},
         {"shr.s64 %x, %a, 4;", "%x", 0xf000000000000000, 0, 0, 0xff00000000000000},
         {"popc.b64 %rx, %a;", "%rx", 0xff00ff, 0, 0, 16},
         {"clz.b32 %rx, %ra;", "%rx", 0, 0, 0, 32},
         {"clz.b64 %rx, %a;", "%rx", 1, 0, 0, 63},
         {"brev.b32 %rx, %ra;", "%rx", 0x00000013, 0, 0, 0xc8000000},
         {"bfind.s32 %rx, %ra;", "%rx", 0xfffffff0, 0, 0, 3},
         {"bfind.shiftamt.u32 %rx, %ra;", "%rx", 0x00010000, 0, 0, 15},
         {"bfind.u32 %rx, %ra;", "%rx", 0, 0, 0, 0xffffffff},
         {"bfe.u32 %rx, %ra, 8, 12;", "%rx", 0x12345678, 0, 0, 0x456},
         {"bfe.s32 %rx, %ra, 4, 4;", "%rx", 0x000000f0, 0, 0, 0xffffffff},
         {"bfe.s32 %rx, %ra, 28, 8;", "%rx", 0x80000000, 0, 0, 0xfffffff8},
         {"bfe.u64 %x, %a, 60, 64;", "%x", 0xa000000000000000, 0, 0, 0xa},
         {"bfi.b32 %rx, %ra, %rb, 8, 8;", "%rx", 0xab, 0x11111111, 0, 0x1111ab11},
         {"bfi.b32 %rx, %ra, %rb, 28, 8;", "%rx", 0xff, 0x01111111, 0, 0xf1111111},
         {"prmt.b32 %rx, %ra, %rb, 0x5410;", "%rx", 0x11112222, 0x33334444, 0, 0x44442222},
         {"prmt.b32 %rx, %ra, %rb, 0x000b;", "%rx", 0x80112233, 0, 0, 0x333333ff},
         {"prmt.b32.f4e %rx, %ra, %rb, %rc;", "%rx", 0x33221100, 0x77665544, 1, 0x44332211},
         {"shf.l.wrap.b32 %rx, %ra, %rb, %rc;", "%rx", 0x80000000, 1, 33, 3},
         {"shf.l.clamp.b32 %rx, %ra, %rb, %rc;", "%rx", 0x80000000, 1, 33, 0x80000000},
         {"shf.r.wrap.b32 %rx, %ra, %rb, %rc;", "%rx", 0x10, 0xf, 4, 0xf0000001},
         {"lop3.b32 %rx, %ra, %rb, %rc, 0x96;", "%rx", 0xff00, 0xf0f0, 0xcccc, 0xff00 ^ 0xf0f0 ^ 0xcccc},
         {"lop3.b32 %rx, %ra, %rb, %rc, 0xe8;", "%rx", 0xf0, 0xcc, 0xaa, 0xe8},
         {"mov.b64 {%rx, %ry}, %a; mov.b64 %x, {%ry, %rx};", "%x", 0x1111111122222222, 0, 0,
          0x2222222211111111},
         {"cnot.b32 %rx, %ra;", "%rx", 0, 0, 0, 1}});
}

TEST_CASE("floating point: special values, flushing, saturation, rounding") {
  const float tiny = 1e-40f;
  check({{"add.f32 %fx, %fa, %fb;", "%fx", f(tiny), f(tiny), 0, f(tiny + tiny)},
         {"add.ftz.f32 %fx, %fa, %fb;", "%fx", f(tiny), f(1e-38f), 0, 0},
         {"mul.sat.f32 %fx, %fa, %fb;", "%fx", f(3), f(2), 0, f(1)},
         {"mul.sat.f32 %fx, %fa, %fb;", "%fx", f(NAN), f(2), 0, 0},
         {"fma.rn.f32 %fx, %fa, %fb, %fc;", "%fx", f(1 + 0x1p-12f), f(1 + 0x1p-12f), f(-1), f(0x1.0008p-11f)},
         {"add.rz.f32 %fx, %fa, %fb;", "%fx", f(1), f(-0x1p-30f), 0, f(std::nextafter(1.0f, 0.0f))},
         {"add.rp.f32 %fx, %fa, %fb;", "%fx", f(1), f(0x1p-30f), 0, f(std::nextafter(1.0f, 2.0f))},
         {"mul.rm.f64 %dx, %da, %db;", "%dx", d(0.1), d(3), 0, d(0.3)},  // to nearest: 0.30000000000000004
         {"div.rn.f32 %fx, %fa, %fb;", "%fx", f(1), f(3), 0, f(1.0f / 3)},
         {"div.rn.f64 %dx, %da, %db;", "%dx", d(1), d(0), 0, d(INFINITY)},
         {"sqrt.rn.f64 %dx, %da;", "%dx", d(2), 0, 0, d(std::sqrt(2.0))},
         {"rcp.approx.ftz.f64 %dx, %da;", "%dx", d(3), 0, 0, d(1.0 / 3) & 0xffffffff00000000},
         {"min.f32 %fx, %fa, %fb;", "%fx", f(NAN), f(2), 0, f(2)},
         {"min.NaN.f32 %fx, %fa, %fb;", "%fx", f(NAN), f(2), 0, 0x7fffffff},
         {"min.f32 %fx, %fa, %fb;", "%fx", f(0), f(-0.0f), 0, f(-0.0f)},
         {"max.f32 %fx, %fa, %fb;", "%fx", f(-0.0f), f(0), 0, f(0)},
         {"neg.f32 %fx, %fa;", "%fx", f(0), 0, 0, f(-0.0f)},
         {"abs.f64 %dx, %da;", "%dx", d(-2), 0, 0, d(2)},
         {"ex2.approx.ftz.f32 %fx, %fa;", "%fx", f(-130), 0, 0, 0},
         {"lg2.approx.f32 %fx, %fa;", "%fx", f(8), 0, 0, f(3)},
         {"copysign.f32 %fx, %fa, %fb;", "%fx", f(-1), f(5), 0, f(-5)},
         {"testp.subnormal.f32 %p, %fa; selp.u32 %rx, 1, 0, %p;", "%rx", f(tiny), 0, 0, 1},
         {"testp.finite.f64 %p, %da; selp.u32 %rx, 1, 0, %p;", "%rx", d(INFINITY), 0, 0, 0}});
}

TEST_CASE("16-bit floating point") {
  check({{"add.f16 %hx, %ha, %hb;", "%hx", 0x3c00, 0x1000, 0, 0x3c00},  // 1 + 2^-11: tie to even
         {"add.f16 %hx, %ha, %hb;", "%hx", 0x3c01, 0x1000, 0, 0x3c02},  // tie to even, upwards
         {"fma.rn.bf16 %hx, %ha, %hb, %hc;", "%hx", 0x0080, 0x3f80, 0x3f80, 0x3f80},
         // 7 * 37/256 is a tie between 0x3f81 and 0x3f82; -2^-126, lost in double precision, decides it
         {"fma.rn.bf16 %hx, %ha, %hb, %hc;", "%hx", 0x40e0, 0x3e14, 0x8080, 0x3f81},
         {"fma.rn.bf16 %hx, %ha, %hb, %hc;", "%hx", 0x40e0, 0x3e14, 0, 0x3f82},
         {"mul.f16x2 %rx, %ra, %rb;", "%rx", 0x40003c00, 0x42004200, 0, 0x46004200},
         {"max.bf16x2 %rx, %ra, %rb;", "%rx", 0x7fff3f80, 0x3f804000, 0, 0x3f804000},
         {"neg.bf16 %hx, %ha;", "%hx", 0x3f80, 0, 0, 0xbf80},
         {"fma.rn.relu.f16 %hx, %ha, %hb, %hc;", "%hx", 0xbc00, 0x3c00, 0, 0},
         {"setp.gt.bf16 %p, %ha, %hb; selp.u32 %rx, 1, 0, %p;", "%rx", 0x4000, 0x3f80, 0, 1}});
}

TEST_CASE("conversions") {
  check({{"cvt.rzi.s32.f32 %rx, %fa;", "%rx", f(-1.7f), 0, 0, std::uint32_t(-1)},
         {"cvt.rni.s32.f32 %rx, %fa;", "%rx", f(2.5f), 0, 0, 2},
         {"cvt.rmi.s32.f32 %rx, %fa;", "%rx", f(-1.2f), 0, 0, std::uint32_t(-2)},
         {"cvt.rzi.s32.f32 %rx, %fa;", "%rx", f(1e20f), 0, 0, 0x7fffffff},
         {"cvt.rzi.u32.f32 %rx, %fa;", "%rx", f(-3), 0, 0, 0},
         {"cvt.rzi.s32.f32 %rx, %fa;", "%rx", f(NAN), 0, 0, 0},
         {"cvt.rzi.s64.f32 %x, %fa;", "%x", f(NAN), 0, 0, 0x8000000000000000},
         {"cvt.rzi.s32.f64 %rx, %da;", "%rx", d(NAN), 0, 0, 0x80000000},
         {"cvt.rn.f32.s32 %fx, %ra;", "%fx", 16777217, 0, 0, f(16777216)},
         {"cvt.rz.f32.u32 %fx, %ra;", "%fx", 0xffffffff, 0, 0, f(4294967040.0f)},
         {"cvt.rn.f64.u64 %dx, %a;", "%dx", ~0ull, 0, 0, d(18446744073709551616.0)},
         {"cvt.rn.f32.f64 %fx, %da;", "%fx", d(0.1), 0, 0, f(0.1f)},
         {"cvt.rp.f32.f64 %fx, %da;", "%fx", d(1 + 1e-12), 0, 0, f(std::nextafter(1.0f, 2.0f))},
         {"cvt.f64.f32 %dx, %fa;", "%dx", f(0.1f), 0, 0, d(double(0.1f))},
         {"cvt.rni.f32.f32 %fx, %fa;", "%fx", f(3.5f), 0, 0, f(4)},
         {"cvt.sat.f32.f32 %fx, %fa;", "%fx", f(3.5f), 0, 0, f(1)},
         {"cvt.s64.s32 %x, %ra;", "%x", 0xffffffff, 0, 0, ~0ull},
         {"cvt.u64.u32 %x, %ra;", "%x", 0xffffffff, 0, 0, 0xffffffff},
         {"cvt.s32.s8 %rx, %ra;", "%rx", 0x80, 0, 0, 0xffffff80},
         {"cvt.sat.u8.s32 %rx, %ra;", "%rx", 300, 0, 0, 255},
         {"cvt.rn.f16.f32 %hx, %fa;", "%hx", f(65520), 0, 0, 0x7c00},
         {"cvt.f32.f16 %fx, %ha;", "%fx", 0x0001, 0, 0, f(0x1p-24f)},
         {"cvt.rn.bf16.f64 %hx, %da;", "%hx", d(1 + 0x1p-8 + 0x1p-40), 0, 0, 0x3f81},  // not twice rounded
         {"cvt.rz.bf16.f32 %hx, %fa;", "%hx", f(1.999f), 0, 0, 0x3fff},
         {"cvt.rn.bf16x2.f32 %rx, %fa, %fb;", "%rx", f(1), f(2), 0, 0x3f804000}});
}

TEST_CASE("comparisons and selections") {
  check({{"setp.lt.f32 %p, %fa, %fb; selp.u32 %rx, 1, 0, %p;", "%rx", f(NAN), f(1), 0, 0},
         {"setp.ltu.f32 %p, %fa, %fb; selp.u32 %rx, 1, 0, %p;", "%rx", f(NAN), f(1), 0, 1},
         {"setp.ne.f32 %p, %fa, %fb; selp.u32 %rx, 1, 0, %p;", "%rx", f(NAN), f(NAN), 0, 0},
         {"setp.nan.f64 %p, %da, %db; selp.u32 %rx, 1, 0, %p;", "%rx", d(NAN), d(1), 0, 1},
         {"setp.lt.s32 %p, %ra, %rb; selp.u32 %rx, 1, 0, %p;", "%rx", 0xffffffff, 0, 0, 1},
         {"setp.lo.u32 %p, %ra, %rb; selp.u32 %rx, 1, 0, %p;", "%rx", 0xffffffff, 0, 0, 0},
         {"setp.eq.u32 %p|%q, %ra, %rb; selp.u32 %rx, 1, 0, %q;", "%rx", 1, 2, 0, 1},
         {"setp.eq.u32 %q, 0, 0; setp.ne.and.u32 %p, %ra, %rb, !%q; selp.u32 %rx, 1, 0, %p;", "%rx", 1, 2, 0,
          0},
         {"set.eq.u32.u32 %rx, %ra, %rb;", "%rx", 4, 4, 0, 0xffffffff},
         {"set.lt.f32.f32 %fx, %fa, %fb;", "%fx", f(1), f(2), 0, f(1)},
         {"slct.b32.s32 %rx, %ra, %rb, %rc;", "%rx", 1, 2, 0x80000000, 2},
         {"setp.eq.u32 %p, %ra, 1; @%p bra SKIP; mov.u32 %rb, 9; SKIP: mov.u32 %rx, %rb;", "%rx", 1, 5, 0, 5},
         {"setp.eq.u32 %p, %ra, 1; @!%p mov.u32 %rb, 9; mov.u32 %rx, %rb;", "%rx", 0, 5, 0, 9}});
}

TEST_CASE("shared and local memory through generic addresses, vectors, narrow loads") {
  const std::string declare = ".shared .align 16 .b8 s[64]; .local .align 16 .b8 l[32];\n";
  const auto run = [&](const char* instructions, const char* result, std::uint64_t a) {
    return evaluate(declare + instructions, result, a);
  };
  CHECK(run("mov.u64 %x, s; cvta.shared.u64 %x, %x; st.u64 [%x+8], %a; ld.shared.u64 %x, [s+8];", "%x", 77) ==
        77);
  CHECK(run("mov.u64 %x, l; cvta.local.u64 %x, %x; st.u64 [%x], %a; ld.local.u32 %rx, [l];", "%rx", 78) ==
        78);
  CHECK(run("st.local.u64 [l], %a; ld.local.s8 %rx, [l+1];", "%rx", 0x8000) == 0xffffff80);
  CHECK(run("st.local.u64 [l], %a; ld.local.u16 %x, [l];", "%x", 0x123456789) == 0x6789);
  CHECK(run("st.shared.v2.b32 [s], {%ra, %ra}; ld.shared.v2.u32 {_, %rx}, [s];", "%rx", 5) == 5);
  CHECK(run("mov.u64 %x, s; cvta.shared.u64 %x, %x; isspacep.shared %p, %x; selp.u32 %rx, 1, 0, %p;", "%rx",
            0) == 1);
  CHECK(
      run("mov.u32 %rx, 10; st.shared.u32 [s], %rx; atom.shared.add.u32 %ry, [s], 5; ld.shared.u32 %rb, [s];"
          "add.u32 %rx, %ry, %rb;",
          "%rx", 0) == 25);
  CHECK(run("st.shared.u32 [s], %ra; atom.shared.cas.b32 %ry, [s], %ra, 3; ld.shared.u32 %rx, [s];", "%rx",
            9) == 3);
}

TEST_CASE("what the machine does not know is refused when the module is loaded") {
  const auto refusal = [](const std::string& body) {
    return objection(FaultKind::load, [&] {
      load(".visible .entry k() {\n.reg .b32 %r<4>; .reg .f32 %f<9>;\n" + body + "\nret;\n}");
    });
  };
  CHECK(mentions(refusal("wmma.load.a.sync.row.m16n16k16.f16 {%r0}, [%r1];"), {"PTX line 6", "wmma.load.a"}));
  CHECK(
      mentions(refusal("add.mystery.f32 %f0, %f1, %f2;"), {"add.mystery.f32", "unknown modifier .mystery"}));
  CHECK(mentions(refusal("frobnicate.b32 %r0, %r1;"), {"unsupported instruction 'frobnicate.b32'"}));
  CHECK(mentions(refusal("cvt.rn.satfinite.e4m3x2.f32 %r0, %f0, %f1;"), {"cvt.rn.satfinite.e4m3x2.f32"}));
  CHECK(mentions(refusal("bar.sync 1;"), {"bar.sync"}));
  CHECK(mentions(refusal("bar.sync 0, 64;"), {"bar.sync"}));
  CHECK(mentions(refusal("mov.u32 %r0, %clock;"), {"unknown register '%clock'"}));
  CHECK(mentions(refusal("mov.u32 %r0, nonsense;"), {"unknown name 'nonsense'"}));
  CHECK(mentions(refusal("bra NOWHERE;"), {"no label 'NOWHERE'"}));
  CHECK(mentions(refusal("call elsewhere, ();"), {"elsewhere"}));
  CHECK(mentions(refusal("call again, ();"), {"again"}));
  CHECK(mentions(objection(FaultKind::load,
                           [] { load(".func f() { call f, (); ret; } .entry k() { call f, (); ret; }"); }),
                 {"recursive"}));
}

TEST_CASE("warp operations: deadlock, wrong member masks") {
  const std::string start =
      ".reg .b32 %r<4>; .reg .pred %p; mov.u32 %r0, %laneid; setp.lt.u32 %p, %r0, 16;\n";
  CHECK(
      mentions(launch_objection(
                   FaultKind::warp_operation,
                   start + "@%p bra A; bar.warp.sync 0xffffffff; bra B; A: bar.warp.sync 0xffffffff; B:", 32),
               {"deadlock", "bar.warp.sync", "kernel k"}));
  CHECK(mentions(launch_objection(FaultKind::warp_operation, start + "bar.warp.sync 0x0000ffff;", 32),
                 {"not in its own member mask", "thread (16,0,0)"}));
  CHECK(mentions(launch_objection(FaultKind::warp_operation,
                                  start + "selp.u32 %r1, 0xffffffff, 0xfffffffe, %p; bar.warp.sync %r1;", 32),
                 {"different member masks"}));
  // Lanes that have exited need not come, whether they leave before the others arrive or while those wait.
  CHECK(launch_objection(FaultKind::warp_operation, start + "@%p ret; bar.warp.sync 0xffffffff;", 32) ==
        "nothing");
  CHECK(launch_objection(FaultKind::warp_operation,
                         start + "@%p bra OUT; bar.warp.sync 0xffffffff; OUT:", 32) == "nothing");
}

TEST_CASE("lanes that spin at a low address do not starve the lane they wait for") {
  CHECK(launch_objection(FaultKind::budget, R"(
    .shared .align 4 .b32 flag; .reg .b32 %r<4>; .reg .pred %p, %q;
    mov.u32 %r0, %tid.x;
    setp.eq.u32 %p, %r0, 0;
    @%p st.shared.u32 [flag], 0;
    bar.warp.sync 0xffffffff;
    @%p bra SET;
    SPIN: atom.shared.or.b32 %r1, [flag], 0;
    setp.eq.u32 %q, %r1, 0;
    @%q bra SPIN;
    bra END;
    SET: atom.shared.exch.b32 %r2, [flag], 1;
    END:)",
                         32) == "nothing");
}

TEST_CASE("barriers reduce a predicate over the block") {
  const Module module = load(R"(.visible .entry k(.param .u64 out) {
    .reg .b32 %r<5>; .reg .b64 %rd<3>; .reg .pred %p, %q, %s;
    ld.param.u64 %rd0, [out];
    mov.u32 %r0, %tid.x;
    setp.lt.u32 %p, %r0, 5;
    barrier.cta.red.popc.aligned.u32 %r1, 0, %p;
    barrier.cta.red.and.pred %q, 0, %p;
    barrier.cta.red.or.pred %s, 0, !%p;
    selp.u32 %r2, 100, 0, %q;
    selp.u32 %r3, 1000, 0, %s;
    add.u32 %r1, %r1, %r2;
    add.u32 %r1, %r1, %r3;
    mad.wide.u32 %rd1, %r0, 4, %rd0;
    st.global.u32 [%rd1], %r1;
    ret; })");
  std::vector<std::uint32_t> out(70);
  void* to = out.data();
  void* arguments[] = {&to};
  RangeSet memory;
  memory.add(to, out.size() * 4);
  module.launch("k", {1, 1, 1}, {70, 1, 1}, 0, arguments, memory);
  for (const std::uint32_t v : out) CHECK(v == 1005);
}

TEST_CASE("launches that cannot be") {
  const Module module = load(".visible .entry k() .maxntid 64, 1, 1 { ret; }");
  CHECK(module.traits("k").max_threads == 64);
  const auto launch = [&](const char* name, unsigned threads) {
    return objection(FaultKind::launch, [&] {
      module.launch(name, {}, {threads, 1, 1}, 0, nullptr, RangeSet());
    });
  };
  CHECK(launch("k", 64) == "nothing");
  CHECK(mentions(launch("k", 65), {"65", "64"}));
  CHECK(mentions(launch("nobody", 1), {"nobody"}));
}

}  // namespace tweedie::ptx

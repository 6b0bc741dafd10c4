#include "ptxi.h"
#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <set>
#include <stdexcept>
#include <unordered_map>

namespace ptxi {
thread_local std::function<void*(size_t)> g_alloc;
typedef uint32_t u32; typedef uint64_t u64; typedef int64_t s64; typedef unsigned __int128 u128;
[[noreturn]] static void fail(const std::string& s) { throw std::runtime_error("ptxi: " + s); }

// ------------------------------------------------------------------ types
enum Ty : uint8_t { T_NONE, U8, S8, B8, U16, S16, B16, U32, S32, B32, U64, S64, B64, F16, BF16, F32, F64, F16X2, BF16X2, PRED, B128 };
static const std::unordered_map<std::string, Ty> kTy = {{"u8",U8},{"s8",S8},{"b8",B8},{"u16",U16},{"s16",S16},{"b16",B16},{"u32",U32},{"s32",S32},{"b32",B32},
  {"u64",U64},{"s64",S64},{"b64",B64},{"f16",F16},{"bf16",BF16},{"f32",F32},{"f64",F64},{"f16x2",F16X2},{"bf16x2",BF16X2},{"pred",PRED},{"b128",B128}};
static int tsize(Ty t) { switch (t) { case U8: case S8: case B8: return 1; case U16: case S16: case B16: case F16: case BF16: return 2; case U64: case S64: case B64: case F64: return 8; case B128: return 16; default: return 4; } }
static bool isSigned(Ty t) { return t == S8 || t == S16 || t == S32 || t == S64; }

struct bf16 { uint16_t v; }; struct f16 { uint16_t v; };
static inline float fromBits(u32 u) { float f; memcpy(&f, &u, 4); return f; }
static inline u32 toBits(float f) { u32 u; memcpy(&u, &f, 4); return u; }
static inline float up(bf16 h) { return fromBits((u32)h.v << 16); }
static inline float up(f16 h) { _Float16 x; memcpy(&x, &h.v, 2); return (float)x; }
static inline f16 f16rn(float f) { f16 h; if (std::isnan(f)) { h.v = 0x7fff; return h; } _Float16 x = (_Float16)f; memcpy(&h.v, &x, 2); return h; }
static inline bf16 bf16rn(float f) { bf16 h; u32 u = toBits(f); if (std::isnan(f)) { h.v = 0x7fff; return h; } h.v = (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16); return h; }
static inline bf16 bf16rz(float f) { bf16 h; h.v = std::isnan(f) ? 0x7fff : (uint16_t)(toBits(f) >> 16); return h; }
// double -> bf16/f16 with one rounding: round to odd in float first
static inline float roundOdd(double d) { float f = (float)d; if (std::isnan(f) || std::isinf(f) || (double)f == d) return f; u32 u = toBits(f); if (!(u & 1)) { bool away = std::fabs((double)f) > std::fabs(d); u = away ? u - 1 : u + 1; } return fromBits(u); }

// ------------------------------------------------------------------ lexer
struct Tok { enum K { ID, NUM, STR, P, END } k; std::string s; int line; };
static std::vector<Tok> lex(const std::string& t) {
  std::vector<Tok> v; size_t i = 0, n = t.size(); int line = 1;
  auto idc = [](char c) { return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '.' || c == '%'; };
  while (i < n) {
    char c = t[i];
    if (c == '\n') { line++; i++; } else if (isspace((unsigned char)c)) i++;
    else if (c == '/' && i + 1 < n && t[i + 1] == '/') { while (i < n && t[i] != '\n') i++; }
    else if (c == '/' && i + 1 < n && t[i + 1] == '*') { while (i + 1 < n && !(t[i] == '*' && t[i + 1] == '/')) { if (t[i] == '\n') line++; i++; } i += 2; }
    else if (c == '"') { size_t j = t.find('"', i + 1); v.push_back({Tok::STR, t.substr(i + 1, j - i - 1), line}); i = j + 1; }
    else if (isdigit((unsigned char)c)) { size_t j = i; while (j < n && (isalnum((unsigned char)t[j]) || t[j] == '.')) j++; v.push_back({Tok::NUM, t.substr(i, j - i), line}); i = j; }
    else if (idc(c)) { size_t j = i; while (j < n && (idc(t[j]) || (t[j] == ':' && j + 1 < n && t[j + 1] == ':' && (j += 1)))) j++; std::string w = t.substr(i, j - i); if (w.compare(0, 5, ".reg.") == 0) { v.push_back({Tok::ID, ".reg", line}); w = w.substr(4); } v.push_back({Tok::ID, w, line}); i = j; }
    else { v.push_back({Tok::P, std::string(1, c), line}); i++; }
  }
  v.push_back({Tok::END, "", line}); return v;
}

// ------------------------------------------------------------------ IR
enum Space : uint8_t { SP_GEN, SP_GLOBAL, SP_SHARED, SP_LOCAL, SP_PARAM, SP_CONST };
struct Opnd { enum K : uint8_t { NONE, VAL, MEM, VEC, LABEL } k = NONE; uint8_t stride = 0; bool neg = false; u32 off = 0; s64 disp = 0; std::vector<Opnd> vec; std::string name; };
struct Warp; struct Inst;
typedef void (*Fn)(Warp&, const Inst&, u32);
enum Kind : uint8_t { K_NORMAL, K_BRA, K_EXIT, K_BAR, K_SYNC, K_CALL };
struct Inst {
  Fn fn = nullptr; Kind kind = K_NORMAL; Ty t = T_NONE, t2 = T_NONE; Space sp = SP_GEN; uint8_t vec = 1, mode = 0, sub = 0; bool ftz = false, sat = false, slow = false, hi = false, wide = false;
  int rnd = FE_TONEAREST; int irnd = -1; // irnd: cvt integer rounding
  Opnd d, d2, a, b, c, e; bool guard = false, gneg = false; u32 goff = 0; int target = -1; int line = 0; std::string op; std::vector<std::string> parts;
  std::vector<Opnd> rets, argl;
};
struct Var { Space sp; u64 addr; size_t size; };
struct Param { std::string name; size_t size, align, off; };
struct Function {
  std::string name; std::vector<Param> params, rparams; size_t paramBytes = 0, sharedBytes = 0, localBytes = 0; bool entry = false, externShared = false;
  std::vector<Inst> code; u32 arena = 0; std::vector<std::pair<u32, u64>> imms; std::map<std::string, Var> vars;
  std::vector<std::pair<u32, std::string>> symRefs;
};
static const u64 SHARED_BASE = 0x0000700000000000ull << 4, LOCAL_BASE = 0x0000780000000000ull << 4;  // non-canonical user addresses
enum Sreg { TIDX, TIDY, TIDZ, NTX, NTY, NTZ, CTX, CTY, CTZ, NCX, NCY, NCZ, LANE, WARPID, LMEQ, LMLT, LMLE, LMGT, LMGE, NWARP, CLK, DSMEM, NSREG };
static const std::unordered_map<std::string, int> kS = {{"%tid.x",TIDX},{"%tid.y",TIDY},{"%tid.z",TIDZ},{"%ntid.x",NTX},{"%ntid.y",NTY},{"%ntid.z",NTZ},{"%ctaid.x",CTX},{"%ctaid.y",CTY},{"%ctaid.z",CTZ},
  {"%nctaid.x",NCX},{"%nctaid.y",NCY},{"%nctaid.z",NCZ},{"%laneid",LANE},{"%warpid",WARPID},{"%lanemask_eq",LMEQ},{"%lanemask_lt",LMLT},{"%lanemask_le",LMLE},{"%lanemask_gt",LMGT},{"%lanemask_ge",LMGE},
  {"%nwarpid",NWARP},{"%clock",CLK},{"%clock64",CLK},{"%dynamic_smem_size",DSMEM}};

struct Block;
struct Warp {
  std::vector<char> memv; char* m; Block* blk; const Function* f; u32 pc[32]; u32 live = 0, atBar = 0, waitSync = 0; u32 epoch = 1; int id = 0; const Inst* cur = nullptr;
  std::vector<char> local; size_t localStride = 0; const char* params = nullptr;
};
struct Shadow { u32 wEpoch = 0, rEpoch = 0, wWarpEp = 0, rWarpEp = 0; uint16_t wThr = 0xffff, rThr = 0xffff; bool rMany = false; };
struct Block { Module::Impl* im; Module* mod; std::vector<char> shared; std::vector<Warp> warps; u32 epoch = 1; std::vector<Shadow> sh; std::vector<char> params; Dim ctaid, grid, block; u64 nThreads = 0; size_t dyn = 0; };
struct Module::Impl {
  std::map<std::string, std::unique_ptr<Function>> fns; std::map<std::string, Var> vars; std::vector<std::unique_ptr<char[]>> mem; std::vector<std::pair<u64, u64>> ranges; std::pair<u64, u64> last{1, 0};
  size_t externSharedAlign = 16;
  bool inRange(u64 a, size_t n) {
    if (a >= last.first && a + n <= last.second) return true;
    for (auto& r : ranges) if (a >= r.first && a + n <= r.second) { last = r; return true; }
    return false;
  }
};

// ------------------------------------------------------------------ operand access (low bytes of a 4- or 8-byte slot; stride 0 = uniform)
template <class T> static inline T rd(const Warp& w, const Opnd& o, int l) { T v; memcpy(&v, w.m + o.off + (size_t)l * o.stride, sizeof(T)); return v; }
template <class T> static inline void wr(Warp& w, const Opnd& o, int l, T v) {
  char* p = w.m + o.off + (size_t)l * o.stride;
  if constexpr (sizeof(T) == 8) { if (o.stride == 8) memcpy(p, &v, 8); else memcpy(p, &v, 4); }
  else if constexpr (sizeof(T) == 4) { memcpy(p, &v, 4); if (o.stride == 8) { u32 h = 0; if constexpr (std::is_signed<T>::value && std::is_integral<T>::value) h = v < 0 ? ~0u : 0; memcpy(p + 4, &h, 4); } }
  else { u64 x = 0; if constexpr (std::is_integral<T>::value && std::is_signed<T>::value) x = (u64)(s64)v; else memcpy(&x, &v, sizeof(T)); memcpy(p, &x, o.stride == 8 ? 8 : 4); }
}
#define LANES(mask) for (u32 _m = (mask), l; _m && (l = __builtin_ctz(_m), true); _m &= _m - 1)
static inline bool sink(const Opnd& o) { return o.k == Opnd::NONE; }

template <class D, class A, class F> static inline void run1(Warp& w, const Inst& i, u32 m, F f) {
  if (m == ~0u) { for (int l = 0; l < 32; l++) wr<D>(w, i.d, l, f(rd<A>(w, i.a, l))); } else LANES(m) wr<D>(w, i.d, l, f(rd<A>(w, i.a, l)));
}
template <class D, class A, class F> static inline void run2(Warp& w, const Inst& i, u32 m, F f) {
  if (m == ~0u) { for (int l = 0; l < 32; l++) wr<D>(w, i.d, l, f(rd<A>(w, i.a, l), rd<A>(w, i.b, l))); } else LANES(m) wr<D>(w, i.d, l, f(rd<A>(w, i.a, l), rd<A>(w, i.b, l)));
}
template <class D, class A, class C, class F> static inline void run3(Warp& w, const Inst& i, u32 m, F f) {
  if (m == ~0u) { for (int l = 0; l < 32; l++) wr<D>(w, i.d, l, f(rd<A>(w, i.a, l), rd<A>(w, i.b, l), rd<C>(w, i.c, l))); } else LANES(m) wr<D>(w, i.d, l, f(rd<A>(w, i.a, l), rd<A>(w, i.b, l), rd<C>(w, i.c, l)));
}
// ---- float helpers
static inline float fz(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.f, x) : x; }
template <class T> static inline T pre(const Inst& i, T x) { if constexpr (sizeof(T) == 4) return i.ftz ? fz(x) : x; else return x; }
template <class T> static inline T post(const Inst& i, T x) { if constexpr (sizeof(T) == 4) { if (i.ftz) x = fz(x); } if (i.sat) x = x > 0 ? (x < 1 ? x : T(1)) : T(0); return x; }
struct Rnd { int old; Rnd(const Inst& i) : old(-1) { if (i.rnd != FE_TONEAREST) { old = fegetround(); fesetround(i.rnd); } } ~Rnd() { if (old >= 0) fesetround(old); } };
template <class T> __attribute__((noinline)) static T oAdd(T a, T b) { volatile T x = a, y = b; volatile T r = x + y; return r; }
template <class T> __attribute__((noinline)) static T oMul(T a, T b) { volatile T x = a, y = b; volatile T r = x * y; return r; }
template <class T> __attribute__((noinline)) static T oDiv(T a, T b) { volatile T x = a, y = b; volatile T r = x / y; return r; }
template <class T> __attribute__((noinline)) static T oFma(T a, T b, T c) { volatile T x = a, y = b, z = c; volatile T r = std::fma((T)x, (T)y, (T)z); return r; }
template <class T> static T fmn(const Inst& i, T a, T b) { if (i.mode && (std::isnan(a) || std::isnan(b))) return NAN; if (std::isnan(a)) return b; if (std::isnan(b)) return a; if (a == 0 && b == 0) return std::signbit(a) ? a : b; return a < b ? a : b; }
template <class T> static T fmx(const Inst& i, T a, T b) { if (i.mode && (std::isnan(a) || std::isnan(b))) return NAN; if (std::isnan(a)) return b; if (std::isnan(b)) return a; if (a == 0 && b == 0) return std::signbit(a) ? b : a; return a > b ? a : b; }
#define FOP2(NAME, FAST, SLOW) template <class T> static void NAME(Warp& w, const Inst& i, u32 m) { \
  if (!i.slow) run2<T, T>(w, i, m, [](T a, T b) -> T { return FAST; }); \
  else { Rnd r(i); run2<T, T>(w, i, m, [&](T a, T b) -> T { a = pre(i, a); b = pre(i, b); return post<T>(i, SLOW); }); } }
FOP2(fAdd, a + b, oAdd(a, b)) FOP2(fSub, a - b, oAdd(a, -b)) FOP2(fMul, a * b, oMul(a, b)) FOP2(fDiv, a / b, oDiv(a, b))
template <class T> static void fMin(Warp& w, const Inst& i, u32 m) { run2<T, T>(w, i, m, [&](T a, T b) -> T { return post<T>(i, fmn(i, pre(i, a), pre(i, b))); }); }
template <class T> static void fMax(Warp& w, const Inst& i, u32 m) { run2<T, T>(w, i, m, [&](T a, T b) -> T { return post<T>(i, fmx(i, pre(i, a), pre(i, b))); }); }
template <class T> static void fFma(Warp& w, const Inst& i, u32 m) {
  if (!i.slow) run3<T, T, T>(w, i, m, [](T a, T b, T c) -> T { return std::fma(a, b, c); });
  else { Rnd r(i); run3<T, T, T>(w, i, m, [&](T a, T b, T c) -> T { return post<T>(i, oFma(pre(i, a), pre(i, b), pre(i, c))); }); }
}
#define FOP1(NAME, E) template <class T> static void NAME(Warp& w, const Inst& i, u32 m) { Rnd r(i); run1<T, T>(w, i, m, [&](T a) -> T { a = pre(i, a); return post<T>(i, E); }); }
FOP1(fNeg, -a) FOP1(fAbs, std::fabs(a)) FOP1(fSqrt, std::sqrt(a)) FOP1(fRcp, oDiv(T(1), a)) FOP1(fRsqrt, (T)(1.0 / std::sqrt((double)a))) FOP1(fEx2, std::exp2(a)) FOP1(fLg2, std::log2(a)) FOP1(fSin, (T)std::sin((double)a)) FOP1(fCos, (T)std::cos((double)a)) FOP1(fTanh, std::tanh(a))
template <class T> static void fCopysign(Warp& w, const Inst& i, u32 m) { run2<T, T>(w, i, m, [](T a, T b) { return std::copysign(b, a); }); }
static void fTestp(Warp& w, const Inst& i, u32 m) { LANES(m) { double x = i.t == F64 ? rd<double>(w, i.a, l) : rd<float>(w, i.a, l); int c = i.t == F64 ? std::fpclassify(x) : std::fpclassify((float)x); bool r = false; const auto& q = i.parts[1]; if (q == "finite") r = std::isfinite(x); else if (q == "infinite") r = std::isinf(x); else if (q == "number") r = !std::isnan(x); else if (q == "notanumber") r = std::isnan(x); else if (q == "normal") r = c == FP_NORMAL; else r = c == FP_SUBNORMAL; wr<u32>(w, i.d, l, r); } }
// ---- half / bf16 scalar and packed (op code in sub): each lane element via float/double with single rounding
template <class H> static inline H dn(double d) { if constexpr (std::is_same<H, bf16>::value) return bf16rn(roundOdd(d)); else return f16rn(roundOdd(d)); }
enum { H_ADD, H_SUB, H_MUL, H_FMA, H_MIN, H_MAX, H_NEG, H_ABS, H_EX2, H_TANH };
template <class H> static H hop(const Inst& i, H a, H b, H c) {
  double x = up(a), y = up(b), z = up(c), r = 0;
  switch (i.sub) { case H_ADD: r = x + y; break; case H_SUB: r = x - y; break; case H_MUL: r = x * y; break; case H_FMA: r = std::fma(x, y, z); break; case H_MIN: r = fmn<double>(i, x, y); break; case H_MAX: r = fmx<double>(i, x, y); break;
    case H_NEG: { a.v ^= 0x8000; return a; } case H_ABS: { a.v &= 0x7fff; return a; } case H_EX2: r = std::exp2(x); break; case H_TANH: r = std::tanh(x); break; }
  if (i.sat) r = r > 0 ? (r < 1 ? r : 1) : 0;
  if (i.hi && !(r > 0)) r = std::isnan(r) ? r : 0;  // .relu
  return dn<H>(r);
}
template <class H, int N> static void hOp(Warp& w, const Inst& i, u32 m) {
  LANES(m) { H r[2], a[2], b[2] = {}, c[2] = {}; if (N == 1) { a[0] = rd<H>(w, i.a, l); if (i.b.k) b[0] = rd<H>(w, i.b, l); if (i.c.k) c[0] = rd<H>(w, i.c, l); wr<uint16_t>(w, i.d, l, hop(i, a[0], b[0], c[0]).v); }
    else { u32 x = rd<u32>(w, i.a, l), y = i.b.k ? rd<u32>(w, i.b, l) : 0, z = i.c.k ? rd<u32>(w, i.c, l) : 0; u32 o = 0; for (int k = 0; k < 2; k++) { H p{(uint16_t)(x >> 16 * k)}, q{(uint16_t)(y >> 16 * k)}, s{(uint16_t)(z >> 16 * k)}; r[k] = hop(i, p, q, s); o |= (u32)r[k].v << 16 * k; } wr<u32>(w, i.d, l, o); } }
}
// ---- integer
#define IOP2(NAME, E) template <class T> static void NAME(Warp& w, const Inst& i, u32 m) { typedef typename std::make_unsigned<T>::type U; (void)sizeof(U); run2<T, T>(w, i, m, [](T a, T b) -> T { return (T)(E); }); }
IOP2(iAdd, (U)a + (U)b) IOP2(iSub, (U)a - (U)b) IOP2(iMul, (u64)(U)a * (u64)(U)b) IOP2(iMin, a < b ? a : b) IOP2(iMax, a > b ? a : b) IOP2(iAnd, a & b) IOP2(iOr, a | b) IOP2(iXor, a ^ b)
IOP2(iDiv, b == 0 ? (T)-1 : (std::is_signed<T>::value && b == (T)-1) ? (T)(0 - (U)a) : a / b) IOP2(iRem, b == 0 ? a : (std::is_signed<T>::value && b == (T)-1) ? 0 : a % b)
template <class T> static void iAddSat(Warp& w, const Inst& i, u32 m) { run2<T, T>(w, i, m, [&](T a, T b) -> T { s64 r = i.mode ? (s64)a - b : (s64)a + b; return (T)std::min<s64>(std::max<s64>(r, INT32_MIN), INT32_MAX); }); }
template <class T> static T mulhi(T a, T b) { if constexpr (std::is_signed<T>::value) return (T)(((__int128)a * b) >> (8 * sizeof(T))); else return (T)(((u128)a * b) >> (8 * sizeof(T))); }
template <class T> static void iMulHi(Warp& w, const Inst& i, u32 m) { run2<T, T>(w, i, m, [](T a, T b) { return mulhi(a, b); }); }
template <class T> struct Wid; template <> struct Wid<int16_t> { typedef int32_t t; }; template <> struct Wid<uint16_t> { typedef u32 t; }; template <> struct Wid<int32_t> { typedef s64 t; }; template <> struct Wid<u32> { typedef u64 t; };
template <class T> static void iMulWide(Warp& w, const Inst& i, u32 m) { typedef typename Wid<T>::t W; run2<W, T>(w, i, m, [](T a, T b) -> W { return (W)a * (W)b; }); }
template <class T> static void iMadWide(Warp& w, const Inst& i, u32 m) { typedef typename Wid<T>::t W; typedef typename std::make_unsigned<W>::type U; run3<W, T, W>(w, i, m, [](T a, T b, W c) -> W { return (W)((U)((W)a * (W)b) + (U)c); }); }
template <class T> static void iMad(Warp& w, const Inst& i, u32 m) { typedef typename std::make_unsigned<T>::type U; if (i.hi) run3<T, T, T>(w, i, m, [](T a, T b, T c) -> T { return (T)((U)mulhi(a, b) + (U)c); }); else run3<T, T, T>(w, i, m, [](T a, T b, T c) -> T { return (T)((u64)(U)a * (u64)(U)b + (u64)(U)c); }); }
template <class T> static void iSad(Warp& w, const Inst& i, u32 m) { run3<T, T, T>(w, i, m, [](T a, T b, T c) -> T { return (T)((a > b ? a - b : b - a) + c); }); }
template <class T> static void iNeg(Warp& w, const Inst& i, u32 m) { run1<T, T>(w, i, m, [](T a) -> T { return (T)(0 - (typename std::make_unsigned<T>::type)a); }); }
template <class T> static void iAbs(Warp& w, const Inst& i, u32 m) { run1<T, T>(w, i, m, [](T a) -> T { return a < 0 ? (T)(0 - (typename std::make_unsigned<T>::type)a) : a; }); }
template <class T> static void iNot(Warp& w, const Inst& i, u32 m) { run1<T, T>(w, i, m, [](T a) -> T { return (T)~a; }); }
template <class T> static void iCnot(Warp& w, const Inst& i, u32 m) { run1<T, T>(w, i, m, [](T a) -> T { return a == 0; }); }
template <class T> static void iShl(Warp& w, const Inst& i, u32 m) { LANES(m) { u32 s = rd<u32>(w, i.b, l); T a = rd<T>(w, i.a, l); wr<T>(w, i.d, l, s >= 8 * sizeof(T) ? T(0) : (T)(a << s)); } }
template <class T> static void iShr(Warp& w, const Inst& i, u32 m) { LANES(m) { u32 s = rd<u32>(w, i.b, l); T a = rd<T>(w, i.a, l); wr<T>(w, i.d, l, s >= 8 * sizeof(T) ? (a < 0 ? (T)-1 : T(0)) : (T)(a >> s)); } }
template <class T> static void iPopc(Warp& w, const Inst& i, u32 m) { run1<u32, T>(w, i, m, [](T a) -> u32 { return __builtin_popcountll((u64)a); }); }
template <class T> static void iClz(Warp& w, const Inst& i, u32 m) { run1<u32, T>(w, i, m, [](T a) -> u32 { return a ? (sizeof(T) == 4 ? __builtin_clz((u32)a) : __builtin_clzll((u64)a)) : 8 * sizeof(T); }); }
template <class T> static void iBrev(Warp& w, const Inst& i, u32 m) { run1<T, T>(w, i, m, [](T a) -> T { T r = 0; for (size_t k = 0; k < 8 * sizeof(T); k++) if ((a >> k) & 1) r |= T(1) << (8 * sizeof(T) - 1 - k); return r; }); }
template <class T> static void iBfind(Warp& w, const Inst& i, u32 m) { run1<u32, T>(w, i, m, [&](T a) -> u32 { u64 x = a < 0 ? (u64)(typename std::make_unsigned<T>::type)~a : (u64)(typename std::make_unsigned<T>::type)a; if (!x) return ~0u; int p = 63 - __builtin_clzll(x); return i.mode ? 8 * sizeof(T) - 1 - p : p; }); }
template <class T> static void iBfe(Warp& w, const Inst& i, u32 m) { const u32 B = 8 * sizeof(T); LANES(m) { T a = rd<T>(w, i.a, l); u32 p = rd<u32>(w, i.b, l) & 255, n = rd<u32>(w, i.c, l) & 255; T r = 0; T sg = 0; if (std::is_signed<T>::value && n) { u32 q = std::min(p + n - 1, B - 1); sg = (a >> q) & 1; } for (u32 k = 0; k < B; k++) { T bit = (k < n && p + k < B) ? ((a >> (p + k)) & 1) : sg; r = (T)((typename std::make_unsigned<T>::type)r | ((typename std::make_unsigned<T>::type)bit << k)); } wr<T>(w, i.d, l, n ? r : T(0)); } }
template <class T> static void iBfi(Warp& w, const Inst& i, u32 m) { const u32 B = 8 * sizeof(T); LANES(m) { T a = rd<T>(w, i.a, l), f = rd<T>(w, i.b, l); u32 p = rd<u32>(w, i.c, l) & 255, n = rd<u32>(w, i.e, l) & 255; for (u32 k = 0; k < n && p + k < B; k++) { f &= ~(T(1) << (p + k)); f |= ((a >> k) & 1) << (p + k); } wr<T>(w, i.d, l, f); } }
static void iPrmt(Warp& w, const Inst& i, u32 m) { LANES(m) { u64 x = rd<u32>(w, i.a, l) | (u64)rd<u32>(w, i.b, l) << 32; u32 c = rd<u32>(w, i.c, l), r = 0; static const char* md[] = {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"}; int sel = -1; for (int k = 0; k < 6; k++) if (i.parts.back() == md[k] || (i.parts.size() > 2 && i.parts[2] == md[k])) sel = k;
    for (int k = 0; k < 4; k++) { u32 s = (c >> 4 * k) & 15; if (sel >= 0) { u32 v = c & 3; switch (sel) { case 0: s = (v + k) & 7; break; case 1: s = (v - k) & 7; break; case 2: s = v; break; case 3: s = std::max<u32>(k, v); break; case 4: s = std::min<u32>(k, v); break; case 5: s = (v & 1) * 2 + (k & 1); } }
      u32 b = (x >> 8 * (s & 7)) & 255; if (s & 8) b = (b & 128) ? 255 : 0; r |= b << 8 * k; } wr<u32>(w, i.d, l, r); } }
static void iShf(Warp& w, const Inst& i, u32 m) { bool left = i.parts[1] == "l", clamp = i.parts[2] == "clamp"; LANES(m) { u64 x = rd<u32>(w, i.a, l) | (u64)rd<u32>(w, i.b, l) << 32; u32 n = rd<u32>(w, i.c, l); n = clamp ? std::min(n, 32u) : n & 31; wr<u32>(w, i.d, l, left ? (u32)((x << n) >> 32) : (u32)(x >> n)); } }
static void iLop3(Warp& w, const Inst& i, u32 m) { LANES(m) { u32 a = rd<u32>(w, i.a, l), b = rd<u32>(w, i.b, l), c = rd<u32>(w, i.c, l), t = rd<u32>(w, i.e, l), r = 0; for (int k = 0; k < 8; k++) if (t >> k & 1) r |= (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c); wr<u32>(w, i.d, l, r); } }
static void iDp4a(Warp& w, const Inst& i, u32 m) { LANES(m) { u32 a = rd<u32>(w, i.a, l), b = rd<u32>(w, i.b, l), c = rd<u32>(w, i.c, l); for (int k = 0; k < 4; k++) { int x = i.t == S32 ? (int8_t)(a >> 8 * k) : (uint8_t)(a >> 8 * k), y = i.t2 == S32 ? (int8_t)(b >> 8 * k) : (uint8_t)(b >> 8 * k); c += (u32)(x * y); } wr<u32>(w, i.d, l, c); } }
template <class T> static void mov(Warp& w, const Inst& i, u32 m) { run1<T, T>(w, i, m, [](T a) { return a; }); }
static void movPack(Warp& w, const Inst& i, u32 m) {  // vec <-> scalar
  LANES(m) {
    if (i.d.k == Opnd::VEC) { u64 v = tsize(i.t) == 8 ? rd<u64>(w, i.a, l) : tsize(i.t) == 4 ? rd<u32>(w, i.a, l) : rd<uint16_t>(w, i.a, l); int n = i.d.vec.size(), e = 8 * tsize(i.t) / n; for (int k = 0; k < n; k++) { if (sink(i.d.vec[k])) continue; u64 x = (v >> e * k) & (e == 64 ? ~0ull : (1ull << e) - 1); wr<u64>(w, i.d.vec[k], l, x); } }
    else { u64 v = 0; int n = i.a.vec.size(), e = 8 * tsize(i.t) / n; for (int k = 0; k < n; k++) { u64 x = e == 32 ? rd<u32>(w, i.a.vec[k], l) : e == 16 ? rd<uint16_t>(w, i.a.vec[k], l) : rd<uint8_t>(w, i.a.vec[k], l); v |= x << e * k; } wr<u64>(w, i.d, l, v); }
  }
}
// ---- compare / select
enum Cmp { C_EQ, C_NE, C_LT, C_LE, C_GT, C_GE, C_EQU, C_NEU, C_LTU, C_LEU, C_GTU, C_GEU, C_NUM, C_NAN };
template <class T> static inline bool cmp(int c, T a, T b) {
  bool n = false; if constexpr (!std::is_integral<T>::value) n = std::isnan(a) || std::isnan(b);
  switch (c) { case C_EQ: return a == b; case C_NE: return !n && a != b; case C_LT: return a < b; case C_LE: return a <= b; case C_GT: return a > b; case C_GE: return a >= b; case C_NUM: return !n; case C_NAN: return n;
    case C_EQU: return n || a == b; case C_NEU: return n || a != b; case C_LTU: return n || a < b; case C_LEU: return n || a <= b; case C_GTU: return n || a > b; case C_GEU: return n || a >= b; } return false;
}
template <class T> static inline T ldv(const Warp& w, const Inst& i, const Opnd& o, int l) { if constexpr (std::is_same<T, float>::value) { if (i.t == BF16) return up(rd<bf16>(w, o, l)); if (i.t == F16) return up(rd<f16>(w, o, l)); return pre(i, rd<float>(w, o, l)); } else return rd<T>(w, o, l); }
static inline bool bop(int s, bool r, bool c) { return s == 1 ? (r && c) : s == 2 ? (r || c) : s == 3 ? (r != c) : r; }
template <class T> static void setp(Warp& w, const Inst& i, u32 m) { LANES(m) { bool r0 = cmp<T>(i.mode, ldv<T>(w, i, i.a, l), ldv<T>(w, i, i.b, l)), r = r0; bool c = false; if (i.sub) { c = rd<u32>(w, i.c, l); if (i.c.neg) c = !c; r = bop(i.sub, r0, c); } if (!sink(i.d)) wr<u32>(w, i.d, l, r); if (!sink(i.d2)) wr<u32>(w, i.d2, l, i.sub ? bop(i.sub, !r0, c) : !r0); } }
template <class T> static void set_(Warp& w, const Inst& i, u32 m) { LANES(m) { bool r = cmp<T>(i.mode, ldv<T>(w, i, i.a, l), ldv<T>(w, i, i.b, l)); if (i.sub) { bool c = rd<u32>(w, i.c, l); if (i.c.neg) c = !c; r = bop(i.sub, r, c); } wr<u32>(w, i.d, l, r ? (i.t2 == F32 ? 0x3f800000u : ~0u) : 0); } }
template <class T> static void selp(Warp& w, const Inst& i, u32 m) { LANES(m) { bool p = rd<u32>(w, i.c, l); if (i.c.neg) p = !p; wr<T>(w, i.d, l, p ? rd<T>(w, i.a, l) : rd<T>(w, i.b, l)); } }
template <class T> static void slct(Warp& w, const Inst& i, u32 m) { LANES(m) { bool p = i.t2 == F32 ? rd<float>(w, i.c, l) >= 0 : rd<int32_t>(w, i.c, l) >= 0; wr<T>(w, i.d, l, p ? rd<T>(w, i.a, l) : rd<T>(w, i.b, l)); } }
static void pAnd(Warp& w, const Inst& i, u32 m) { LANES(m) { bool a = rd<u32>(w, i.a, l), b = i.b.k ? rd<u32>(w, i.b, l) : 0; if (i.a.neg) a = !a; if (i.b.neg) b = !b; wr<u32>(w, i.d, l, i.mode == 4 ? !a : i.mode == 5 ? a : bop(i.mode, a, b)); } }
// ---- cvt
static double irounded(int r, double x) { switch (r) { case FE_TOWARDZERO: return std::trunc(x); case FE_DOWNWARD: return std::floor(x); case FE_UPWARD: return std::ceil(x); default: return std::nearbyint(x); } }
template <class D, class S> static void cvtII(Warp& w, const Inst& i, u32 m) {
  if (!i.sat) run1<D, S>(w, i, m, [](S a) -> D { return (D)a; });
  else run1<D, S>(w, i, m, [](S a) -> D { __int128 v = a, lo = std::numeric_limits<D>::min(), hi = std::numeric_limits<D>::max(); return (D)(v < lo ? lo : v > hi ? hi : v); });
}
template <class D, class S> static void cvtIF(Warp& w, const Inst& i, u32 m) { Rnd r(i); run1<D, S>(w, i, m, [](S a) -> D { volatile S x = a; volatile D y = (D)x; return y; }); }
template <class D, class S> static void cvtFI(Warp& w, const Inst& i, u32 m) { run1<D, S>(w, i, m, [&](S a) -> D { double v = irounded(i.irnd, (double)pre(i, a)); if (std::isnan(v)) return sizeof(D) == 8 ? (D)(1ull << 63) : (D)0; double lo = (double)std::numeric_limits<D>::min(), hi = std::ldexp(1.0, 8 * sizeof(D) - (std::is_signed<D>::value ? 1 : 0)); if (v <= lo) return std::numeric_limits<D>::min(); if (v >= hi) return std::numeric_limits<D>::max(); return (D)v; }); }
static double ldF(const Warp& w, const Opnd& o, Ty t, int l) { switch (t) { case F16: return up(rd<f16>(w, o, l)); case BF16: return up(rd<bf16>(w, o, l)); case F32: return rd<float>(w, o, l); case F64: return rd<double>(w, o, l); default: fail("cvt source"); } }
template <class F> static void cvtGen(Warp& w, const Inst& i, u32 m, F src) {  // any -> float types
  LANES(m) { double x = src(l); if (i.t2 == F32 && i.ftz) x = fz((float)x); if (i.irnd >= 0) x = irounded(i.irnd, x); if (i.sat) x = x > 0 ? (x < 1 ? x : 1) : 0; if (i.hi && x < 0) x = 0;
    switch (i.t) { case F64: wr<double>(w, i.d, l, x); break; case F32: { Rnd r(i); volatile double y = x; volatile float f = (float)y; wr<float>(w, i.d, l, i.ftz ? fz(f) : f); break; }
      case F16: wr<uint16_t>(w, i.d, l, f16rn(roundOdd(x)).v); break; case BF16: wr<uint16_t>(w, i.d, l, i.rnd == FE_TOWARDZERO ? bf16rz((float)x).v : bf16rn(roundOdd(x)).v); break; default: fail("cvt dest"); } }
}
static void cvtFF(Warp& w, const Inst& i, u32 m) { cvtGen(w, i, m, [&](int l) { return ldF(w, i.a, i.t2, l); }); }
template <class S> static void cvtIH(Warp& w, const Inst& i, u32 m) { cvtGen(w, i, m, [&](int l) { return (double)rd<S>(w, i.a, l); }); }
static void cvtHI(Warp& w, const Inst& i, u32 m) { LANES(m) { double v = irounded(i.irnd, ldF(w, i.a, i.t2, l)); if (std::isnan(v)) v = 0; int b = 8 * tsize(i.t); double lo = isSigned(i.t) ? -std::ldexp(1.0, b - 1) : 0, hi = std::ldexp(1.0, isSigned(i.t) ? b - 1 : b) - 1; v = v < lo ? lo : v > hi ? hi : v; wr<s64>(w, i.d, l, (s64)v); } }
static void cvtX2(Warp& w, const Inst& i, u32 m) { LANES(m) { float a = rd<float>(w, i.a, l), b = rd<float>(w, i.b, l); if (i.hi) { a = a < 0 ? 0 : a; b = b < 0 ? 0 : b; } u32 r; if (i.t == BF16X2) r = i.rnd == FE_TOWARDZERO ? (u32)bf16rz(a).v << 16 | bf16rz(b).v : (u32)bf16rn(a).v << 16 | bf16rn(b).v; else r = (u32)f16rn(a).v << 16 | f16rn(b).v; wr<u32>(w, i.d, l, r); } }
// ---- memory
static std::string where(const Warp& w, int l) { const Dim& b = w.blk->block; u32 t = w.id * 32 + l; char s[160]; snprintf(s, sizeof s, " [%s line %d '%s', block (%u,%u,%u) thread (%u,%u,%u)]", w.f->name.c_str(), w.cur->line, w.cur->op.c_str(), w.blk->ctaid.x, w.blk->ctaid.y, w.blk->ctaid.z, t % b.x, t / b.x % b.y, t / b.x / b.y); return s; }
static void shadow(Warp& w, u64 off, size_t n, int l, bool write, bool atomic) {
  Block& b = *w.blk; uint16_t t = w.id * 32 + l; Stats& st = b.mod->stats;
  for (u64 c = off / 4; c <= (off + n - 1) / 4; c++) {
    Shadow& s = b.sh[c]; bool bad = false;
    auto conflict = [&](u32 ep, u32 wep, uint16_t thr) { return ep == b.epoch && thr != t && !(thr / 32 == w.id && wep != w.epoch); };
    if (conflict(s.wEpoch, s.wWarpEp, s.wThr) && !(atomic)) bad = true;
    if (write && !atomic && s.rEpoch == b.epoch && ((s.rMany) || conflict(s.rEpoch, s.rWarpEp, s.rThr))) bad = true;
    if (!write && s.wEpoch == 0) st.uninitShared++;
    if (bad) { if (!st.races++) st.firstRace = (write ? "write" : "read") + std::string(" at shared offset ") + std::to_string(off) + " conflicts with thread " + std::to_string(s.wEpoch == b.epoch && s.wThr != t ? s.wThr : s.rThr) + where(w, l); }
    if (write) { s.wEpoch = b.epoch; s.wWarpEp = w.epoch; s.wThr = t; } else { if (s.rEpoch == b.epoch && s.rThr / 32 != t / 32) s.rMany = true; else if (s.rEpoch != b.epoch) s.rMany = false; s.rEpoch = b.epoch; s.rWarpEp = w.epoch; s.rThr = t; }
  }
}
static inline char* resolve(Warp& w, Space sp, u64 a, size_t n, int l, bool write, bool atomic = false) {
  if (a & (n - 1) && (n & (n - 1)) == 0) fail("misaligned " + std::to_string(n) + "-byte access to 0x" + [&] { char s[32]; snprintf(s, 32, "%llx", (unsigned long long)a); return std::string(s); }() + where(w, l));
  if (sp == SP_GEN) { if (a >= LOCAL_BASE && a < LOCAL_BASE + (1ull << 40)) { sp = SP_LOCAL; a -= LOCAL_BASE; } else if (a >= SHARED_BASE && a < SHARED_BASE + (1ull << 40)) { sp = SP_SHARED; a -= SHARED_BASE; } else sp = SP_GLOBAL; }
  switch (sp) {
    case SP_SHARED: if (a + n > w.blk->shared.size()) fail("shared access out of bounds: offset " + std::to_string(a) + " size " + std::to_string(n) + " of " + std::to_string(w.blk->shared.size()) + where(w, l));
      if (!w.blk->sh.empty()) shadow(w, a, n, l, write, atomic); return w.blk->shared.data() + a;
    case SP_LOCAL: if (a + n > w.localStride) fail("local access out of bounds" + where(w, l)); return w.local.data() + (size_t)l * w.localStride + a;
    case SP_PARAM: return (char*)w.params + a;
    default: if (w.blk->mod->opt.checkGlobal && !w.blk->im->inRange(a, n)) { char s[64]; snprintf(s, 64, "0x%llx", (unsigned long long)a); fail(std::string("global ") + (write ? "write" : "read") + " out of bounds at " + s + ", " + std::to_string(n) + " bytes" + where(w, l)); }
      return (char*)a;
  }
}
static inline u64 addr(Warp& w, const Opnd& o, int l) { return (o.stride == 4 ? rd<u32>(w, o, l) : rd<u64>(w, o, l)) + o.disp; }
template <class T> static void ld(Warp& w, const Inst& i, u32 m) {
  const size_t n = sizeof(T) * i.vec;
  LANES(m) { u64 a = addr(w, i.a, l); const char* p = resolve(w, i.sp, a, n, l, false); if (i.vec == 1) { T v; memcpy(&v, p, sizeof v); wr<T>(w, i.d, l, v); } else { T v[8]; memcpy(v, p, n); for (int k = 0; k < i.vec; k++) if (!sink(i.d.vec[k])) wr<T>(w, i.d.vec[k], l, v[k]); } }
}
template <class T> static void st(Warp& w, const Inst& i, u32 m) {
  const size_t n = sizeof(T) * i.vec;
  LANES(m) { u64 a = addr(w, i.a, l); char* p = resolve(w, i.sp, a, n, l, true); if (i.vec == 1) { T v = rd<T>(w, i.b, l); memcpy(p, &v, sizeof v); } else { T v[8]; for (int k = 0; k < i.vec; k++) v[k] = rd<T>(w, i.b.vec[k], l); memcpy(p, v, n); } }
}
static void cpAsync(Warp& w, const Inst& i, u32 m) { u32 n = rd<u32>(w, i.b, 0); LANES(m) { u32 s = i.c.k ? rd<u32>(w, i.c, l) : n; char* d = resolve(w, SP_SHARED, addr(w, i.d, l), n, l, true); memset(d, 0, n); if (s) memcpy(d, resolve(w, SP_GLOBAL, addr(w, i.a, l), n, l, false), s); } }
static void cvta(Warp& w, const Inst& i, u32 m) { u64 base = i.sp == SP_SHARED ? SHARED_BASE : i.sp == SP_LOCAL ? LOCAL_BASE : 0; LANES(m) { u64 v = (i.a.stride == 4 ? rd<u32>(w, i.a, l) : rd<u64>(w, i.a, l)) + i.a.disp; wr<u64>(w, i.d, l, i.mode ? v - base : v + base); } }
static void isspacep(Warp& w, const Inst& i, u32 m) { LANES(m) { u64 v = rd<u64>(w, i.a, l); bool s = v >= SHARED_BASE && v < SHARED_BASE + (1ull << 40), lo = v >= LOCAL_BASE && v < LOCAL_BASE + (1ull << 40); wr<u32>(w, i.d, l, i.sp == SP_SHARED ? s : i.sp == SP_LOCAL ? lo : !s && !lo); } }
enum { A_ADD, A_MIN, A_MAX, A_INC, A_DEC, A_EXCH, A_CAS, A_AND, A_OR, A_XOR };
template <class T> static T aop(int o, T a, T b, T c) {
  switch (o) { case A_ADD: return (T)(a + b); case A_MIN: return a < b ? a : b; case A_MAX: return a > b ? a : b; case A_EXCH: return b; case A_CAS: return a == b ? c : a; }
  if constexpr (std::is_integral<T>::value) switch (o) { case A_INC: return a >= b ? 0 : a + 1; case A_DEC: return a == 0 || a > b ? b : a - 1; case A_AND: return a & b; case A_OR: return a | b; case A_XOR: return a ^ b; }
  fail("atomic op");
}
template <class T> static void atom(Warp& w, const Inst& i, u32 m) { LANES(m) { char* p = resolve(w, i.sp, addr(w, i.a, l), sizeof(T), l, true, true); T o; memcpy(&o, p, sizeof o); T n = aop<T>(i.sub, o, rd<T>(w, i.b, l), i.c.k ? rd<T>(w, i.c, l) : T()); memcpy(p, &n, sizeof n); if (!sink(i.d)) wr<T>(w, i.d, l, o); } }
template <class H> static void atomX2(Warp& w, const Inst& i, u32 m) { LANES(m) { char* p = resolve(w, i.sp, addr(w, i.a, l), 4, l, true, true); u32 o; memcpy(&o, p, 4); u32 b = rd<u32>(w, i.b, l), r = 0; Inst t; t.sub = H_ADD; for (int k = 0; k < 2; k++) r |= (u32)hop<H>(t, H{(uint16_t)(o >> 16 * k)}, H{(uint16_t)(b >> 16 * k)}, H{0}).v << 16 * k; memcpy(p, &r, 4); if (!sink(i.d)) wr<u32>(w, i.d, l, o); } }
// ---- warp ops (mask = lanes that take part, all arrived)
static void shfl(Warp& w, const Inst& i, u32 m) {
  u32 src[32]; for (int l = 0; l < 32; l++) src[l] = rd<u32>(w, i.a, l);
  LANES(m) { u32 b = rd<u32>(w, i.b, l) & 31, c = rd<u32>(w, i.c, l), seg = (c >> 8) & 31, cl = c & 31, mx = (l & seg) | (cl & ~seg), mn = l & seg; int j; bool p;
    switch (i.mode) { case 0: j = (int)l - (int)b; p = j >= (int)mx; break; case 1: j = l + b; p = j <= (int)mx; break; case 2: j = l ^ b; p = j <= (int)mx; break; default: j = mn | (b & ~seg); p = j <= (int)mx; }
    if (!p) j = l; if (!(m >> j & 1)) fail("shfl reads lane " + std::to_string(j) + " which does not take part" + where(w, l)); wr<u32>(w, i.d, l, src[j]); if (!sink(i.d2)) wr<u32>(w, i.d2, l, p); }
}
static void vote(Warp& w, const Inst& i, u32 m) { u32 b = 0; LANES(m) { bool p = rd<u32>(w, i.a, l); if (i.a.neg) p = !p; if (p) b |= 1u << l; } u32 r = i.mode == 0 ? b : i.mode == 1 ? b == m : i.mode == 2 ? b != 0 : (b == 0 || b == m); LANES(m) wr<u32>(w, i.d, l, r); }
template <class T> static void matchAny(Warp& w, const Inst& i, u32 m) { u32 r[32]; LANES(m) { r[l] = 0; for (u32 q = m; q; q &= q - 1) if (rd<T>(w, i.a, __builtin_ctz(q)) == rd<T>(w, i.a, l)) r[l] |= q & -q; } if (i.mode) { bool all = r[__builtin_ctz(m)] == m; LANES(m) { wr<u32>(w, i.d, l, all ? m : 0); if (!sink(i.d2)) wr<u32>(w, i.d2, l, all); } } else LANES(m) wr<u32>(w, i.d, l, r[l]); }
template <class T> static void redux(Warp& w, const Inst& i, u32 m) { T r = rd<T>(w, i.a, __builtin_ctz(m)); for (u32 q = m & (m - 1); q; q &= q - 1) r = aop<T>(i.sub, r, rd<T>(w, i.a, __builtin_ctz(q)), T()); LANES(m) wr<T>(w, i.d, l, r); }
static void nop(Warp&, const Inst&, u32) {}
static void activemask(Warp& w, const Inst& i, u32 m) { LANES(m) wr<u32>(w, i.d, l, m); }
static void trap(Warp& w, const Inst&, u32 m) { fail("trap" + where(w, __builtin_ctz(m))); }

// ------------------------------------------------------------------ decode: opcode text -> handler
#define BYINT(t, F) ([&]() -> Fn { switch (t) { case U16: case B16: return F<uint16_t>; case S16: return F<int16_t>; case U32: case B32: return F<u32>; case S32: return F<int32_t>; case U64: case B64: return F<u64>; case S64: return F<s64>; default: return nullptr; } }())
#define BYUINT(t, F) ([&]() -> Fn { switch (tsize(t)) { case 2: return F<uint16_t>; case 4: return F<u32>; case 8: return F<u64>; default: return nullptr; } }())
#define BYFLT(t, F) (t == F32 ? (Fn)F<float> : t == F64 ? (Fn)F<double> : (Fn) nullptr)
static Fn halfFn(Ty t) { switch (t) { case F16: return hOp<f16, 1>; case BF16: return hOp<bf16, 1>; case F16X2: return hOp<f16, 2>; case BF16X2: return hOp<bf16, 2>; default: return nullptr; } }
template <class D> static Fn cvtToInt(Ty s) { switch (s) { case U8: case B8: return cvtII<D, uint8_t>; case S8: return cvtII<D, int8_t>; case U16: case B16: return cvtII<D, uint16_t>; case S16: return cvtII<D, int16_t>; case U32: case B32: return cvtII<D, u32>; case S32: return cvtII<D, int32_t>; case U64: case B64: return cvtII<D, u64>; case S64: return cvtII<D, s64>; case F32: return cvtFI<D, float>; case F64: return cvtFI<D, double>; case F16: case BF16: return cvtHI; default: return nullptr; } }
template <class D> static Fn cvtToFlt(Ty s) { switch (s) { case U8: return cvtIF<D, uint8_t>; case S8: return cvtIF<D, int8_t>; case U16: return cvtIF<D, uint16_t>; case S16: return cvtIF<D, int16_t>; case U32: return cvtIF<D, u32>; case S32: return cvtIF<D, int32_t>; case U64: return cvtIF<D, u64>; case S64: return cvtIF<D, s64>; default: return cvtFF; } }
static Fn cvtToHalf(Ty s) { switch (s) { case U8: return cvtIH<uint8_t>; case S8: return cvtIH<int8_t>; case U16: return cvtIH<uint16_t>; case S16: return cvtIH<int16_t>; case U32: return cvtIH<u32>; case S32: return cvtIH<int32_t>; case U64: return cvtIH<u64>; case S64: return cvtIH<s64>; default: return cvtFF; } }
static Fn decodeCvt(Ty d, Ty s) { switch (d) { case U8: case B8: return cvtToInt<uint8_t>(s); case S8: return cvtToInt<int8_t>(s); case U16: case B16: return cvtToInt<uint16_t>(s); case S16: return cvtToInt<int16_t>(s); case U32: case B32: return cvtToInt<u32>(s); case S32: return cvtToInt<int32_t>(s); case U64: case B64: return cvtToInt<u64>(s); case S64: return cvtToInt<s64>(s); case F32: return cvtToFlt<float>(s); case F64: return cvtToFlt<double>(s); case F16: case BF16: return cvtToHalf(s); case F16X2: case BF16X2: return s == F32 ? cvtX2 : (Fn) nullptr; default: return nullptr; } }
template <template <class> class X> struct Dummy {};
static Fn byMem(Ty t, bool load) { switch (t) { case U8: case B8: return load ? ld<uint8_t> : st<uint8_t>; case S8: return load ? ld<int8_t> : st<int8_t>; case U16: case B16: case F16: case BF16: return load ? ld<uint16_t> : st<uint16_t>; case S16: return load ? ld<int16_t> : st<int16_t>; case U32: case B32: case F32: case F16X2: case BF16X2: return load ? ld<u32> : st<u32>; case S32: return load ? ld<int32_t> : st<int32_t>; case U64: case B64: case S64: case F64: return load ? ld<u64> : st<u64>; default: return nullptr; } }

static void decode(Inst& i, std::vector<Opnd>& o) {
  const std::vector<std::string>& p = i.parts; const std::string& b = p[0]; std::vector<Ty> ty;
  std::set<std::string> has(p.begin() + 1, p.end());
  for (auto& s : p) { auto it = kTy.find(s); if (it != kTy.end()) ty.push_back(it->second); }
  i.t = ty.empty() ? T_NONE : ty[0]; i.t2 = ty.size() > 1 ? ty[1] : T_NONE;
  i.ftz = has.count("ftz"); i.sat = has.count("sat") || has.count("satfinite"); i.hi = has.count("hi") || has.count("relu"); i.wide = has.count("wide");
  for (auto& s : p) { if (s == "rz") i.rnd = FE_TOWARDZERO; if (s == "rm") i.rnd = FE_DOWNWARD; if (s == "rp") i.rnd = FE_UPWARD; if (s == "rni") i.irnd = FE_TONEAREST; if (s == "rzi") i.irnd = FE_TOWARDZERO; if (s == "rmi") i.irnd = FE_DOWNWARD; if (s == "rpi") i.irnd = FE_UPWARD;
    if (s == "global") i.sp = SP_GLOBAL; if (s == "shared" || s == "shared::cta") i.sp = SP_SHARED; if (s == "local") i.sp = SP_LOCAL; if (s == "param" || s == "param::entry" || s == "param::func") i.sp = SP_PARAM; if (s == "const") i.sp = SP_CONST; if (s == "v2") i.vec = 2; if (s == "v4") i.vec = 4; if (s == "v8") i.vec = 8; }
  i.slow = i.ftz || i.sat || i.rnd != FE_TONEAREST;
  auto D = [&](size_t k) -> Opnd { return k < o.size() ? o[k] : Opnd(); };
  i.d = D(0); i.a = D(1); i.b = D(2); i.c = D(3); i.e = D(4);
  if (i.d.k == Opnd::VEC && i.d.name == "|") { Opnd v = i.d; i.d = v.vec[0]; i.d2 = v.vec[1]; }
  Ty t = i.t; Fn& f = i.fn; bool flt = t == F32 || t == F64, half = t == F16 || t == BF16 || t == F16X2 || t == BF16X2;
  auto bitop = [&](Fn g, int mode) { if (t == PRED) { i.mode = mode; f = pAnd; } else f = g; };
  auto atomSub = [&]() { static const std::unordered_map<std::string, int> k = {{"add",A_ADD},{"min",A_MIN},{"max",A_MAX},{"inc",A_INC},{"dec",A_DEC},{"exch",A_EXCH},{"cas",A_CAS},{"and",A_AND},{"or",A_OR},{"xor",A_XOR}}; for (size_t q = 1; q < p.size(); q++) { auto it = k.find(p[q]); if (it != k.end()) i.sub = it->second; } };
  auto atomFn = [&]() -> Fn { switch (t) { case U32: case B32: return atom<u32>; case S32: return atom<int32_t>; case U64: case B64: return atom<u64>; case S64: return atom<s64>; case F32: return atom<float>; case F64: return atom<double>; case F16X2: return atomX2<f16>; case BF16X2: return atomX2<bf16>; case B16: return atom<uint16_t>; default: return nullptr; } };
  if (b == "mov") { if (i.d.k == Opnd::VEC || i.a.k == Opnd::VEC) f = movPack; else if (t == PRED) { i.mode = 5; f = pAnd; } else { if (tsize(t) == 8) f = mov<u64>; else if (tsize(t) == 4) f = mov<u32>; else f = mov<uint16_t>; } }
  else if (b == "ld" || b == "ldu") f = byMem(t, true);
  else if (b == "st") { i.b = D(1); i.a = D(0); i.d = Opnd(); f = byMem(t, false); }
  else if (b == "add" || b == "sub") { bool s = b == "sub"; if (half) { i.sub = s ? H_SUB : H_ADD; f = halfFn(t); } else if (flt) f = s ? BYFLT(t, fSub) : BYFLT(t, fAdd); else if (i.sat) { i.mode = s; f = iAddSat<int32_t>; } else if (has.count("cc")) fail("add.cc is not supported"); else f = s ? BYINT(t, iSub) : BYINT(t, iAdd); }
  else if (b == "mul" || b == "mul24") { if (half) { i.sub = H_MUL; f = halfFn(t); } else if (flt) f = BYFLT(t, fMul); else if (i.wide) f = t == U16 ? iMulWide<uint16_t> : t == S16 ? iMulWide<int16_t> : t == U32 ? iMulWide<u32> : (Fn)iMulWide<int32_t>; else f = i.hi ? BYINT(t, iMulHi) : BYINT(t, iMul); }
  else if (b == "mad" || b == "fma") { if (half) { i.sub = H_FMA; f = halfFn(t); } else if (flt) f = BYFLT(t, fFma); else if (i.wide) f = t == U16 ? iMadWide<uint16_t> : t == S16 ? iMadWide<int16_t> : t == U32 ? iMadWide<u32> : (Fn)iMadWide<int32_t>; else f = BYINT(t, iMad); }
  else if (b == "div") f = flt ? BYFLT(t, fDiv) : BYINT(t, iDiv);
  else if (b == "rem") f = BYINT(t, iRem);
  else if (b == "sad") f = BYINT(t, iSad);
  else if (b == "min" || b == "max") { bool mn = b == "min"; i.mode = has.count("NaN"); if (half) { i.sub = mn ? H_MIN : H_MAX; f = halfFn(t); } else if (flt) f = mn ? BYFLT(t, fMin) : BYFLT(t, fMax); else f = mn ? BYINT(t, iMin) : BYINT(t, iMax); }
  else if (b == "neg") { if (half) { i.sub = H_NEG; f = halfFn(t); } else f = flt ? BYFLT(t, fNeg) : BYINT(t, iNeg); }
  else if (b == "abs") { if (half) { i.sub = H_ABS; f = halfFn(t); } else f = flt ? BYFLT(t, fAbs) : BYINT(t, iAbs); }
  else if (b == "sqrt") f = BYFLT(t, fSqrt); else if (b == "rcp") f = BYFLT(t, fRcp); else if (b == "rsqrt") f = BYFLT(t, fRsqrt);
  else if (b == "ex2") { if (half) { i.sub = H_EX2; f = halfFn(t); } else f = BYFLT(t, fEx2); } else if (b == "lg2") f = BYFLT(t, fLg2); else if (b == "sin") f = BYFLT(t, fSin); else if (b == "cos") f = BYFLT(t, fCos);
  else if (b == "tanh") { if (half) { i.sub = H_TANH; f = halfFn(t); } else f = BYFLT(t, fTanh); }
  else if (b == "copysign") f = BYFLT(t, fCopysign); else if (b == "testp") f = fTestp;
  else if (b == "and") bitop(BYUINT(t, iAnd), 1); else if (b == "or") bitop(BYUINT(t, iOr), 2); else if (b == "xor") bitop(BYUINT(t, iXor), 3); else if (b == "not") bitop(BYUINT(t, iNot), 4); else if (b == "cnot") f = BYUINT(t, iCnot);
  else if (b == "shl") f = BYUINT(t, iShl); else if (b == "shr") f = BYINT(t, iShr);
  else if (b == "popc") f = tsize(t) == 8 ? iPopc<u64> : (Fn)iPopc<u32>; else if (b == "clz") f = tsize(t) == 8 ? iClz<u64> : (Fn)iClz<u32>; else if (b == "brev") f = tsize(t) == 8 ? iBrev<u64> : (Fn)iBrev<u32>;
  else if (b == "bfind") { i.mode = has.count("shiftamt"); f = BYINT(t, iBfind); } else if (b == "bfe") f = BYINT(t, iBfe); else if (b == "bfi") f = tsize(t) == 8 ? iBfi<u64> : (Fn)iBfi<u32>;
  else if (b == "prmt") f = iPrmt; else if (b == "shf") f = iShf; else if (b == "lop3") f = iLop3; else if (b == "dp4a") f = iDp4a;
  else if (b == "setp" || b == "set") {
    static const std::unordered_map<std::string, int> k = {{"eq",C_EQ},{"ne",C_NE},{"lt",C_LT},{"le",C_LE},{"gt",C_GT},{"ge",C_GE},{"lo",C_LT},{"ls",C_LE},{"hi",C_GT},{"hs",C_GE},{"equ",C_EQU},{"neu",C_NEU},{"ltu",C_LTU},{"leu",C_LEU},{"gtu",C_GTU},{"geu",C_GEU},{"num",C_NUM},{"nan",C_NAN}};
    auto it = k.find(p[1]); if (it == k.end()) fail("compare " + p[1]); i.mode = it->second; i.sub = has.count("and") ? 1 : has.count("or") ? 2 : has.count("xor") ? 3 : 0;
    Ty s = b == "set" ? ty.at(1) : t; if (b == "set") { i.t2 = ty[0]; i.t = s; }
    bool fl2 = s == F32 || s == F64 || s == F16 || s == BF16; if (b == "setp") f = fl2 ? (s == F64 ? setp<double> : (Fn)setp<float>) : BYINT(s, setp); else f = fl2 ? (s == F64 ? set_<double> : (Fn)set_<float>) : BYINT(s, set_);
  } else if (b == "selp") f = BYUINT(t, selp); else if (b == "slct") f = BYUINT(t, slct);
  else if (b == "cvt") { if (ty.size() < 2) fail("cvt types"); f = decodeCvt(i.t, i.t2); if (!has.count("rni") && !has.count("rzi") && !has.count("rmi") && !has.count("rpi")) { bool si = i.t <= B64, ss = i.t2 <= B64; if (si && !ss) i.irnd = i.rnd; } }
  else if (b == "cvta") { i.mode = has.count("to"); f = cvta; } else if (b == "isspacep") f = isspacep;
  else if (b == "atom") { atomSub(); f = atomFn(); } else if (b == "red") { atomSub(); i.b = D(1); i.a = D(0); i.d = Opnd(); f = atomFn(); }
  else if (b == "bra") { i.kind = K_BRA; i.a = D(0); f = nop; } else if (b == "ret" || b == "exit") { i.kind = K_EXIT; f = nop; }
  else if (b == "bar" || b == "barrier") {
    if (has.count("warp")) { i.kind = K_SYNC; i.e = D(0); f = nop; }
    else { i.kind = K_BAR; f = nop; i.mode = has.count("popc") ? 1 : has.count("and") ? 2 : has.count("or") ? 3 : 0; if (has.count("arrive")) fail("bar.arrive is not supported"); if (i.mode) { i.a = D(o.size() - 1); } else i.d = Opnd(); } }
  else if (b == "membar" || b == "fence" || b == "nanosleep" || b == "prefetch" || b == "prefetchu" || b == "pmevent" || b == "griddepcontrol" || b == "discard" || b == "applypriority") f = nop;
  else if (b == "trap" || b == "brkpt") f = trap;
  else if (b == "shfl") { if (!has.count("sync")) fail("shfl without .sync"); i.kind = K_SYNC; i.mode = has.count("up") ? 0 : has.count("down") ? 1 : has.count("bfly") ? 2 : 3; f = shfl; }
  else if (b == "vote") { i.kind = K_SYNC; i.e = D(2); i.mode = has.count("ballot") ? 0 : has.count("all") ? 1 : has.count("any") ? 2 : 3; f = vote; }
  else if (b == "match") { i.kind = K_SYNC; i.e = D(2); i.mode = has.count("all"); f = tsize(t) == 8 ? matchAny<u64> : (Fn)matchAny<u32>; }
  else if (b == "redux") { i.kind = K_SYNC; i.e = D(2); atomSub(); f = t == S32 ? redux<int32_t> : t == F32 ? redux<float> : (Fn)redux<u32>; }
  else if (b == "activemask") f = activemask;
  else if (b == "cp") { if (p.size() > 1 && p[1] == "async" && has.count("global")) f = cpAsync; else if (has.count("commit_group") || has.count("wait_group") || has.count("wait_all")) f = nop; }
  if (!f) fail("unsupported instruction '" + i.op + "' at line " + std::to_string(i.line));
}

// ------------------------------------------------------------------ parser
struct Parser {
  std::vector<Tok> t; size_t p = 0; Module::Impl* im; Function* f = nullptr; std::vector<std::map<std::string, Opnd>> scopes; std::map<std::string, int> labels;
  std::map<std::pair<u64, int>, u32> immMap;
  const Tok& cur() { return t[p]; } bool is(const char* s) { return t[p].k != Tok::END && t[p].k != Tok::STR && t[p].s == s; } bool acc(const char* s) { if (is(s)) { p++; return true; } return false; }
  void need(const char* s) { if (!acc(s)) fail("parse error at line " + std::to_string(cur().line) + ": expected '" + s + "' before '" + cur().s + "'"); }
  std::string id() { if (cur().k != Tok::ID) fail("parse error at line " + std::to_string(cur().line) + ": identifier expected, got '" + cur().s + "'"); return t[p++].s; }
  s64 integer() { bool n = acc("-"); std::string s = t[p++].s; if (!s.empty() && s.back() == 'U') s.pop_back(); s64 v = (s64)strtoull(s.c_str(), nullptr, 0); return n ? -v : v; }
  void skipLine() { int l = cur().line; while (cur().k != Tok::END && cur().line == l) p++; }
  static std::vector<std::string> split(const std::string& s) { std::vector<std::string> v; size_t i = 0; while (i <= s.size()) { size_t j = s.find('.', i); if (j == std::string::npos) j = s.size(); v.push_back(s.substr(i, j - i)); i = j + 1; } return v; }
  u32 alloc(u32 bytes) { u32 o = f->arena; f->arena += (bytes + 63) & ~63u; return o; }
  Opnd imm(u64 v) { auto k = std::make_pair(v, 0); auto it = immMap.find(k); u32 off; if (it != immMap.end()) off = it->second; else { off = f->arena; f->arena += 8; f->imms.push_back({off, v}); immMap[k] = off; } Opnd o; o.k = Opnd::VAL; o.off = off; o.stride = 0; return o; }
  struct Dev { std::vector<Param> params, rets; size_t body = 0; }; std::map<std::string, Dev> devs; std::string labelPrefix, retLabel; int inlineN = 0, depth = 0; Space memSp = SP_GEN;
  Opnd* reg(const std::string& n) { for (size_t i = scopes.size(); i--;) { auto it = scopes[i].find(n); if (it != scopes[i].end()) return &it->second; } return nullptr; }
  const Var* var(const std::string& n) { if (f) { auto it = f->vars.find(n); if (it != f->vars.end()) return &it->second; } auto it = im->vars.find(n); return it == im->vars.end() ? nullptr : &it->second; }
  u64 number(const std::string& s, bool neg, Ty ty) {
    if (s.size() == 10 && s[0] == '0' && (s[1] == 'f' || s[1] == 'F')) { u32 u = strtoul(s.c_str() + 2, nullptr, 16); if (neg) u ^= 0x80000000u; return u; }
    if (s.size() == 18 && s[0] == '0' && (s[1] == 'd' || s[1] == 'D')) { u64 u = strtoull(s.c_str() + 2, nullptr, 16); return neg ? u ^ (1ull << 63) : u; }
    if (s.find('.') != std::string::npos) { double d = strtod(s.c_str(), nullptr); if (neg) d = -d; if (ty == F64) { u64 u; memcpy(&u, &d, 8); return u; } return toBits((float)d); }
    std::string q = s; if (q.back() == 'U') q.pop_back(); u64 v = strtoull(q.c_str(), nullptr, 0);
    if (ty == F32) return toBits(neg ? -(float)v : (float)v);
    return neg ? 0 - v : v;
  }
  Opnd operand(Ty ty) {
    Opnd o;
    if (acc("!")) { o = operand(ty); o.neg = true; return o; }
    if (acc("{")) { o.k = Opnd::VEC; do o.vec.push_back(operand(ty)); while (acc(",")); need("}"); return o; }
    if (acc("[")) {
      Opnd bse; bool neg = acc("-");
      if (cur().k == Tok::NUM) bse = imm(number(t[p++].s, neg, U64)); else bse = operand(U64);
      if (acc("+")) bse.disp += integer(); else if (is("-")) bse.disp += integer();
      need("]"); bse.k = Opnd::MEM; if (bse.stride == 0 && bse.disp) { }
      return bse;
    }
    bool neg = acc("-");
    if (cur().k == Tok::NUM) { std::string s = t[p++].s; return imm(number(s, neg, ty)); }
    std::string n = id();
    if (n == "_") return o;
    if (neg) fail("negated register operand");
    Opnd* r = reg(n);
    if (r) o = *r;
    else if (kS.count(n)) { o.k = Opnd::VAL; o.off = kS.at(n) * 128; o.stride = 4; }
    else if (n == "WARP_SZ") return imm(32);
    else if (const Var* v = var(n)) { memSp = v->sp; o = imm(v->addr); if (acc("+")) { o = imm(v->addr + integer()); } return o; }
    else { o.k = Opnd::LABEL; o.name = labelPrefix + n; o.disp = 0; rawName = n; }
    if (acc("|")) { Opnd q = operand(ty); Opnd v; v.k = Opnd::VEC; v.name = "|"; v.vec = {o, q}; return v; }
    return o;
  }
  // .space [.align n] .type name[N] [= init]
  void variable(Space sp, bool ext) {
    size_t al = 0; if (acc(".align")) al = integer(); int vec = 1; if (acc(".v2")) vec = 2; else if (acc(".v4")) vec = 4;
    std::string ts = id(); Ty ty = kTy.at(ts.substr(1)); size_t es = tsize(ty) * vec; if (!al) al = es;
    do {
      std::string n = id(); size_t cnt = 1; bool arr = false, open = false; while (acc("[")) { arr = true; if (is("]")) { open = true; cnt = 0; } else cnt *= integer(); need("]"); }
      std::vector<char> data; bool init = false;
      if (acc("=")) { init = true; std::function<void()> val = [&]() { if (acc("{")) { if (!is("}")) do val(); while (acc(",")); need("}"); } else { u64 v; bool ng = acc("-"); if (cur().k == Tok::NUM) v = number(t[p++].s, ng, ty); else { std::string s = id(); if (s == "generic") { need("("); s = id(); need(")"); } const Var* q = var(s); if (!q) fail("initialiser symbol " + s); v = q->addr; if (acc("+")) v += integer(); } data.insert(data.end(), (char*)&v, (char*)&v + tsize(ty)); } }; val(); }
      size_t sz = open ? (init ? data.size() : 0) : es * cnt; (void)arr;
      Var v{sp, 0, sz};
      if (sp == SP_GLOBAL || sp == SP_CONST) { if (ext && im->vars.count(n)) continue; u64 a = (u64)g_alloc(sz); if (init) memcpy((void*)a, data.data(), std::min(sz, data.size())); v.addr = a; im->vars[n] = v; im->ranges.push_back({a, a + sz}); }
      else if (sp == SP_SHARED && ext && open) { v.addr = ~0ull; im->vars[n] = v; }  // dynamic shared: patched per function
      else { size_t& top = sp == SP_SHARED ? f ? f->sharedBytes : modShared : f->localBytes; top = (top + al - 1) / al * al; v.addr = top; top += sz; if (f) f->vars[n] = v; else im->vars[n] = v; }
    } while (acc(","));
    need(";");
  }
  size_t modShared = 0; std::string rawName;
  std::vector<Param> params(size_t* total) {
    std::vector<Param> v; size_t off = 0; need("("); if (acc(")")) { *total = 0; return v; }
    do { need(".param"); size_t al = 0; if (acc(".align")) al = integer(); std::string ts = id(); Ty ty = kTy.at(ts.substr(1)); size_t sz = tsize(ty);
      if (acc(".ptr")) { while (is(".global") || is(".shared") || is(".const") || is(".local")) p++; if (acc(".align")) integer(); }
      std::string n = id(); if (!al) al = sz; if (acc("[")) { sz *= integer(); need("]"); } off = (off + al - 1) / al * al; v.push_back({n, sz, al, off}); off += sz; } while (acc(","));
    need(")"); *total = off; return v;
  }
  void module() {
    while (cur().k != Tok::END) {
      if (acc(".version")) skipLineTok(); else if (acc(".target")) { id(); while (acc(",")) id(); } else if (acc(".address_size")) p++;
      else if (is(".file") || is(".loc")) skipLine(); else if (acc(".section")) { while (!is("{")) p++; int d = 0; do { if (is("{")) d++; if (is("}")) d--; p++; } while (d); }
      else if (is(".visible") || is(".weak") || is(".extern") || is(".common") || is(".entry") || is(".func") || is(".global") || is(".const") || is(".shared")) {
        bool ext = false; while (is(".visible") || is(".weak") || is(".extern") || is(".common")) { ext |= is(".extern"); p++; }
        if (acc(".global")) variable(SP_GLOBAL, ext); else if (acc(".const")) variable(SP_CONST, ext); else if (acc(".shared")) variable(SP_SHARED, ext);
        else if (is(".entry")) { entries.push_back(p); while (!is("{")) p++; int d = 0; do { if (is("{")) d++; if (is("}")) d--; p++; } while (d); }  // kernels last: a device function may be defined after its use
        else if (is(".func")) function();
      } else if (acc(".pragma") || acc(".alias")) { while (!acc(";")) p++; }
      else fail("parse error at line " + std::to_string(cur().line) + ": '" + cur().s + "'");
    }
    for (size_t q : entries) { p = q; function(); }
  }
  std::vector<size_t> entries;
  void skipLineTok() { p++; }
  void function() {
    auto fn = std::make_unique<Function>(); f = fn.get(); f->entry = acc(".entry"); if (!f->entry) need(".func");
    f->arena = NSREG * 128; size_t rb = 0; if (!f->entry && is("(")) f->rparams = params(&rb);
    f->name = id(); if (is("(")) f->params = params(&f->paramBytes);
    if (!f->entry) { Dev dv; dv.params = f->params; dv.rets = f->rparams; std::string nm = f->name; f = nullptr; while (!is("{") && !is(";")) p++; if (acc(";")) { if (!devs.count(nm)) devs[nm] = dv; return; } dv.body = p; devs[nm] = dv; int d = 0; do { if (is("{")) d++; if (is("}")) d--; p++; } while (d); return; }  // device functions are inlined at each call
    scopes.clear(); labels.clear(); immMap.clear(); f->sharedBytes = modShared;
    for (auto& q : f->params) f->vars[q.name] = Var{SP_PARAM, q.off, q.size};
    while (!is("{")) { if (is(".pragma")) { while (!acc(";")) p++; } else p++; }
    // dynamic shared starts after the static part; found by a pre-scan of the static declarations
    size_t save = p; { int d = 0; size_t stat = f->sharedBytes; do { if (is("{")) d++; if (is("}")) d--; if (is(".shared") && t[p + 1].k == Tok::ID && t[p + 1].s[0] == '.') { size_t q = p; p++; Function tmp; tmp.sharedBytes = stat; Function* keep = f; f = &tmp; f->vars = keep->vars; variable(SP_SHARED, false); stat = tmp.sharedBytes; f = keep; (void)q; continue; } p++; } while (d); dyn = (stat + 15) & ~size_t(15); } p = save;
    for (auto& kv : im->vars) if (kv.second.sp == SP_SHARED && kv.second.addr == ~0ull) { f->vars[kv.first] = Var{SP_SHARED, dyn, 0}; f->externShared = true; }
    scopes.push_back({}); block(); 
    Inst r; r.kind = K_EXIT; r.fn = nop; r.op = "ret"; r.parts = {"ret"}; f->code.push_back(r);
    for (auto& i : f->code) if (i.kind == K_BRA) { auto it = labels.find(i.a.name); if (it == labels.end()) fail("label " + i.a.name); i.target = it->second; }
    f->sharedBytes = f->externShared ? dyn : f->sharedBytes; f->localBytes = (f->localBytes + 15) & ~size_t(15);
    im->fns[f->name] = std::move(fn); f = nullptr;
  }
  size_t dyn = 0;
  void block() {
    need("{"); scopes.push_back({});
    while (!acc("}")) statement();
    scopes.pop_back();
  }
  void statement() {
    if (is("{")) { block(); return; }
    if (acc(";")) return;
    if (acc(".reg")) { if (acc(".v2") || acc(".v4")) fail("vector .reg"); std::string ts = id(); Ty ty = kTy.at(ts.substr(1)); int st = tsize(ty) == 8 ? 8 : 4;
      do { std::string n = id(); if (acc("<")) { int c = integer(); need(">"); for (int k = 0; k < c; k++) decl(n + std::to_string(k), st); } else decl(n, st); } while (acc(",")); need(";"); return; }
    if (acc(".shared")) { variable(SP_SHARED, false); return; } if (acc(".local")) { variable(SP_LOCAL, false); return; } if (acc(".const")) { variable(SP_CONST, false); return; } if (acc(".global")) { variable(SP_GLOBAL, false); return; }
    if (acc(".param")) { variable(SP_LOCAL, false); return; }  // call arguments live in per-thread memory
    if (acc(".pragma")) { while (!acc(";")) p++; return; } if (is(".loc") || is(".file")) { skipLine(); return; }
    if (cur().k == Tok::ID && t[p + 1].k == Tok::P && t[p + 1].s == ":") { labels[labelPrefix + cur().s] = f->code.size(); p += 2; return; }
    Inst i; i.line = cur().line;
    if (acc("@")) { i.guard = true; i.gneg = acc("!"); std::string n = id(); Opnd* r = reg(n); if (!r) fail("guard " + n); i.goff = r->off; }
    i.op = id(); i.parts = split(i.op); std::vector<Opnd> ops; Ty ty = T_NONE; for (size_t k = 0; k < i.parts.size(); k++) { auto it = kTy.find(i.parts[k]); if (it != kTy.end()) ty = it->second; }
    if (i.parts[0] == "call") { call(i); return; }
    memSp = SP_GEN; if (!is(";")) { do ops.push_back(operand(ty)); while (acc(",")); } need(";");
    decode(i, ops); if (i.sp == SP_PARAM && memSp == SP_LOCAL) i.sp = SP_LOCAL;
    if (depth && i.parts[0] == "ret") { i.kind = K_BRA; i.a = Opnd(); i.a.k = Opnd::LABEL; i.a.name = retLabel; }
    f->code.push_back(std::move(i));
  }
  void call(Inst& i) {
    if (i.guard) fail("predicated call at line " + std::to_string(i.line));
    auto names = [&]() { std::vector<std::string> v; need("("); if (!acc(")")) { do v.push_back(id()); while (acc(",")); need(")"); } return v; };
    std::vector<std::string> rets, args; if (is("(")) { rets = names(); need(","); } std::string fn = id(); if (acc(",")) args = names(); while (!acc(";")) p++;
    auto it = devs.find(fn); if (it == devs.end()) fail("indirect or unknown call '" + fn + "' at line " + std::to_string(i.line)); const Dev dv = it->second;
    if (!dv.body) { i.fn = fn == "__assertfail" ? trap : nop; if (fn != "__assertfail" && fn != "vprintf") fail("call of external function " + fn); f->code.push_back(std::move(i)); return; }
    if (depth > 16) fail("recursive call of " + fn);
    auto saveVars = f->vars; auto sp = labelPrefix; auto sr = retLabel; size_t back = p; auto ss = scopes; scopes.clear();
    for (size_t k = 0; k < args.size(); k++) f->vars[dv.params.at(k).name] = saveVars.at(args[k]); for (size_t k = 0; k < rets.size(); k++) f->vars[dv.rets.at(k).name] = saveVars.at(rets[k]);
    labelPrefix = "call" + std::to_string(inlineN++) + "/"; retLabel = labelPrefix + "end"; depth++; p = dv.body; block(); depth--; labels[retLabel] = f->code.size();
    f->vars = saveVars; labelPrefix = sp; retLabel = sr; p = back; scopes = ss;
  }
  void decl(const std::string& n, int st) { Opnd o; o.k = Opnd::VAL; o.stride = st; o.off = alloc(32 * st); scopes.back()[n] = o; }
};

Module::Module(const std::string& text) : im(new Impl) { Parser ps; ps.t = lex(text); ps.im = im.get(); ps.module(); }
Module::~Module() {}
void Module::addRange(const void* p, size_t n) { im->ranges.push_back({(u64)p, (u64)p + n}); }
void Module::clearRanges() { im->ranges.clear(); for (auto& v : im->vars) if (v.second.sp == SP_GLOBAL || v.second.sp == SP_CONST) im->ranges.push_back({v.second.addr, v.second.addr + v.second.size}); im->last = {1, 0}; }
void* Module::symbol(const std::string& n, size_t* s) { auto it = im->vars.find(n); if (it == im->vars.end()) return nullptr; if (s) *s = it->second.size; return (void*)it->second.addr; }
std::vector<std::string> Module::kernels() const { std::vector<std::string> v; for (auto& k : im->fns) v.push_back(k.first); return v; }
std::vector<size_t> Module::paramSizes(const std::string& k) const { std::vector<size_t> v; auto it = im->fns.find(k); if (it != im->fns.end()) for (auto& p : it->second->params) v.push_back(p.size); return v; }

// ------------------------------------------------------------------ execution
struct Exec {
  Module& m; const Function& f; Block& b; u64 ti = 0, wi = 0; std::mt19937 rng;
  // Runs warp w until every live lane waits at a barrier, has exited, or the quantum is used up. Returns true if it made progress.
  bool run(Warp& w, u64 quantum) {
    const Inst* code = f.code.data(); bool progress = false;
    for (;;) {
      u32 cand = w.live & ~w.atBar & ~w.waitSync; if (!cand) return progress;
      u32 pc = ~0u, next = ~0u, mask = 0; LANES(cand) { u32 q = w.pc[l]; if (q < pc) { next = pc; pc = q; mask = 1u << l; } else if (q == pc) mask |= 1u << l; else if (q < next) next = q; }
      const u32 start = mask; (void)start;
      for (;;) {  // run the group `mask` at `pc` until it splits, blocks or reaches another group
        const Inst& i = code[pc]; w.cur = &i; u32 em = mask; wi++;
        if (i.guard) { u32 g = 0; LANES(mask) { u32 v; memcpy(&v, w.m + i.goff + l * 4, 4); if (v) g |= 1u << l; } em &= i.gneg ? ~g : g; }
        ti += __builtin_popcount(em); progress = true;
        if (i.kind == K_NORMAL) { if (em) i.fn(w, i, em); pc++; }
        else if (i.kind == K_BRA) {
          if (em == mask) { pc = i.target; if (m.opt.maxInstr && wi > m.opt.maxInstr) fail("instruction budget used up" + where(w, __builtin_ctz(mask))); }
          else if (!em) pc++; else { LANES(em) w.pc[l] = i.target; LANES(mask & ~em) w.pc[l] = pc + 1; break; }
        } else if (i.kind == K_EXIT) { w.live &= ~em; if (w.waitSync) recheck(w); mask &= ~em; pc++; if (!mask) break; }
        else if (i.kind == K_BAR) { LANES(em) w.pc[l] = pc; LANES(mask & ~em) w.pc[l] = pc + 1; w.atBar |= em; break; }
        else {  // K_SYNC
          if (!em) { pc++; } else {
            u32 want = syncMask(w, i, __builtin_ctz(em)); bool uni = true; LANES(em) if (syncMask(w, i, l) != want) uni = false;
            if (!uni) fail("membermask differs inside a group" + where(w, __builtin_ctz(em)));
            LANES(em) if (!(want >> l & 1)) fail("executing lane is not in membermask" + where(w, l));
            LANES(mask & ~em) w.pc[l] = pc + 1; LANES(em) w.pc[l] = pc;
            u32 have = em; LANES(w.waitSync) if (w.pc[l] == pc) have |= 1u << l;
            if ((want & w.live) & ~have) { w.waitSync |= em; break; }
            u32 act = want & w.live & have; i.fn(w, i, act); w.epoch++; LANES(act) w.pc[l] = pc + 1; bool merged = act != em; w.waitSync &= ~act; if (merged || em != mask) break; pc++;
          }
        }
        if (pc >= next) { LANES(mask) w.pc[l] = pc; break; }
        if (quantum && !--quantum) { LANES(mask) w.pc[l] = pc; return true; }
      }
    }
  }
  u32 syncMask(Warp& w, const Inst& i, int l) { return i.e.k ? rd<u32>(w, i.e, l) : ~0u; }
  void recheck(Warp& w) { u32 done = 0; LANES(w.waitSync) if (!(done >> l & 1)) { u32 pc = w.pc[l], have = 0; for (u32 q = w.waitSync; q; q &= q - 1) if (w.pc[__builtin_ctz(q)] == pc) have |= q & -q; u32 want = syncMask(w, f.code[pc], l) & w.live; if (!(want & ~have)) { w.cur = &f.code[pc]; f.code[pc].fn(w, f.code[pc], want & have); w.epoch++; for (u32 q = want & have; q; q &= q - 1) w.pc[__builtin_ctz(q)] = pc + 1; w.waitSync &= ~have; } done |= have; } }
  void block() {
    std::vector<int> ord(b.warps.size()); for (size_t k = 0; k < ord.size(); k++) ord[k] = m.opt.order == 1 ? ord.size() - 1 - k : k;
    for (;;) {
      if (m.opt.order == 2) std::shuffle(ord.begin(), ord.end(), rng);
      bool prog = false; for (int k : ord) prog |= run(b.warps[k], m.opt.order == 2 ? 1 + rng() % 40 : 0);
      bool alive = false, allBar = true, sync = false; for (auto& w : b.warps) { if (w.live) alive = true; if (w.live & ~w.atBar) allBar = false; if (w.waitSync) sync = true; }
      if (!alive) return;
      if (allBar) { release(); continue; }
      if (!prog) { for (auto& w : b.warps) if (w.waitSync) { w.cur = &f.code[w.pc[__builtin_ctz(w.waitSync)]]; fail("deadlock: lanes wait for others of the membermask" + where(w, __builtin_ctz(w.waitSync))); } (void)sync; fail("deadlock at barrier"); }
    }
  }
  void release() {
    u32 cnt = 0, tot = 0; const Inst* bi = nullptr;
    for (auto& w : b.warps) LANES(w.atBar) { const Inst& i = f.code[w.pc[l]]; if (bi && bi != &i && m.opt.checkRaces) fail("threads of one block wait at different bar.sync instructions, lines " + std::to_string(bi->line) + " and " + std::to_string(i.line)); bi = &i; if (i.mode) { bool p = rd<u32>(w, i.a, l); if (i.a.neg) p = !p; cnt += p; } tot++; }
    for (auto& w : b.warps) { LANES(w.atBar) { const Inst& i = f.code[w.pc[l]]; if (i.mode) wr<u32>(w, i.d, l, i.mode == 1 ? cnt : i.mode == 2 ? cnt == tot : cnt != 0); w.pc[l]++; } w.atBar = 0; w.epoch++; }
    b.epoch++;
  }
};

void Module::launch(const std::string& k, Dim g, Dim bd, size_t dynShared, void** args) {
  auto it = im->fns.find(k); if (it == im->fns.end()) fail("no kernel " + k);
  const Function& f = *it->second; u64 nt = (u64)bd.x * bd.y * bd.z; if (!nt || nt > 1024) fail("block size");
  if (f.sharedBytes + dynShared > 232448) fail("too much shared memory");
  Block b; b.im = im.get(); b.mod = this; b.grid = g; b.block = bd; b.nThreads = nt; b.dyn = dynShared; b.params.assign(f.paramBytes + 16, 0);
  for (size_t i = 0; i < f.params.size(); i++) memcpy(b.params.data() + f.params[i].off, args[i], f.params[i].size);
  size_t nw = (nt + 31) / 32; b.warps.resize(nw); b.shared.resize(f.sharedBytes + dynShared); if (opt.checkRaces) b.sh.resize(b.shared.size() / 4 + 1);
  for (size_t q = 0; q < nw; q++) { Warp& w = b.warps[q]; w.memv.assign(f.arena + 64, 0); w.m = (char*)(((u64)w.memv.data() + 63) & ~63ull); w.blk = &b; w.f = &f; w.id = q; w.localStride = f.localBytes; w.local.assign(f.localBytes * 32, 0); w.params = b.params.data(); for (auto& im2 : f.imms) memcpy(w.m + im2.first, &im2.second, 8); }
  Exec ex{*this, f, b}; ex.rng.seed(opt.seed);
  auto S = [](Warp& w, int s, int l, u32 v) { memcpy(w.m + s * 128 + l * 4, &v, 4); };
  for (unsigned z = 0; z < g.z; z++) for (unsigned y = 0; y < g.y; y++) for (unsigned x = 0; x < g.x; x++) {
    b.ctaid = {x, y, z}; b.epoch = 1; for (auto& s : b.sh) s = Shadow(); if (!b.shared.empty()) memset(b.shared.data(), 0xCB, b.shared.size());
    for (auto& w : b.warps) { w.live = 0; w.atBar = w.waitSync = 0; w.epoch = 1;
      for (int l = 0; l < 32; l++) { u64 t = (u64)w.id * 32 + l; if (t < nt) w.live |= 1u << l; w.pc[l] = 0; S(w, TIDX, l, t % bd.x); S(w, TIDY, l, t / bd.x % bd.y); S(w, TIDZ, l, t / bd.x / bd.y); S(w, NTX, l, bd.x); S(w, NTY, l, bd.y); S(w, NTZ, l, bd.z); S(w, CTX, l, x); S(w, CTY, l, y); S(w, CTZ, l, z); S(w, NCX, l, g.x); S(w, NCY, l, g.y); S(w, NCZ, l, g.z);
        S(w, LANE, l, l); S(w, WARPID, l, w.id); S(w, NWARP, l, nw); S(w, LMEQ, l, 1u << l); S(w, LMLT, l, (1u << l) - 1); S(w, LMLE, l, (2u << l) - 1); S(w, LMGT, l, ~((2u << l) - 1)); S(w, LMGE, l, ~((1u << l) - 1)); S(w, DSMEM, l, dynShared); } }
    ex.block();
  }
  stats.threadInstr += ex.ti; stats.warpInstr += ex.wi;
}
}  // namespace ptxi

static thread_local std::string g_err;
extern "C" {
void* ptxi_load(const char* t) { try { return new ptxi::Module(t); } catch (std::exception& e) { g_err = e.what(); return nullptr; } }
void ptxi_free(void* m) { delete (ptxi::Module*)m; }
int ptxi_launch(void* m, const char* k, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, size_t sm, void** a) { try { ((ptxi::Module*)m)->launch(k, {gx, gy, gz}, {bx, by, bz}, sm, a); return 0; } catch (std::exception& e) { g_err = e.what(); return 1; } }
void ptxi_options(void* m, int cg, int cr, int o, unsigned s) { auto& x = ((ptxi::Module*)m)->opt; x.checkGlobal = cg; x.checkRaces = cr; x.order = o; x.seed = s; }
void ptxi_range(void* m, const void* p, size_t n) { ((ptxi::Module*)m)->addRange(p, n); }
void ptxi_stats(void* m, uint64_t* t, uint64_t* w, uint64_t* r, uint64_t* u) { auto& s = ((ptxi::Module*)m)->stats; *t = s.threadInstr; *w = s.warpInstr; *r = s.races; *u = s.uninitShared; if (s.races) g_err = s.firstRace; }
const char* ptxi_error() { return g_err.c_str(); }
}

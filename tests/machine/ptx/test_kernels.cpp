// nvcc's output for small kernels gives the right numbers, in every warp order.
#include <cmath>
#include <cstdint>
#include <random>

#include "tests/machine/ptx/device_array.hpp"
#include "tests/machine/ptx/kernels/kernels.hpp"
#include "tests/machine/ptx/types.hpp"

namespace tweedie::ptx {
namespace {

__extension__ using UInt128 = unsigned __int128;
__extension__ using Quad = __float128;

std::vector<float> random_floats(std::size_t n, float low, float high, unsigned seed = 1) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(n);
  for (float& v : values) v = uniform(engine);
  return values;
}

std::vector<int> random_ints(std::size_t n, int low, int high, unsigned seed = 1) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<int> uniform(low, high);
  std::vector<int> values(n);
  for (int& v : values) v = uniform(engine);
  return values;
}

}  // namespace

TEST_CASE("saxpy: one fused multiply-add per element, the tail left alone") {
  const int n = 1000;
  const std::vector<float> x = random_floats(n, -2, 2, 1), y = random_floats(n, -2, 2, 2);
  const DeviceArray<float> dx(x);
  const auto out = in_every_order<float>(
      n, [&](float* o) { kernels::saxpy(o, dx.data(), 1.7f, n); }, y);
  for (int i = 0; i < n; ++i) CHECK(out[i] == std::fma(1.7f, x[i], y[i]));
}

TEST_CASE("conversion to bf16 rounds to nearest even, NaN and infinity kept") {
  std::vector<float> x = random_floats(1024, -1e3f, 1e3f);
  x[0] = INFINITY, x[1] = NAN, x[2] = -0.0f, x[3] = 3.4e38f;               // the last rounds up to infinity
  x[4] = bits_as<float>(0x3f808000u), x[5] = bits_as<float>(0x3f818000u);  // ties: to 0x3f80 and to 0x3f82
  const DeviceArray<float> dx(x);
  const auto out =
      in_every_order<std::uint16_t>(1024, [&](auto* o) { kernels::to_bf16(o, dx.data(), 1024); });
  CHECK(out[0] == 0x7f80);
  CHECK(out[1] == 0x7fff);
  CHECK(out[2] == 0x8000);
  CHECK(out[3] == 0x7f80);
  CHECK(out[4] == 0x3f80);
  CHECK(out[5] == 0x3f82);
  for (std::size_t i = 6; i < x.size(); ++i) {  // no other bf16 is nearer
    const auto value = [](std::uint16_t bits) { return double(bits_as<float>(std::uint32_t(bits) << 16)); };
    const double distance = std::fabs(value(out[i]) - x[i]);
    CHECK(distance <= std::fabs(value(std::uint16_t(out[i] + 1)) - x[i]));
    CHECK(distance <= std::fabs(value(std::uint16_t(out[i] - 1)) - x[i]));
  }
  const DeviceArray<std::uint16_t> half(out);
  const auto back = in_every_order<float>(1024, [&](float* y) { kernels::from_bf16(y, half.data(), 1024); });
  for (std::size_t i = 2; i < x.size(); ++i)
    CHECK(bits_as<std::uint32_t>(back[i]) == std::uint32_t(out[i]) << 16);
}

TEST_CASE("bf16 multiply-add is rounded once") {
  std::mt19937 engine(3);
  std::vector<std::uint16_t> a(4096), b(4096);
  for (auto* v : {&a, &b})
    for (auto& bits : *v) bits = std::uint16_t((engine() & 0x80ff) | ((engine() % 40 + 107) << 7));
  const DeviceArray<std::uint16_t> da(a), db(b);
  const auto out = in_every_order<std::uint16_t>(
      a.size(), [&](auto* o) { kernels::bf16_multiply_add(o, da.data(), db.data(), int(a.size())); });
  for (std::size_t i = 0; i < a.size(); ++i) {
    // 113 bits hold a b + a exactly; the result must be a nearest bf16.
    const auto value = [](std::uint16_t bits) { return Quad(bits_as<float>(std::uint32_t(bits) << 16)); };
    const Quad exact = value(a[i]) * value(b[i]) + value(a[i]);
    const auto distance = [&](int bits) {
      const Quad d = value(std::uint16_t(bits)) - exact;
      return d < 0 ? -d : d;
    };
    CHECK(distance(out[i]) <= distance(out[i] + 1));
    if ((out[i] & 0x7fff) != 0) CHECK(distance(out[i]) <= distance(out[i] - 1));
  }
}

TEST_CASE("single-precision functions against libm") {
  const int n = 2000;
  std::vector<float> x = random_floats(n, -8, 8);
  x[0] = 1e-3f, x[1] = 12345.0f, x[2] = -98765.0f;  // the latter two take the slow path of sine and cosine
  const DeviceArray<float> dx(x);
  const auto out = in_every_order<float>(std::size_t(n) * kernels::float_functions,
                                         [&](float* o) { kernels::float_math(o, dx.data(), n); });
  for (int i = 0; i < n; ++i) {
    const double v = x[i], positive = double(std::fabs(x[i]) + 0.01f);
    const double expected[] = {std::exp(v),
                               std::log(positive),
                               std::sin(v),
                               std::cos(v),
                               std::tanh(v),
                               std::sqrt(positive),
                               1 / std::sqrt(positive),
                               1 / v,
                               std::pow(positive, 1.7),
                               std::erf(v),
                               std::exp(v),
                               v / (1 + std::exp(-v))};
    // CUDA's documented errors are 1 to 4 ulp for these; 16 ulp for __expf, whose argument is rounded after
    // its multiplication, and 8 for powf. One ulp is up to 1.2e-7 of the value.
    const double ulps[] = {2, 2, 3, 3, 3, 1, 3, 1, 8, 3, 16, 6};
    for (int k = 0; k < kernels::float_functions; ++k) {
      const double got = out[std::size_t(k * n + i)];
      if (std::isinf(float(expected[k]))) {
        CHECK(got == double(float(expected[k])));
        continue;
      }
      const double error = std::fabs(got - expected[k]) / std::max(1e-3, std::fabs(expected[k]));
      INFO("function " << k << " of " << v << ": " << got << ", expected " << expected[k]);
      CHECK(error <= ulps[k] * 1.2e-7);
    }
  }
}

TEST_CASE("double-precision functions against libm, the slow path of sine included") {
  const int n = 1000;
  std::vector<double> x(n);
  std::mt19937 engine(5);
  for (double& v : x) v = std::ldexp(double(engine()) - 2147483648.0, -24);
  x[0] = 1e10, x[1] = -3e15, x[2] = 1e300, x[3] = 0.5;
  const DeviceArray<double> dx(x);
  const auto out = in_every_order<double>(std::size_t(n) * kernels::double_functions,
                                          [&](double* o) { kernels::double_math(o, dx.data(), n); });
  for (int i = 0; i < n; ++i) {
    const double v = x[i], positive = std::fabs(v) + 0.01;
    const double towards_zero = v > 0 ? v : std::nextafter(v, 0.0);  // of v + 1e-20
    const double expected[] = {std::exp(v * 0.01),  std::log(positive),      std::sin(v), std::cos(v),
                               std::sqrt(positive), 1 / std::sqrt(positive), 1 / v,       towards_zero,
                               v - std::floor(v)};
    for (int k = 0; k < kernels::double_functions; ++k) {
      if (k == 0 && std::fabs(v) > 6e4) continue;  // infinity or zero
      const double got = out[std::size_t(k * n + i)];
      INFO("function " << k << " of " << v << ": " << got << ", expected " << expected[k]);
      // Documented: at most 2 ulp; the host's own functions err by up to 1.
      CHECK(std::fabs(got - expected[k]) <= 3 * 2.3e-16 * std::max(1e-8, std::fabs(expected[k])));
    }
    CHECK(out[std::size_t(7 * n + i)] == towards_zero);
  }
}

TEST_CASE("Philox-4x32-10: the published known answer, and a host loop") {
  const int n = 500;
  const auto out = in_every_order<std::uint32_t>(4 * n, [&](auto* o) { kernels::philox(o, 0, n); });
  // kat_vectors of the authors' Random123: counter 0, key 0.
  CHECK(out[0] == 0x6627e8d5);
  CHECK(out[1] == 0xe169c58d);
  CHECK(out[2] == 0xbc57ac4c);
  CHECK(out[3] == 0x9b00dbd8);
  const std::uint64_t seed = 0x0123456789abcdef;
  const auto seeded = in_every_order<std::uint32_t>(4 * n, [&](auto* o) { kernels::philox(o, seed, n); });
  for (int i = 0; i < n; ++i) {
    std::uint32_t c[4] = {std::uint32_t(i), 0, 0, 0}, k0 = std::uint32_t(seed),
                  k1 = std::uint32_t(seed >> 32);
    for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      const std::uint64_t p = std::uint64_t(0xD2511F53u) * c[0], q = std::uint64_t(0xCD9E8D57u) * c[2];
      const std::uint32_t next[4] = {std::uint32_t(q >> 32) ^ c[1] ^ k0, std::uint32_t(q),
                                     std::uint32_t(p >> 32) ^ c[3] ^ k1, std::uint32_t(p)};
      std::copy(next, next + 4, c);
    }
    for (int k = 0; k < 4; ++k) CHECK(seeded[std::size_t(4 * i + k)] == c[k]);
  }
}

TEST_CASE("carry chains: 64 x 64 -> 128 bits") {
  std::mt19937_64 engine(7);
  std::vector<std::uint64_t> a(300), b(300);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = engine(), b[i] = engine();
  a[0] = b[0] = ~std::uint64_t(0);  // every carry
  a[1] = 0xffffffff, b[1] = 0x100000001;
  const DeviceArray<std::uint64_t> da(a), db(b);
  const auto out = in_every_order<std::uint64_t>(
      2 * a.size(), [&](auto* o) { kernels::wide_multiply(o, da.data(), db.data(), int(a.size())); });
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto product = UInt128(a[i]) * b[i];
    CHECK(out[2 * i] == std::uint64_t(product >> 64));
    CHECK(out[2 * i + 1] == std::uint64_t(product));
  }
}

TEST_CASE("transpose through shared memory, sizes that are no multiple of the tile") {
  const int width = 70, height = 45;
  const std::vector<float> x = random_floats(std::size_t(width) * height, -1, 1);
  const DeviceArray<float> dx(x);
  const auto out =
      in_every_order<float>(x.size(), [&](float* o) { kernels::transpose(o, dx.data(), width, height); });
  for (int i = 0; i < height; ++i)
    for (int j = 0; j < width; ++j) CHECK(out[std::size_t(j * height + i)] == x[std::size_t(i * width + j)]);
}

TEST_CASE("dynamic shared memory lies beside static, for a length that fills no warp") {
  const int rows = 3, length = 75;
  const std::vector<float> x = random_floats(rows * length, -1, 1);
  const DeviceArray<float> dx(x);
  const auto out =
      in_every_order<float>(x.size(), [&](float* o) { kernels::reverse_rows(o, dx.data(), rows, length); });
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < length; ++i)
      CHECK(out[std::size_t(r * length + i)] == x[std::size_t(r * length + length - 1 - i)]);
}

TEST_CASE("atomics on shared and global memory") {
  const std::vector<int> values = random_ints(5000, 0, 15);
  const DeviceArray<int> dv(values);
  const auto bins = in_every_order<unsigned>(
      16, [&](unsigned* b) { kernels::histogram(b, dv.data(), 5000); }, std::vector<unsigned>(16, 0));
  std::vector<unsigned> expected(16, 0);
  for (const int v : values) expected[std::size_t(v)] += 1;
  CHECK(bins == expected);
}

TEST_CASE("__constant__ and __device__ variables") {
  const std::vector<float> x = random_floats(100, -1, 1);
  const DeviceArray<float> dx(x);
  kernels::set_scale(2, -3);
  const int before = kernels::launches_counted();
  const auto out =
      in_every_order<float>(100, [&](float* o) { kernels::scaled_by_constant(o, dx.data(), 100); });
  for (std::size_t i = 0; i < 100; ++i) CHECK(out[i] == x[i] * (i % 2 ? -3 : 2));
  CHECK(kernels::launches_counted() == before + 5);  // in_every_order launches five times
}

TEST_CASE("16-bit neighbours in one word of shared memory do not race") {
  std::vector<std::uint16_t> x(64);
  for (std::size_t i = 0; i < 64; ++i) x[i] = std::uint16_t(1000 + i);
  const DeviceArray<std::uint16_t> dx(x);
  const auto out =
      in_every_order<std::uint16_t>(64, [&](auto* o) { kernels::neighbours_in_halves(o, dx.data()); });
  for (std::size_t i = 0; i < 64; ++i) CHECK(out[i] == x[i ^ 33]);
}

TEST_CASE("local arrays and a function that is not inlined") {
  const auto out = in_every_order<int>(200, [&](int* o) { kernels::local_permutation(o, 200); });
  for (int i = 0; i < 200; ++i) {
    int table[16];
    for (int k = 0; k < 16; ++k) table[(k * 5 + i % 16) & 15] = k;
    CHECK(out[std::size_t(i)] == table[(i * 3) & 15]);
  }
}

TEST_CASE("sums by warp shuffles") {
  const int rows = 5, length = 333;
  const std::vector<int> whole = random_ints(rows * length, -1000, 1000);  // sums of integers are exact
  const std::vector<float> x(whole.begin(), whole.end());
  const DeviceArray<float> dx(x);
  const auto sums =
      in_every_order<float>(rows, [&](float* s) { kernels::row_sums(s, dx.data(), rows, length); });
  for (int r = 0; r < rows; ++r) {
    int expected = 0;
    for (int i = 0; i < length; ++i) expected += whole[std::size_t(r * length + i)];
    CHECK(sums[std::size_t(r)] == float(expected));
  }
}

TEST_CASE("votes, matches, reductions and shuffles within segments") {
  const std::vector<int> v = random_ints(32, -50, 50);
  const DeviceArray<int> dv(v);
  const auto out = in_every_order<unsigned>(256, [&](unsigned* o) { kernels::votes(o, dv.data()); });
  unsigned positive = 0;
  int highest = v[0];
  for (int l = 0; l < 32; ++l)
    positive |= unsigned(v[std::size_t(l)] > 0) << l, highest = std::max(highest, v[std::size_t(l)]);
  for (int l = 0; l < 32; ++l) {
    const unsigned* mine = out.data() + l * 8;
    unsigned same = 0;
    for (int k = 0; k < 32; ++k) same |= unsigned((v[std::size_t(k)] & 3) == (v[std::size_t(l)] & 3)) << k;
    CHECK(mine[0] == positive);
    CHECK(mine[1] == 3);
    CHECK(mine[2] == same);
    CHECK(mine[3] == 496);
    CHECK(int(mine[4]) == highest);
    CHECK(int(mine[5]) == v[std::size_t((l & ~7) + (l * 7) % 8)]);
    CHECK(int(mine[6]) == v[std::size_t(l % 16 >= 3 ? l - 3 : l)]);
    CHECK(int(mine[7]) == (l & 1 ? v[std::size_t(l ^ 6)] : 0));
  }
}

TEST_CASE("divergence: loops of different length, nested branches, early return") {
  const int n = 300;
  const std::vector<int> x = random_ints(n, 1, 100000);
  const DeviceArray<int> dx(x);
  const auto steps = in_every_order<int>(n, [&](int* s) { kernels::collatz(s, dx.data(), n); });
  const auto out = in_every_order<int>(n, [&](int* o) { kernels::branches(o, dx.data(), n); });
  for (std::size_t i = 0; i < std::size_t(n); ++i) {
    int count = 0;
    for (int v = x[i]; v != 1 && count < 1000; ++count) v = v & 1 ? 3 * v + 1 : v / 2;
    CHECK(steps[i] == count);
    const int v = x[i];
    int r = 0;
    if ((v & 3) == 3)
      r = 10;
    else if (v & 1)
      for (int k = 0; k < std::min(v & 7, 5); ++k) r += k * v;
    else if ((v & 14) == 0)
      r = 5;
    else if ((v & 14) == 2)
      r = (v * 3) ^ 77;
    else if ((v & 14) == 4)
      r = 77;
    else if ((v & 14) == 8)
      r = -1;
    else
      r = -v;
    CHECK(out[i] == r);
  }
}

TEST_CASE("a lock fought for by lanes of one warp: every lane gets its turn") {
  const auto out = in_every_order<int>(2, [](int* o) { kernels::critical_section(o, 3); }, {0, 0});
  CHECK(out[1] == 2 * 96 * 3);
}

}  // namespace tweedie::ptx

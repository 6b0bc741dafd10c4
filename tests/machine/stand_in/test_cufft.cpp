// The cuFFT stand-in against the documented conventions, and the mistakes that it must not let pass.
#include <cufft.h>

#include <cmath>
#include <complex>
#include <numbers>
#include <vector>

#include "tests/machine/stand_in/control.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;
using Complex = std::complex<float>;

namespace {

cufftComplex* cufft(const DeviceArray<Complex>& array) {
  return reinterpret_cast<cufftComplex*>(array.data());
}

template <class F>
void refused(cufftResult expected, const char* part, F call) {
  stand_in::set_quiet(true);
  CHECK(call() == expected);
  stand_in::set_quiet(false);
  CHECK_MESSAGE(stand_in::last_report().find(part) != std::string::npos,
                "the report was: ", stand_in::last_report());
  stand_in::clear_fault();
}

// A plan with a work area of its own, or none.
class Plan {
 public:
  Plan(Queue& queue, cufftType type, int batch, int H, int W, bool with_area = true) : q(queue) {
    REQUIRE(cufftCreate(&handle) == CUFFT_SUCCESS);
    REQUIRE(cufftSetAutoAllocation(handle, 0) == CUFFT_SUCCESS);
    int n[2] = {H, W};
    REQUIRE(cufftMakePlanMany(handle, 2, n, nullptr, 1, 0, nullptr, 1, 0, type, batch, &bytes) ==
            CUFFT_SUCCESS);
    area = q.allocate(bytes);
    if (with_area) REQUIRE(cufftSetWorkArea(handle, area) == CUFFT_SUCCESS);
  }
  ~Plan() {
    CHECK(cufftDestroy(handle) == CUFFT_SUCCESS);
    q.deallocate(area, bytes);
  }
  Queue& q;
  cufftHandle handle = 0;
  std::size_t bytes = 0;
  void* area = nullptr;
};

std::vector<Complex> wave(int H, int W, int u, int v) {
  std::vector<Complex> x;
  for (int k = 0; k < H; ++k)
    for (int l = 0; l < W; ++l)
      x.push_back(Complex(std::polar(1.0, 2 * std::numbers::pi * (double(k) * u / H + double(l) * v / W))));
  return x;
}

double largest_difference(const std::vector<Complex>& a, const std::vector<Complex>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, double(std::abs(a[i] - b[i])));
  return largest;
}

}  // namespace

TEST_CASE("cuFFT stand-in: a wave is one peak, of height H W, where its sign says") {
  Queue q(Device::cuda);
  for (const auto& [H, W] : {std::pair{6, 10}, {7, 5}, {1, 9}, {8, 1}}) {
    const int u = 2 % H, v = 3 % W;
    Plan plan(q, CUFFT_C2C, 1, H, W);
    DeviceArray<Complex> x(q, wave(H, W, u, v)), y(q, H * W);
    REQUIRE(cufftExecC2C(plan.handle, cufft(x), cufft(y), CUFFT_FORWARD) == CUFFT_SUCCESS);
    std::vector<Complex> peak(std::size_t(H * W), Complex(0));
    peak[std::size_t(u * W + v)] = Complex(float(H * W));
    CHECK(largest_difference(y.host(), peak) < 1e-5 * H * W);  // the wave itself is rounded to 2^-24
    REQUIRE(cufftExecC2C(plan.handle, cufft(x), cufft(x), CUFFT_INVERSE) == CUFFT_SUCCESS);
    std::vector<Complex> mirrored(std::size_t(H * W), Complex(0));
    mirrored[std::size_t((H - u) % H * W + (W - v) % W)] = Complex(float(H * W));
    CHECK(largest_difference(x.host(), mirrored) < 1e-5 * H * W);
  }
}

TEST_CASE("cuFFT stand-in: a forgotten 1/n after the inverse shows") {
  Queue q(Device::cuda);
  constexpr int H = 4, W = 6, batch = 2;
  const std::vector<float> values = random_values(batch * H * W, 3);
  Plan forward(q, CUFFT_R2C, batch, H, W), inverse(q, CUFFT_C2R, batch, H, W);
  DeviceArray<float> x(q, values), back(q, batch * H * W);
  DeviceArray<Complex> spectrum(q, batch * H * (W / 2 + 1));
  REQUIRE(cufftExecR2C(forward.handle, x.data(), cufft(spectrum)) == CUFFT_SUCCESS);
  REQUIRE(cufftExecC2R(inverse.handle, cufft(spectrum), back.data()) == CUFFT_SUCCESS);
  std::vector<float> unscaled = back.host(), scaled = unscaled;
  double difference = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    difference = std::max(difference, double(std::abs(unscaled[i] - values[i])));
    scaled[i] /= H * W;
  }
  CHECK(difference > 1);
  check_close("scaled by 1/(HW)", scaled, values, 1e-6);
  // Documented for more than one dimension: the input of C2R is overwritten.
  for (const Complex& value : spectrum.host()) CHECK(std::isnan(value.real()));
}

TEST_CASE("cuFFT stand-in: the work area must be given, large enough, and apart") {
  Queue q(Device::cuda);
  DeviceArray<Complex> x(q, wave(4, 8, 1, 1)), y(q, 32);
  Plan without(q, CUFFT_C2C, 1, 4, 8, false);
  const auto run = [&](const Plan& plan) {
    return [&] { return cufftExecC2C(plan.handle, cufft(x), cufft(y), CUFFT_FORWARD); };
  };
  refused(CUFFT_EXEC_FAILED, "no work area", run(without));
  refused(CUFFT_INVALID_VALUE, "the work area", [&] { return cufftSetWorkArea(without.handle, nullptr); });
  DeviceArray<float> tiny(q, 2);  // 520 bytes with its guards, from 256 before it
  refused(CUFFT_INVALID_VALUE, "not inside",
          [&] { return cufftSetWorkArea(without.handle, tiny.data() + 16); });
  REQUIRE(cufftSetWorkArea(without.handle, x.data()) == CUFFT_SUCCESS);
  refused(CUFFT_EXEC_FAILED, "overlaps", run(without));

  Plan moved(q, CUFFT_C2C, 1, 4, 8);
  CHECK(run(moved)() == CUFFT_SUCCESS);
  void* const gone = q.allocate(moved.bytes);
  REQUIRE(cufftSetWorkArea(moved.handle, gone) == CUFFT_SUCCESS);
  q.deallocate(gone, moved.bytes);
  refused(CUFFT_EXEC_FAILED, "the work area", run(moved));
}

TEST_CASE("cuFFT stand-in: arrays it must not use") {
  Queue q(Device::cuda);
  constexpr int H = 3, W = 4, half = H * (W / 2 + 1);
  Plan complex(q, CUFFT_C2C, 1, H, W), forward(q, CUFFT_R2C, 1, H, W), inverse(q, CUFFT_C2R, 1, H, W);
  DeviceArray<Complex> z(q, std::vector<Complex>(2 * H * W, Complex(1)));
  DeviceArray<float> x(q, std::vector<float>(H * W + 1, 1.f));
  std::vector<Complex> host(H * W);
  auto* const host_data = reinterpret_cast<cufftComplex*>(host.data());
  refused(CUFFT_INVALID_VALUE, "host memory",
          [&] { return cufftExecC2C(complex.handle, host_data, cufft(z), CUFFT_FORWARD); });
  refused(CUFFT_INVALID_VALUE, "host memory",
          [&] { return cufftExecC2C(complex.handle, cufft(z), host_data, CUFFT_FORWARD); });
  refused(CUFFT_INVALID_VALUE, "null",
          [&] { return cufftExecC2C(complex.handle, nullptr, cufft(z), CUFFT_FORWARD); });
  refused(CUFFT_INVALID_VALUE, "overlap",
          [&] { return cufftExecC2C(complex.handle, cufft(z), cufft(z) + 1, CUFFT_FORWARD); });
  CHECK(cufftExecC2C(complex.handle, cufft(z), cufft(z) + H * W, CUFFT_FORWARD) == CUFFT_SUCCESS);
  refused(CUFFT_INVALID_VALUE, "aligned",
          [&] { return cufftExecR2C(forward.handle, x.data() + 1, cufft(z)); });
  refused(CUFFT_INVALID_VALUE, "overlap",
          [&] { return cufftExecR2C(forward.handle, reinterpret_cast<float*>(z.data()), cufft(z)); });
  // A spectrum that no real plane has: x(u, 0) and x(-u, 0) are not conjugates.
  std::vector<Complex> spectrum(half, Complex(0));
  spectrum[W / 2 + 1] = Complex(1);
  DeviceArray<Complex> skew(q, spectrum);
  refused(CUFFT_EXEC_FAILED, "not the half spectrum",
          [&] { return cufftExecC2R(inverse.handle, cufft(skew), x.data()); });
}

TEST_CASE("cuFFT stand-in: plans out of range, of another type, or gone") {
  Queue q(Device::cuda);
  DeviceArray<Complex> z(q, std::vector<Complex>(16, Complex(1)));
  Plan plan(q, CUFFT_C2C, 1, 4, 4);
  refused(CUFFT_INVALID_VALUE, "direction 0",
          [&] { return cufftExecC2C(plan.handle, cufft(z), cufft(z), 0); });
  refused(CUFFT_INVALID_PLAN, "no such plan",
          [&] { return cufftExecR2C(plan.handle, reinterpret_cast<float*>(z.data()), cufft(z)); });
  refused(CUFFT_INVALID_PLAN, "wrong state", [&] { return cufftSetAutoAllocation(plan.handle, 1); });
  cufftHandle fresh = 0;
  REQUIRE(cufftCreate(&fresh) == CUFFT_SUCCESS);
  refused(CUFFT_INVALID_PLAN, "wrong state",
          [&] { return cufftExecC2C(fresh, cufft(z), cufft(z), CUFFT_FORWARD); });
  std::size_t bytes = 0;
  const auto make = [&](int H, int W, int batch, cufftType type) {
    return [&bytes, fresh, H, W, batch, type] {
      int n[2] = {H, W};
      return cufftMakePlanMany(fresh, 2, n, nullptr, 1, 0, nullptr, 1, 0, type, batch, &bytes);
    };
  };
  refused(CUFFT_INVALID_SIZE, "0 x 4", make(0, 4, 1, CUFFT_C2C));
  refused(CUFFT_INVALID_SIZE, "0 planes", make(4, 4, 0, CUFFT_C2C));
  refused(CUFFT_INVALID_TYPE, "type", make(4, 4, 1, CUFFT_Z2Z));
  CHECK(make(4, 4, 1, CUFFT_C2C)() == CUFFT_SUCCESS);  // allocates its own work area
  CHECK(cufftExecC2C(fresh, cufft(z), cufft(z), CUFFT_FORWARD) == CUFFT_SUCCESS);
  CHECK(cufftDestroy(fresh) == CUFFT_SUCCESS);
  refused(CUFFT_INVALID_PLAN, "no such plan", [&] { return cufftDestroy(fresh); });
}

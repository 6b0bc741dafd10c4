#include "kernels/fft.hpp"

#include <fftw3.h>
#include <omp.h>

#include <limits>
#include <map>
#include <tuple>

namespace tweedie {
namespace {

using Complex = std::complex<float>;

enum class Transform { forward, inverse, real_forward, real_inverse };

// What a FFTW plan depends on. It runs on other arrays than those it was made with if they are alike in
// alignment and in whether output is input.
struct PlanKey {
  Transform transform;
  int planes, H, W, threads;
  bool in_place, aligned;
  auto operator<=>(const PlanKey&) const = default;
};

class Plan {
 public:
  // Estimated rather than measured plans: FFTW's measurements depend on the load of the machine, so that the
  // plan, and with it the last bits of every result, would differ between runs. An estimate also leaves the
  // arrays alone, so that the caller's own can be planned with.
  Plan(const PlanKey& key, void* y, void* x) {
    const int n[2] = {key.H, key.W};
    const int plane = key.H * key.W, half = key.H * (key.W / 2 + 1);
    const unsigned flags = FFTW_ESTIMATE | (key.aligned ? 0 : FFTW_UNALIGNED);
    auto* const complex_x = static_cast<fftwf_complex*>(x);
    auto* const complex_y = static_cast<fftwf_complex*>(y);
    fftwf_plan_with_nthreads(key.threads);
    switch (key.transform) {
      case Transform::forward:
      case Transform::inverse:
        plan_ =
            fftwf_plan_many_dft(2, n, key.planes, complex_x, nullptr, 1, plane, complex_y, nullptr, 1, plane,
                                key.transform == Transform::forward ? FFTW_FORWARD : FFTW_BACKWARD, flags);
        break;
      case Transform::real_forward:
        plan_ = fftwf_plan_many_dft_r2c(2, n, key.planes, static_cast<float*>(x), nullptr, 1, plane,
                                        complex_y, nullptr, 1, half, flags | FFTW_PRESERVE_INPUT);
        break;
      case Transform::real_inverse:
        plan_ = fftwf_plan_many_dft_c2r(2, n, key.planes, complex_x, nullptr, 1, half, static_cast<float*>(y),
                                        nullptr, 1, plane, flags);
        break;
    }
    require(plan_ != nullptr, "fft: FFTW made no plan for ", key.planes, " planes of ", key.H, " x ", key.W);
  }
  ~Plan() { fftwf_destroy_plan(plan_); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  fftwf_plan get() const { return plan_; }

 private:
  fftwf_plan plan_ = nullptr;
};

// The plans of one queue. FFTW's planner is global: it is told to lock itself, since queues of several
// threads share it. fftwf_cleanup is never called, as it would break the plans of other queues; what it would
// free is the planner's own memory, once per process.
class Plans {
 public:
  explicit Plans(Queue&) {
    require(fftwf_init_threads() != 0, "fft: FFTW could not start its threads");
    fftwf_make_planner_thread_safe();
  }
  fftwf_plan get(Transform transform, Shape planes, void* y, void* x) {
    // Measured on 2 cores: 4096 pixels are slower with both (11 against 8 us), 12288 faster (15 against 18
    // us).
    constexpr std::int64_t worth_sharing = 8192;
    const PlanKey key{transform,
                      planes.N * planes.C,
                      planes.H,
                      planes.W,
                      planes.size() < worth_sharing ? 1 : omp_get_max_threads(),
                      x == y,
                      aligned(x) && aligned(y)};
    const auto found = plans_.find(key);
    if (found != plans_.end()) return found->second.get();
    return plans_.try_emplace(key, key, y, x).first->second.get();
  }

 private:
  static bool aligned(void* p) { return fftwf_alignment_of(static_cast<float*>(p)) == 0; }
  std::map<PlanKey, Plan> plans_;
};

fftwf_complex* fftw(Complex* p) { return reinterpret_cast<fftwf_complex*>(p); }
// FFTW's interface has no const; only real_inverse writes its input, and it gets a copy.
fftwf_complex* fftw(const Complex* p) { return fftw(const_cast<Complex*>(p)); }

// y = factor x; y may be x.
void scale(Complex* y, const Complex* x, std::int64_t count, float factor) {
  float* const to = reinterpret_cast<float*>(y);
  const float* const from = reinterpret_cast<const float*>(x);
  count *= 2;
#pragma omp parallel for simd schedule(static) if (count > 65536)
  for (std::int64_t i = 0; i < count; ++i) to[i] = factor * from[i];
}

float inverse_size(const Shape& s) { return float(1.0 / double(s.plane())); }

// Sizes that FFTW's and cuFFT's int arguments can hold.
void check_planes(const char* op, const Shape& s) {
  constexpr std::int64_t limit = std::numeric_limits<int>::max();
  require(s.N >= 0 && s.C >= 0 && s.H >= 0 && s.W >= 0, op, ": negative size ", s);
  require(s.plane() <= limit && std::int64_t(s.N) * s.C <= limit, op, ": ", s,
          ": planes of more than 2^31 - 1 pixels, or more than 2^31 - 1 planes");
}

void check(const char* op, const View<Complex>& y, const View<const Complex>& x) {
  require_alike(op, y, x);
  require(x.b == 1, op, ": channel block ", x.b, ", expected planar (1)");
  check_planes(op, x.shape);
}

// half: the spectrum, full: the real planes.
void check_half(const char* op, const Shape& half, int half_b, const Shape& full, int full_b) {
  check_planes(op, full);
  require(half_b == 1 && full_b == 1, op, ": channel blocks ", half_b, " and ", full_b,
          ", expected planar (1)");
  const Shape expected{full.N, full.C, full.H, full.W / 2 + 1};
  require(half == expected, op, ": half spectrum ", half, ", expected ", expected, " for planes ", full);
}

void transform(Queue& q, View<Complex> y, View<const Complex> x, bool inverse) {
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::fft2(q, y, x, inverse);
  const fftwf_plan plan =
      q.state<Plans>().get(inverse ? Transform::inverse : Transform::forward, y.shape, y.data, fftw(x.data));
  fftwf_execute_dft(plan, fftw(x.data), fftw(y.data));
  if (inverse) scale(y.data, y.data, y.size(), inverse_size(y.shape));
}

}  // namespace

void fft2(Queue& q, View<Complex> y, View<const Complex> x) {
  check("fft2", y, x);
  transform(q, y, x, false);
}

void ifft2(Queue& q, View<Complex> y, View<const Complex> x) {
  check("ifft2", y, x);
  transform(q, y, x, true);
}

void fft2_real(Queue& q, View<Complex> y, View<const float> x) {
  check_half("fft2_real", y.shape, y.b, x.shape, x.b);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::fft2_real(q, y, x);
  float* const input = const_cast<float*>(x.data);  // preserved by the plan
  const fftwf_plan plan = q.state<Plans>().get(Transform::real_forward, x.shape, y.data, input);
  fftwf_execute_dft_r2c(plan, input, fftw(y.data));
}

void ifft2_real(Queue& q, View<float> y, View<const Complex> x) {
  check_half("ifft2_real", x.shape, x.b, y.shape, y.b);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::ifft2_real(q, y, x);
  // FFTW's multi-dimensional inverse destroys its input: it gets a copy, scaled on the way.
  auto* const copy = static_cast<Complex*>(q.scratch(std::size_t(x.size()) * sizeof(Complex)));
  scale(copy, x.data, x.size(), inverse_size(y.shape));
  const fftwf_plan plan = q.state<Plans>().get(Transform::real_inverse, y.shape, y.data, copy);
  fftwf_execute_dft_c2r(plan, fftw(copy), y.data);
}

}  // namespace tweedie

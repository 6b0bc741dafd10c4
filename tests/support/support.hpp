// What every test binary shares: the backends to run on, guarded device arrays, comparisons that say where
// and by how much, and the one gradient check.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie::test {

/// Devices the suite runs on: `--backend=cpu,cuda` of the test binary; by default the CPU, and CUDA where
/// this build and machine have it.
const std::vector<Device>& backends();

/// Reads and removes our own options; called by the shared main.
void parse_options(int argc, char** argv);

/// Device memory filled from the host, with 64 guard elements of a fixed bit pattern on each side; the guards
/// are checked when it dies. Memory that is not initialised holds NaN.
template <class T>
class DeviceArray {
 public:
  static constexpr std::size_t guard = 64;
  /// `count` elements of NaN.
  DeviceArray(Queue& q, std::int64_t count) : DeviceArray(q, std::vector<T>(std::size_t(count), poison())) {}
  DeviceArray(Queue& q, const std::vector<T>& values) : q_(q), count_(values.size()) {
    std::vector<T> all(count_ + 2 * guard, T(guard_value));
    std::copy(values.begin(), values.end(), all.begin() + guard);
    data_ = static_cast<T*>(q_.allocate(bytes()));
    copy_from_host(q_, data_, all.data(), bytes());
  }
  ~DeviceArray() {
    check_guards();
    q_.synchronize();
    q_.deallocate(data_, bytes());
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_ + guard; }
  View<T> view(Shape shape, int b = 1) const {
    REQUIRE(std::size_t(shape.size()) == count_);
    return {data(), shape, b};
  }
  std::vector<T> host() const {
    std::vector<T> all = read();
    return {all.begin() + guard, all.end() - guard};
  }
  void check_guards() const {
    const std::vector<T> all = read();
    for (std::size_t i = 0; i < guard; ++i) {
      CHECK_MESSAGE(all[i] == T(guard_value), "write before the array, element -", guard - i);
      CHECK_MESSAGE(all[guard + count_ + i] == T(guard_value), "write past the array, element ", count_ + i);
    }
  }

 private:
  static constexpr double guard_value = 12345;
  static T poison() {
    if constexpr (std::is_integral_v<T>)
      return T(-1);
    else
      return T(std::nan(""));
  }
  std::size_t bytes() const { return (count_ + 2 * guard) * sizeof(T); }
  std::vector<T> read() const {
    std::vector<T> all(count_ + 2 * guard);
    copy_to_host(q_, all.data(), data_, bytes());
    return all;
  }
  Queue& q_;
  std::size_t count_;
  T* data_ = nullptr;
};

/// Uniform values in [low, high), the same for the same seed.
std::vector<float> random_values(std::int64_t count, unsigned seed, float low = -1, float high = 1);

/// Planar values reordered into layout b, and back: for feeding one reference to every layout.
std::vector<float> to_blocks(const std::vector<float>& planar, Shape shape, int b);
std::vector<float> from_blocks(const std::vector<float>& blocked, Shape shape, int b);

/// Checks max |got - expected| <= tolerance * max(|expected|, 1e-30); a failure prints the worst index, both
/// values and the share of the tolerance used. NaN anywhere fails.
void check_close(const std::string& what, std::span<const float> got, std::span<const double> expected,
                 double tolerance);
void check_close(const std::string& what, std::span<const float> got, std::span<const float> expected,
                 double tolerance);
/// Bitwise equality, with the first difference named.
void check_equal(const std::string& what, std::span<const float> got, std::span<const float> expected);

/// One check for all derivatives: for random v and w, <w, (f(x + h v) - f(x - h v)) / 2h> against <vjp(w),
/// v>, in double. `f` maps a point to a value (any sizes), `vjp` a cotangent of that value at x to the
/// gradient. On a linear map it is the adjointness test (pass h = 1).
void check_vjp(const std::string& what, const std::function<std::vector<float>(const std::vector<float>&)>& f,
               const std::function<std::vector<float>(const std::vector<float>&)>& vjp,
               const std::vector<float>& x, double tolerance, double h = 1e-2, unsigned seed = 1);

/// Runs `body` once; in the simulated CUDA build, on a CUDA queue, once in each warp order (forward, reverse,
/// random with pre-emption), and requires bitwise equal results. `body` returns what it computed.
std::vector<float> under_all_warp_orders(Queue& q, const std::function<std::vector<float>()>& body);

}  // namespace tweedie::test

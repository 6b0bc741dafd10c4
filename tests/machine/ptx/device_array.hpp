// Device memory for tests of the machine, and running a kernel in every warp order.
#pragma once

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "tests/machine/stand_in/control.hpp"

namespace tweedie::ptx {

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t count) : count_(count) {
    REQUIRE(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)) == cudaSuccess);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) { write(values); }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  void write(const std::vector<T>& values) {
    REQUIRE(values.size() == count_);
    REQUIRE(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    REQUIRE(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

inline bool same_bits(const void* a, const void* b, std::size_t bytes) {
  return std::memcmp(a, b, bytes) == 0;
}

/// Launches once in each warp order (random: three seeds), requires success and the same bits each time, and
/// returns the output. `start`, when given, is what the output holds before.
template <class T, class Launch>
std::vector<T> in_every_order(std::size_t count, Launch launch, const std::vector<T>& start = {}) {
  struct Order {
    WarpOrder order;
    std::uint32_t seed;
  };
  std::vector<T> first;
  for (const Order o :
       {Order{WarpOrder::forward, 1}, Order{WarpOrder::reverse, 1}, Order{WarpOrder::random, 1},
        Order{WarpOrder::random, 2}, Order{WarpOrder::random, 3}}) {
    stand_in::set_warp_order(o.order, o.seed);
    DeviceArray<T> out(count);
    if (!start.empty()) out.write(start);
    launch(out.data());
    const cudaError_t status = cudaGetLastError();
    INFO(stand_in::last_report());
    REQUIRE(status == cudaSuccess);
    const std::vector<T> values = out.read();
    if (first.empty()) first = values;
    REQUIRE(same_bits(first.data(), values.data(), count * sizeof(T)));
  }
  stand_in::set_warp_order(WarpOrder::forward);
  return first;
}

}  // namespace tweedie::ptx

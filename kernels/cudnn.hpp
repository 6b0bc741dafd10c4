// cuDNN 9's graph API as owned descriptors, and the convolutions we build with it. Included only where CUDA
// is on.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/convolution.hpp"
#include "kernels/error.hpp"

namespace tweedie::cudnn {

/// Throws `Error` with cuDNN's own last message unless the status is success.
void check(cudnnStatus_t status, const char* call, std::source_location where);

/// cuDNN's tag for the type of an attribute's elements. Descriptors and data pointers are both `void*` to
/// C++.
constexpr cudnnBackendAttributeType_t type_of(std::int64_t) { return CUDNN_TYPE_INT64; }
constexpr cudnnBackendAttributeType_t type_of(float) { return CUDNN_TYPE_FLOAT; }
constexpr cudnnBackendAttributeType_t type_of(char) { return CUDNN_TYPE_CHAR; }
constexpr cudnnBackendAttributeType_t type_of(cudnnHandle_t) { return CUDNN_TYPE_HANDLE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnDataType_t) { return CUDNN_TYPE_DATA_TYPE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnConvolutionMode_t) { return CUDNN_TYPE_CONVOLUTION_MODE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnBackendHeurMode_t) { return CUDNN_TYPE_HEUR_MODE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnBackendNumericalNote_t) {
  return CUDNN_TYPE_NUMERICAL_NOTE;
}
constexpr cudnnBackendAttributeType_t type_of(cudnnBackendKnobType_t) { return CUDNN_TYPE_KNOB_TYPE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnBackendDescriptor_t) {
  return CUDNN_TYPE_BACKEND_DESCRIPTOR;
}

/// An owned backend descriptor: created, given its attributes, finalised, then read. It keeps the descriptors
/// it was made from, since cuDNN does not promise to copy them. Copies share the descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(cudnnBackendDescriptorType_t type);
  cudnnBackendDescriptor_t get() const { return state_->pointer; }
  void keep(const Descriptor& part) { state_->parts.push_back(part.state_); }

  template <class T>
  void set(cudnnBackendAttributeName_t name, std::span<const T> values) {
    set(name, type_of(T()), std::int64_t(values.size()), values.data());
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, const T& value) {
    set(name, type_of(T()), 1, &value);
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    set(name, value.get());
    keep(value);
  }
  /// Once all attributes are set.
  void finalize();
  /// The same for what may well fail: an engine that turns out not to support a graph.
  bool try_finalize();

  /// Elements an attribute holds.
  std::int64_t count(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const;
  /// Up to `values.size()` elements of an attribute; descriptors among them must exist already, and are
  /// filled. Returns how many were written.
  template <class T>
  std::int64_t read(cudnnBackendAttributeName_t name, std::span<T> values) const {
    return read(name, type_of(T()), std::int64_t(values.size()), values.data());
  }
  template <class T>
  T read(cudnnBackendAttributeName_t name) const {
    T value{};
    read(name, type_of(T()), 1, &value);
    return value;
  }

 private:
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
           const void* values);
  std::int64_t read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                    void* values) const;
  struct State {
    cudnnBackendDescriptor_t pointer = nullptr;
    std::vector<std::shared_ptr<State>> parts;
    State() = default;
    ~State();
    State(const State&) = delete;
    State& operator=(const State&) = delete;
  };
  std::shared_ptr<State> state_;
};

/// Where plans are to run: on the device of a handle, or on one that is merely described, of which plans can
/// be made but not executed.
struct Target {
  cudnnHandle_t handle = nullptr;
  const Descriptor* device = nullptr;
};

/// A device as described by cuDNN's JSON (needs cuDNN 9.8).
Descriptor described_device(const std::string& json);

/// The order in memory of a convolution's three tensors: channels last, (N, H, W, C) and (out, kernel,
/// kernel, in), as ours are; or (N, C, H, W) and (out, in, kernel, kernel), to measure ours against.
enum class Order { channels_last, planar };

/// One convolution by one engine of cuDNN, finalised. Accumulating adds to y, and bias is not part of it.
class ConvolutionPlan {
 public:
  ConvolutionPlan(const Target& target, const Descriptor& engine_configuration);
  /// False when the engine does not support the convolution after all.
  explicit operator bool() const { return finalised_; }
  std::int64_t workspace_bytes() const { return workspace_bytes_; }
  /// The engine and its settings ("knobs", by number), such as "eng70_k2=12_k18=0": of the engines for one
  /// problem no two have the same.
  const std::string& engine() const { return engine_; }
  /// x, weights, y: device pointers, 16-byte aligned. Backward x is written and y read; for the gradient by
  /// the weights these are written and the others read.
  void execute(cudnnHandle_t handle, void* x, const void* weights, void* y, void* workspace) const;

 private:
  Descriptor plan_;
  bool finalised_ = false;
  std::int64_t workspace_bytes_ = 0;
  std::string engine_;
};

/// "fp32 forward, x (1, 128, 64, 64), 256 output channels, kernel 3, stride 1, padding 1", and what else
/// cuDNN is told.
std::string describe(const ConvolutionProblem& problem);

/// Engine configurations that are as exact as the problem's precision and repeatable, best first by cuDNN's
/// estimate: mode A, then the fallbacks. Never one that adds in varying order; for fp32 none that uses tensor
/// cores or rounds its inputs (TF32).
std::vector<Descriptor> convolution_engines(const Target& target, const ConvolutionProblem& problem,
                                            Order order = Order::channels_last);

/// The plans they make, no engine twice. Errors: none makes one.
std::vector<ConvolutionPlan> convolution_plans(const Target& target, const ConvolutionProblem& problem,
                                               Order order = Order::channels_last);

}  // namespace tweedie::cudnn

#define CHECK_CUDNN(call) ::tweedie::cudnn::check((call), #call, std::source_location::current())

// What the parts of cuDNN's stand-in share. Private to tests/machine/stand_in.
#pragma once

#include <cudnn.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/machine/stand_in/library.hpp"

namespace tweedie::stand_in {

/// The elements of one attribute, as given.
struct CudnnAttribute {
  cudnnBackendAttributeType_t type;
  std::int64_t count = 0;
  std::vector<unsigned char> bytes;
  template <class T>
  T at(std::int64_t index) const {
    T value;
    std::memcpy(&value, bytes.data() + std::size_t(index) * sizeof(T), sizeof(T));
    return value;
  }
};

/// A descriptor refers to others by handle, so that one destroyed too early is noticed when it is used.
struct CudnnDescriptor {
  cudnnBackendDescriptorType_t type{};
  bool finalised = false;
  std::map<cudnnBackendAttributeName_t, CudnnAttribute> attributes;
  bool has(cudnnBackendAttributeName_t name) const { return attributes.count(name) != 0; }
  template <class T>
  T value(cudnnBackendAttributeName_t name, std::int64_t index = 0) const {
    return attributes.at(name).at<T>(index);
  }
  std::vector<std::int64_t> integers(cudnnBackendAttributeName_t name) const;
  void store(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t of, std::int64_t count,
             const void* values);
};

/// The descriptor of a handle; null when there is none (any more).
CudnnDescriptor* find_descriptor(cudnnBackendDescriptor_t handle);
/// The finalised descriptor that an attribute refers to; null when it is missing, destroyed or not finalised.
const CudnnDescriptor* part(const CudnnDescriptor& whole, cudnnBackendAttributeName_t name);
bool known_handle(cudnnHandle_t handle);

/// Reports the reason, keeps it for cudnnGetLastErrorString, and returns the status.
cudnnStatus_t refuse_cudnn(cudnnStatus_t status, const std::string& why);

std::size_t element_size(cudnnBackendAttributeType_t type);

/// Whether a descriptor of this type takes that many elements of this type under this name.
cudnnStatus_t check_attribute(const CudnnDescriptor& d, cudnnBackendAttributeName_t name,
                              cudnnBackendAttributeType_t type, std::int64_t count, const void* values);
/// The rules that a descriptor must hold to when it is finalised.
cudnnStatus_t check_complete(CudnnDescriptor& d);

/// What the stand-in offers for a convolution. All but the last must be turned down by who wants exact fp32.
/// Numbers from engine_fp32 on are the offers of `offer_cudnn_engines`, which share that engine.
enum CudnnEngine : std::int64_t {
  engine_tensor_core,       ///< rounds its inputs to TF32
  engine_nondeterministic,  ///< the last bit changes from call to call
  engine_unsupported,       ///< refuses when a plan is made
  engine_fp32,
};
std::vector<cudnnBackendNumericalNote_t> notes_of(std::int64_t engine);
/// The engines of heuristics in a mode, best first.
std::vector<std::int64_t> engines_of(cudnnBackendHeurMode_t mode);
/// Reads what tells offers apart: the knobs of a configuration, or one of such a knob's two values.
cudnnStatus_t read_knobs(const CudnnDescriptor& d, cudnnBackendAttributeName_t name, std::int64_t requested,
                         std::int64_t* count, void* to);
/// Counts an execution and lets its time pass on the device's clock; false where it is to fail.
bool note_execution(std::int64_t engine);

/// A tensor as its descriptor tells it.
struct CudnnTensor {
  std::array<std::int64_t, 4> dimensions{}, strides{};
  std::int64_t id = 0, alignment = 1;
  Stretch stretch(const void* data) const;  ///< first to last element
};
CudnnTensor tensor_of(const CudnnDescriptor& d);

struct CudnnConvolution {
  bool backward = false;    ///< x is the result
  bool by_weights = false;  ///< the weights are
  CudnnTensor x, weights, y;
  std::array<std::int64_t, 2> before{}, after{}, stride{}, dilation{};  ///< padding before and after
  float alpha = 1, beta = 0;
};
CudnnConvolution convolution_of(const CudnnDescriptor& operation);
std::size_t workspace_bytes(const CudnnConvolution& c, std::int64_t engine);

/// Computes on the host; inside a DeviceAccess.
void run_convolution(const CudnnConvolution& c, std::int64_t engine, float* x, float* weights, float* y);

}  // namespace tweedie::stand_in

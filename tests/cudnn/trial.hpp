// One convolution described to cuDNN piece by piece, so that a test can spoil one piece. Used on the
// stand-in, and without a device on the real library: what one refuses the other has to refuse too.
#pragma once

#include <array>
#include <functional>

#include <string>
#include <vector>

#include "kernels/cudnn.hpp"

namespace tweedie::test {

struct Trial {
  using Four = std::array<std::int64_t, 4>;
  struct Tensor {
    std::int64_t id = 0;
    Four dimensions{}, strides{};
    std::int64_t alignment = 16;
    std::size_t stride_count = 4;  ///< when not as many as dimensions
    bool without_strides = false;
  };
  // x (2, 16, 6, 5) channels-last, weights (32, 16, 3, 3), y (2, 32, 6, 5).
  Tensor x{1, {2, 16, 6, 5}, {480, 1, 80, 16}}, weights{2, {32, 16, 3, 3}, {144, 1, 48, 16}},
      y{3, {2, 32, 6, 5}, {960, 1, 160, 32}};
  std::array<std::int64_t, 2> before{1, 1}, after{1, 1}, stride{1, 1}, dilation{1, 1};
  float alpha = 1, beta = 0;
  bool backward = false;

  cudnn::Descriptor tensor(const Tensor& t) const {
    cudnn::Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);

    d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT);
    d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const std::int64_t>(t.dimensions));
    if (!t.without_strides)
      d.set(CUDNN_ATTR_TENSOR_STRIDES, std::span<const std::int64_t>(t.strides).first(t.stride_count));
    d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, t.id);
    d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, t.alignment);
    d.finalize();
    return d;
  }
  cudnn::Descriptor convolution() const {
    cudnn::Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t(2));
    d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
    d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
    d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::span<const std::int64_t>(before));
    d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::span<const std::int64_t>(after));
    d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::span<const std::int64_t>(dilation));
    d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::span<const std::int64_t>(stride));
    d.finalize();
    return d;
  }
  cudnn::Descriptor operation() const {
    cudnn::Descriptor d(backward ? CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR
                                 : CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    const auto either = [this](auto forwards, auto backwards) { return backward ? backwards : forwards; };
    d.set(either(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX),
          tensor(x));
    d.set(either(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W),
          tensor(weights));
    d.set(either(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY),
          tensor(y));
    d.set(either(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC),
          convolution());
    d.set(either(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA),
          alpha);
    d.set(
        either(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA),
        beta);
    d.finalize();
    return d;
  }
  cudnn::Descriptor graph(cudnnHandle_t handle) const {
    cudnn::Descriptor d(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    if (handle) d.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle);
    d.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation());
    d.finalize();
    return d;
  }
};

struct Mistake {
  std::string name;
  std::function<void(cudnnHandle_t)> make;  ///< throws when it is refused
};

/// Mistakes in describing a convolution, each of which must be refused before anything runs.
inline std::vector<Mistake> mistakes() {
  using Edit = std::function<void(Trial&)>;
  const std::pair<const char*, Edit> edits[] = {
      {"y has a row too many", [](Trial& t) { t.y.dimensions[2] = 7; }},
      {"y has a column too few", [](Trial& t) { t.y.dimensions[3] = 4; }},
      {"y has other samples", [](Trial& t) { t.y.dimensions[0] = 1; }},
      {"y has other channels than the weights", [](Trial& t) { t.y.dimensions[1] = 16; }},
      {"x has other channels than the weights", [](Trial& t) { t.weights.dimensions[1] = 8; }},
      {"padding is negative",
       [](Trial& t) {
         t.before = t.after = {-1, -1};
       }},
      {"the stride is 0",
       [](Trial& t) {
         t.stride = {0, 0};
       }},
      {"the dilation is 0",
       [](Trial& t) {
         t.dilation = {0, 0};
       }},
      {"strides are missing", [](Trial& t) { t.x.without_strides = true; }},
      {"three strides for four dimensions", [](Trial& t) { t.x.stride_count = 3; }},
      {"a dimension is 0", [](Trial& t) { t.x.dimensions[0] = t.y.dimensions[0] = 0; }},
  };
  std::vector<Mistake> all;
  for (const auto& [name, edit] : edits)
    for (const bool backward : {false, true})
      all.push_back(
          {std::string(name) + (backward ? ", backward" : ""), [edit = edit, backward](cudnnHandle_t handle) {
             Trial trial;
             trial.backward = backward;
             edit(trial);
             trial.graph(handle);
           }});
  const Trial good;
  all.push_back({"an attribute of another descriptor", [good](cudnnHandle_t) {
                   cudnn::Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
                   d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t(2));
                 }});
  all.push_back({"an attribute of another type", [good](cudnnHandle_t) {
                   cudnn::Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
                   d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, 1.0f);
                 }});
  all.push_back({"an attribute set after finalising", [good](cudnnHandle_t) {
                   cudnn::Descriptor d = good.tensor(good.x);
                   d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, std::int64_t(9));
                 }});
  all.push_back({"a descriptor finalised twice", [good](cudnnHandle_t) {
                   cudnn::Descriptor d = good.tensor(good.x);
                   d.finalize();
                 }});
  all.push_back({"an attribute read before finalising", [good](cudnnHandle_t) {
                   const cudnn::Descriptor d(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
                   (void)d.read<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
                 }});
  all.push_back({"an operation of tensors not finalised", [good](cudnnHandle_t) {
                   cudnn::Descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
                   const cudnn::Descriptor raw(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
                   d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, raw);
                   d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, good.tensor(good.weights));
                   d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, good.tensor(good.y));
                   d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, good.convolution());
                   d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0f);
                   d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0f);
                   d.finalize();
                 }});
  all.push_back({"an operation without its weights", [good](cudnnHandle_t) {
                   cudnn::Descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
                   d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, good.tensor(good.x));
                   d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, good.tensor(good.y));
                   d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, good.convolution());
                   d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0f);
                   d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0f);
                   d.finalize();
                 }});
  all.push_back({"a graph without operations", [](cudnnHandle_t handle) {
                   cudnn::Descriptor d(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
                   if (handle) d.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle);
                   d.finalize();
                 }});
  return all;
}

}  // namespace tweedie::test

// cuDNN's stand-in: which attributes a descriptor takes, and what must hold when it is finalised.
#include <algorithm>
#include <numeric>

#include "tests/machine/stand_in/cudnn_state.hpp"

namespace tweedie::stand_in {
namespace {

struct Rule {
  cudnnBackendDescriptorType_t descriptor;
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  std::int64_t most;  ///< elements; at least one
  const char* text;
};

// Everything that kernels/cudnn.cpp sets; all of it is required.
constexpr auto tensor = CUDNN_BACKEND_TENSOR_DESCRIPTOR;
constexpr auto convolution = CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR;
constexpr auto forward = CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR;
constexpr auto backward = CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
constexpr auto by_weights = CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR;
constexpr auto graph = CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR;
constexpr auto heuristics = CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR;
constexpr auto plan = CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR;
constexpr auto pack = CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR;
constexpr auto integer = CUDNN_TYPE_INT64;
constexpr auto descriptor = CUDNN_TYPE_BACKEND_DESCRIPTOR;
const Rule rules[] = {
    {tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, "data type"},
    {tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, integer, CUDNN_DIM_MAX, "dimensions"},
    {tensor, CUDNN_ATTR_TENSOR_STRIDES, integer, CUDNN_DIM_MAX, "strides"},
    {tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, integer, 1, "unique id"},
    {tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, integer, 1, "byte alignment"},
    {convolution, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, "computation type"},
    {convolution, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, "mode"},
    {convolution, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, integer, 1, "spatial dimensions"},
    {convolution, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, integer, 2, "padding before"},
    {convolution, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, integer, 2, "padding after"},
    {convolution, CUDNN_ATTR_CONVOLUTION_DILATIONS, integer, 2, "dilations"},
    {convolution, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, integer, 2, "strides"},
    {forward, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, descriptor, 1, "x"},
    {forward, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, descriptor, 1, "weights"},
    {forward, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, descriptor, 1, "y"},
    {forward, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, descriptor, 1, "convolution"},
    {forward, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, "alpha"},
    {forward, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, "beta"},
    {backward, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, descriptor, 1, "dx"},
    {backward, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, descriptor, 1, "weights"},
    {backward, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, descriptor, 1, "dy"},
    {backward, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, descriptor, 1, "convolution"},
    {backward, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_TYPE_FLOAT, 1, "alpha"},
    {backward, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, CUDNN_TYPE_FLOAT, 1, "beta"},
    {by_weights, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, descriptor, 1, "x"},
    {by_weights, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, descriptor, 1, "weights"},
    {by_weights, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, descriptor, 1, "dy"},
    {by_weights, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, descriptor, 1, "convolution"},
    {by_weights, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_TYPE_FLOAT, 1, "alpha"},
    {by_weights, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, CUDNN_TYPE_FLOAT, 1, "beta"},
    {graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, "handle"},
    {graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, descriptor, 1, "operations"},
    {heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, descriptor, 1, "graph"},
    {heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, "mode"},
    {plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, "handle"},
    {plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, descriptor, 1, "engine configuration"},
    {pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, integer, 64, "unique ids"},
    {pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 64, "data pointers"},
    {pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, "workspace"},
};

cudnnStatus_t bad(const std::string& why) { return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, why); }

cudnnStatus_t check_tensor(const CudnnDescriptor& d) {
  const std::vector<std::int64_t> dimensions = d.integers(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const std::vector<std::int64_t> strides = d.integers(CUDNN_ATTR_TENSOR_STRIDES);
  if (dimensions.size() != strides.size()) return bad("tensor: dimensions and strides differ in number");
  if (dimensions.size() != 4 || d.value<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE) != CUDNN_DATA_FLOAT)
    return refuse_cudnn(CUDNN_STATUS_NOT_SUPPORTED, "tensor: the stand-in knows fp32 in 4 dimensions only");
  for (std::size_t k = 0; k < 4; ++k)
    if (dimensions[k] < 1 || strides[k] < 1) return bad("tensor: dimensions and strides must be positive");
  const std::int64_t alignment = d.value<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
  if (alignment < 4 || (alignment & (alignment - 1)) != 0)
    return bad("tensor: the alignment must be a power of two, and that of a float at least");
  // In order of stride, a step along one axis must pass everything that the axes before it reach.
  std::array<std::size_t, 4> order{0, 1, 2, 3};
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return strides[a] < strides[b]; });
  std::int64_t reach = 1;
  for (const std::size_t axis : order) {
    if (dimensions[axis] == 1) continue;
    if (strides[axis] < reach) return bad("tensor: two elements lie at the same place");
    reach = strides[axis] * (dimensions[axis] - 1) + reach;
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t check_convolution(const CudnnDescriptor& d) {
  if (d.value<std::int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) != 2 ||
      d.value<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) != CUDNN_DATA_FLOAT ||
      d.value<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) != CUDNN_CROSS_CORRELATION)
    return refuse_cudnn(
        CUDNN_STATUS_NOT_SUPPORTED,
        "convolution: the stand-in knows cross-correlation in 2 dimensions, computed in fp32");
  for (const auto& [name, least] : {std::pair{CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 0},
                                    {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, 0},
                                    {CUDNN_ATTR_CONVOLUTION_DILATIONS, 1},
                                    {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 1}}) {
    const std::vector<std::int64_t> values = d.integers(name);
    if (values.size() != 2) return bad("convolution: two numbers for each of padding, dilation and stride");
    if (*std::min_element(values.begin(), values.end()) < least)
      return bad("convolution: negative padding, or a dilation or stride below 1");
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t check_operation(const CudnnDescriptor& d) {
  for (const Rule& rule : rules)
    if (rule.descriptor == d.type && rule.type == descriptor) {
      const CudnnDescriptor* const found = part(d, rule.name);
      const bool is_convolution = std::string(rule.text) == "convolution";
      if (!found || found->type != (is_convolution ? convolution : tensor))
        return bad(message("operation: ", rule.text, " is not a finalised descriptor of the right kind"));
    }
  const CudnnConvolution c = convolution_of(d);
  const auto& x = c.x.dimensions;
  const auto& y = c.y.dimensions;
  const auto& w = c.weights.dimensions;
  if (c.x.id == c.y.id || c.x.id == c.weights.id || c.y.id == c.weights.id)
    return bad("operation: two tensors have the same unique id");
  if (x[1] != w[1]) return bad(message("operation: x has ", x[1], " channels, the weights ", w[1]));
  if (y[1] != w[0]) return bad(message("operation: y has ", y[1], " channels, the weights ", w[0]));
  if (x[0] != y[0]) return bad("operation: x and y differ in their number of samples");
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t padded = x[2 + axis] + c.before[axis] + c.after[axis];
    const std::int64_t reach = (w[2 + axis] - 1) * c.dilation[axis] + 1;
    if (padded < reach || y[2 + axis] != (padded - reach) / c.stride[axis] + 1)
      return bad(message("operation: y has ", y[2 + axis], " rows or columns, which is not what ",
                         x[2 + axis], " give"));
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t check_plan(const CudnnDescriptor& d) {
  const CudnnDescriptor* const configuration = part(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  if (!configuration || configuration->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
    return bad("plan: not an engine configuration");
  if (configuration->value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX) == engine_unsupported)
    return CUDNN_STATUS_NOT_SUPPORTED;  // nobody's mistake: heuristics only estimate
  if (!known_handle(d.value<cudnnHandle_t>(CUDNN_ATTR_EXECUTION_PLAN_HANDLE)))
    return bad("plan: no such handle");
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t check_pack(const CudnnDescriptor& d) {
  std::vector<std::int64_t> ids = d.integers(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  if (std::int64_t(ids.size()) != d.attributes.at(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).count)
    return bad("variant pack: as many pointers as unique ids are needed");
  std::sort(ids.begin(), ids.end());
  if (std::adjacent_find(ids.begin(), ids.end()) != ids.end())
    return bad("variant pack: a unique id occurs twice");
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

cudnnStatus_t check_attribute(const CudnnDescriptor& d, cudnnBackendAttributeName_t name,
                              cudnnBackendAttributeType_t type, std::int64_t count, const void* values) {
  for (const Rule& rule : rules) {
    if (rule.descriptor != d.type || rule.name != name) continue;
    if (rule.type != type) return bad(message(rule.text, ": wrong type of attribute, ", int(type)));
    if (count < 1 || count > rule.most || !values)
      return bad(message(rule.text, ": ", count, " elements given, 1 to ", rule.most, " expected"));
    return CUDNN_STATUS_SUCCESS;
  }
  return refuse_cudnn(CUDNN_STATUS_NOT_SUPPORTED,
                      message("the stand-in knows no attribute ", int(name), " of descriptor ", int(d.type)));
}

cudnnStatus_t check_complete(CudnnDescriptor& d) {
  bool settable = false;
  for (const Rule& rule : rules) {
    if (rule.descriptor != d.type) continue;
    settable = true;
    if (!d.has(rule.name)) return bad(message("finalised without ", rule.text));
  }
  if (!settable) return bad("only cuDNN itself makes descriptors of this kind");
  switch (d.type) {
    case tensor:
      return check_tensor(d);
    case convolution:
      return check_convolution(d);
    case forward:
    case backward:
    case by_weights:
      return check_operation(d);
    case graph:
      if (!part(d, CUDNN_ATTR_OPERATIONGRAPH_OPS)) return bad("graph: its operation is not finalised");
      if (!known_handle(d.value<cudnnHandle_t>(CUDNN_ATTR_OPERATIONGRAPH_HANDLE)))
        return bad("graph: no such handle");
      return CUDNN_STATUS_SUCCESS;
    case heuristics: {
      const CudnnDescriptor* const found = part(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
      if (!found || found->type != graph) return bad("heuristics: the graph is not finalised");
      return CUDNN_STATUS_SUCCESS;
    }
    case plan:
      return check_plan(d);
    case pack:
      return check_pack(d);
    default:
      return CUDNN_STATUS_NOT_SUPPORTED;
  }
}

CudnnTensor tensor_of(const CudnnDescriptor& d) {
  CudnnTensor t;
  for (std::size_t k = 0; k < 4; ++k) {
    t.dimensions[k] = d.value<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS, std::int64_t(k));
    t.strides[k] = d.value<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES, std::int64_t(k));
  }
  t.id = d.value<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
  t.alignment = d.value<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
  return t;
}

namespace {

// The attributes of the three operations: x, weights, y, geometry, alpha, beta.
using Names = std::array<cudnnBackendAttributeName_t, 6>;
constexpr Names forward_names{
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
constexpr Names backward_names{
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
constexpr Names by_weights_names{
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};

}  // namespace

CudnnConvolution convolution_of(const CudnnDescriptor& d) {
  CudnnConvolution c;
  c.backward = d.type == backward;
  c.by_weights = d.type == by_weights;
  const Names& names = c.by_weights ? by_weights_names : c.backward ? backward_names : forward_names;
  c.x = tensor_of(*part(d, names[0]));
  c.weights = tensor_of(*part(d, names[1]));
  c.y = tensor_of(*part(d, names[2]));
  c.alpha = d.value<float>(names[4]);
  c.beta = d.value<float>(names[5]);
  const CudnnDescriptor& geometry = *part(d, names[3]);
  for (std::size_t k = 0; k < 2; ++k) {
    const auto axis = std::int64_t(k);
    c.before[k] = geometry.value<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, axis);
    c.after[k] = geometry.value<std::int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, axis);
    c.stride[k] = geometry.value<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, axis);
    c.dilation[k] = geometry.value<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS, axis);
  }
  return c;
}

}  // namespace tweedie::stand_in

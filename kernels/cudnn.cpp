#include "kernels/cudnn.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace tweedie::cudnn {
namespace {

// Names of the tensors of a graph, by which execution passes their addresses.
constexpr std::int64_t x_id = 'x', weights_id = 'w', y_id = 'y';
constexpr std::int64_t alignment = 16;

void destroy(cudnnBackendDescriptor_t pointer) {
  if (pointer && cudnnBackendDestroyDescriptor(pointer) != CUDNN_STATUS_SUCCESS)
    std::fputs("tweedie: a cuDNN descriptor was not destroyed\n", stderr);
}

using Four = std::array<std::int64_t, 4>;

// Dimensions are named in the order N, C, H, W whatever the order in memory, which the strides tell.
Four strides_of(const Four& d, Order order) {
  const std::int64_t sample = d[1] * d[2] * d[3];
  return order == Order::planar ? Four{sample, d[2] * d[3], d[3], 1} : Four{sample, 1, d[1] * d[3], d[1]};
}

Descriptor tensor(std::int64_t id, const Four& dimensions, Order order) {
  const Four strides = strides_of(dimensions, order);
  Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT);
  d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const std::int64_t>(dimensions));
  d.set(CUDNN_ATTR_TENSOR_STRIDES, std::span<const std::int64_t>(strides));
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment);
  d.finalize();
  return d;
}

Four dimensions(const Shape& s) { return {s.N, s.C, s.H, s.W}; }

Descriptor convolution_of(const ConvolutionGeometry& g) {
  const std::array<std::int64_t, 2> pad{g.pad.h, g.pad.w}, stride{g.stride.h, g.stride.w}, dilation{1, 1};
  Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t(2));
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::span<const std::int64_t>(pad));
  d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::span<const std::int64_t>(pad));
  d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::span<const std::int64_t>(dilation));
  d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::span<const std::int64_t>(stride));
  d.finalize();
  return d;
}

// weights = the gradient of <y, convolution(x)> by them, + beta weights.
Descriptor weights_operation(const ConvolutionProblem& p, Order order) {
  const ConvolutionGeometry& g = p.g;
  Descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR);
  d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, tensor(x_id, dimensions(p.x), order));
  d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
        tensor(weights_id, {g.out, g.in, g.kernel.h, g.kernel.w}, order));
  d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, tensor(y_id, dimensions(p.y()), order));
  d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, convolution_of(g));
  d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.f);
  d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, p.accumulate ? 1.f : 0.f);
  d.finalize();
  return d;
}

// y = convolution(x) + beta y, or x = transposed convolution(y).
Descriptor operation(const ConvolutionProblem& p, Order order) {
  if (p.weights) return weights_operation(p, order);
  const ConvolutionGeometry& g = p.g;
  const Descriptor x = tensor(x_id, dimensions(p.x), order), y = tensor(y_id, dimensions(p.y()), order);
  const Descriptor weights = tensor(weights_id, {g.out, g.in, g.kernel.h, g.kernel.w}, order);
  const Descriptor convolution = convolution_of(g);
  const float one = 1, beta = p.accumulate ? 1 : 0;
  Descriptor d(p.backward ? CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR
                          : CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  if (p.backward) {
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, x);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, weights);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, y);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, convolution);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, one);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, beta);
  } else {
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, weights);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolution);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, one);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, beta);
  }
  d.finalize();
  return d;
}

Descriptor graph_of(const Target& target, const Descriptor& operation) {
  Descriptor d(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  if (target.handle) d.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, target.handle);
  d.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  d.finalize();
  return d;
}

// The addresses of one execution. Not a Descriptor, which allocates: this one is made at every call.
struct VariantPack {
  cudnnBackendDescriptor_t pointer = nullptr;
  VariantPack() {
    CHECK_CUDNN(cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pointer));
  }
  ~VariantPack() { destroy(pointer); }
  VariantPack(const VariantPack&) = delete;
  VariantPack& operator=(const VariantPack&) = delete;
};

Descriptor engine_of(const Descriptor& configuration) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t pointer = engine.get();
  configuration.read(CUDNN_ATTR_ENGINECFG_ENGINE, std::span(&pointer, 1));
  return engine;
}

// As cudnn_frontend writes it.
std::string tag_of(const Descriptor& configuration) {
  std::string tag =
      "eng" + std::to_string(engine_of(configuration).read<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
  std::vector<Descriptor> knobs;
  std::vector<cudnnBackendDescriptor_t> pointers;
  for (int k = 0; k < CUDNN_KNOB_TYPE_COUNTS; ++k) {
    knobs.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    pointers.push_back(knobs.back().get());
  }
  const std::int64_t count =
      configuration.read(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, std::span<cudnnBackendDescriptor_t>(pointers));
  for (std::int64_t k = 0; k < count; ++k) {
    const Descriptor& knob = knobs[std::size_t(k)];
    tag += "_k" + std::to_string(int(knob.read<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE))) +
           "=" + std::to_string(knob.read<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
  }
  return tag;
}

// Tensor cores take fp32 rounded to TF32's 10 bits. Winograd on tiles of 13x13 loses several digits.
bool acceptable(const Descriptor& configuration, Precision precision) {
  const bool tf32 = precision == Precision::tf32;
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  const std::int64_t count =
      engine_of(configuration)
          .read(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, std::span<cudnnBackendNumericalNote_t>(notes));
  return std::none_of(notes.begin(), notes.begin() + count, [&](cudnnBackendNumericalNote_t note) {
    const bool rounds =
        note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
    return (rounds && !tf32) || note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
           note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC || note == CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13;
  });
}

std::vector<Descriptor> heuristic_engines(const Target& target, const Descriptor& graph,
                                          cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
#if CUDNN_VERSION >= 90800
  if (target.device) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.device);
#else
  (void)target;
#endif
  // Having nothing to offer in one mode is no error: the other may.
  if (!heuristics.try_finalize()) return {};
  const std::int64_t offered = heuristics.count(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR);
  std::vector<Descriptor> configurations;
  std::vector<cudnnBackendDescriptor_t> pointers;
  for (std::int64_t k = 0; k < offered; ++k) {
    configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    pointers.push_back(configurations.back().get());
  }
  const std::int64_t count =
      heuristics.read(CUDNN_ATTR_ENGINEHEUR_RESULTS, std::span<cudnnBackendDescriptor_t>(pointers));
  configurations.resize(std::size_t(count));
  for (Descriptor& configuration : configurations) configuration.keep(heuristics);
  return configurations;
}

}  // namespace

void check(cudnnStatus_t status, const char* call, std::source_location where) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char detail[512] = "";
  cudnnGetLastErrorString(detail, sizeof(detail));
  require(Condition(false, where), "cuDNN: ", call, ": ", cudnnGetErrorString(status), ": ", detail);
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) : state_(std::make_shared<State>()) {
  CHECK_CUDNN(cudnnBackendCreateDescriptor(type, &state_->pointer));
}

Descriptor::State::~State() { destroy(pointer); }

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                     const void* values) {
  CHECK_CUDNN(cudnnBackendSetAttribute(get(), name, type, count, values));
}

void Descriptor::finalize() { CHECK_CUDNN(cudnnBackendFinalize(get())); }

bool Descriptor::try_finalize() { return cudnnBackendFinalize(get()) == CUDNN_STATUS_SUCCESS; }

std::int64_t Descriptor::count(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
  return read(name, type, 0, nullptr);
}

std::int64_t Descriptor::read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                              std::int64_t count, void* values) const {
  std::int64_t held = 0;
  CHECK_CUDNN(cudnnBackendGetAttribute(get(), name, type, count, &held, values));
  return count == 0 ? held : std::min(held, count);
}

Descriptor described_device(const std::string& json) {
#if CUDNN_VERSION >= 90800
  Descriptor d(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  d.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span<const char>(json));
  d.finalize();
  return d;
#else
  require(json.empty() && false, "describing a device needs cuDNN 9.8 or newer");
  return {};
#endif
}

ConvolutionPlan::ConvolutionPlan(const Target& target, const Descriptor& engine_configuration)
    : plan_(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR), engine_(tag_of(engine_configuration)) {
  if (target.handle) plan_.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, target.handle);
#if CUDNN_VERSION >= 90800
  if (target.device) plan_.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.device);
#endif
  plan_.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine_configuration);
  finalised_ = plan_.try_finalize();
  if (finalised_) workspace_bytes_ = plan_.read<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
}

void ConvolutionPlan::execute(cudnnHandle_t handle, void* x, const void* weights, void* y,
                              void* workspace) const {
  const std::array<std::int64_t, 3> ids{x_id, weights_id, y_id};
  const std::array<void*, 3> pointers{x, const_cast<void*>(weights), y};
  const VariantPack pack;
  CHECK_CUDNN(cudnnBackendSetAttribute(pack.pointer, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
                                       ids.size(), ids.data()));
  CHECK_CUDNN(cudnnBackendSetAttribute(pack.pointer, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                       CUDNN_TYPE_VOID_PTR, pointers.size(), pointers.data()));
  CHECK_CUDNN(cudnnBackendSetAttribute(pack.pointer, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
                                       1, &workspace));
  CHECK_CUDNN(cudnnBackendFinalize(pack.pointer));
  CHECK_CUDNN(cudnnBackendExecute(handle, plan_.get(), pack.pointer));
}

std::string describe(const ConvolutionProblem& p) {
  return message(name(p.precision),
                 p.weights    ? " by the weights"
                 : p.backward ? " backward"
                              : " forward",
                 ", x ", p.x, ", ", p.g.out, " output channels, kernel ", p.g.kernel, ", stride ", p.g.stride,
                 ", padding ", p.g.pad, p.accumulate ? ", adding" : "");
}

std::vector<Descriptor> convolution_engines(const Target& target, const ConvolutionProblem& problem,
                                            Order order) {
  const Descriptor graph = graph_of(target, operation(problem, order));
  std::vector<Descriptor> engines;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (const Descriptor& engine : heuristic_engines(target, graph, mode))
      if (acceptable(engine, problem.precision)) engines.push_back(engine);
  return engines;
}

std::vector<ConvolutionPlan> convolution_plans(const Target& target, const ConvolutionProblem& problem,
                                               Order order) {
  std::vector<ConvolutionPlan> plans;
  for (const Descriptor& engine : convolution_engines(target, problem, order)) {
    ConvolutionPlan plan(target, engine);
    const bool known = std::any_of(plans.begin(), plans.end(),
                                   [&](const ConvolutionPlan& p) { return p.engine() == plan.engine(); });
    if (plan && !known) plans.push_back(std::move(plan));
  }
  require(!plans.empty(), "cuDNN has no engine for ", describe(problem));
  return plans;
}

}  // namespace tweedie::cudnn

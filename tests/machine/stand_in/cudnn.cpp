// Stand-in for cuDNN: the calls of the graph API that kernels/cudnn.cpp makes, on the host, written from the
// documentation. What the documentation rules out or leaves undefined is refused. Among the engines it offers
// are three that exact and repeatable fp32 must turn down. Workspace has to be given, and is overwritten.
#include <cudnn.h>

#include <algorithm>
#include <set>

#include "tests/machine/stand_in/cudnn_state.hpp"

using namespace tweedie;
using namespace tweedie::stand_in;

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

namespace tweedie::stand_in {
namespace {

struct Cudnn {
  std::mutex mutex;
  std::map<std::uintptr_t, CudnnDescriptor> descriptors;
  std::uintptr_t next = 1;  // never used again: a stale handle is noticed
  std::set<cudnnHandle_t> handles;
  std::string last_error;
};

Cudnn& cudnn() {
  static Cudnn* state = new Cudnn;  // destructors of static objects may still call
  return *state;
}

}  // namespace

CudnnDescriptor* find_descriptor(cudnnBackendDescriptor_t handle) {
  const auto found = cudnn().descriptors.find(reinterpret_cast<std::uintptr_t>(handle));
  return found == cudnn().descriptors.end() ? nullptr : &found->second;
}

const CudnnDescriptor* part(const CudnnDescriptor& whole, cudnnBackendAttributeName_t name) {
  if (!whole.has(name)) return nullptr;
  const CudnnDescriptor* const found = find_descriptor(whole.value<cudnnBackendDescriptor_t>(name));
  return found && found->finalised ? found : nullptr;
}

bool known_handle(cudnnHandle_t handle) { return cudnn().handles.count(handle) != 0; }

cudnnStatus_t refuse_cudnn(cudnnStatus_t status, const std::string& why) {
  cudnn().last_error = "cuDNN: " + why;
  report(cudnn().last_error);
  return status;
}

std::size_t element_size(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_CHAR:
      return 1;
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:
      return 4;  // float and the enumerations
  }
}

std::vector<std::int64_t> CudnnDescriptor::integers(cudnnBackendAttributeName_t name) const {
  std::vector<std::int64_t> values;
  const CudnnAttribute& attribute = attributes.at(name);
  for (std::int64_t k = 0; k < attribute.count; ++k) values.push_back(attribute.at<std::int64_t>(k));
  return values;
}

void CudnnDescriptor::store(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t of,
                            std::int64_t count, const void* values) {
  const auto* const bytes = static_cast<const unsigned char*>(values);
  attributes[name] = {of, count, {bytes, bytes + std::size_t(count) * element_size(of)}};
}

Stretch CudnnTensor::stretch(const void* data) const {
  std::int64_t last = 0;
  for (std::size_t k = 0; k < 4; ++k) last += (dimensions[k] - 1) * strides[k];
  return {data, std::size_t(last + 1) * sizeof(float)};
}

namespace {

// Hands out up to `requested` elements; a null array asks for their number only.
cudnnStatus_t give(std::int64_t requested, std::int64_t* count, void* to, const void* from, std::int64_t held,
                   std::size_t size) {
  if (count) *count = held;
  if (to && requested > 0) std::memcpy(to, from, std::size_t(std::min(requested, held)) * size);
  return CUDNN_STATUS_SUCCESS;
}

// Fills a descriptor of ours: one for an engine, or for an engine's configuration.
cudnnStatus_t fill_engine(cudnnBackendDescriptor_t handle, cudnnBackendDescriptorType_t type,
                          std::int64_t engine, cudnnBackendDescriptor_t graph) {
  CudnnDescriptor* const d = find_descriptor(handle);
  if (!d || d->type != type || d->finalised)
    return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "to be read into: not a new descriptor of the right kind");
  d->store(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &engine);
  d->store(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
  d->finalised = true;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t heuristic_results(const CudnnDescriptor& d, std::int64_t requested, std::int64_t* count,
                                void* to) {
  const std::vector<std::int64_t> engines =
      engines_of(d.value<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE));
  const auto graph = d.value<cudnnBackendDescriptor_t>(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  auto* const handles = static_cast<cudnnBackendDescriptor_t*>(to);
  if (count) *count = std::int64_t(engines.size());
  for (std::int64_t k = 0; handles && k < std::min(requested, std::int64_t(engines.size())); ++k) {
    const cudnnStatus_t status =
        fill_engine(handles[k], CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, engines[std::size_t(k)], graph);
    if (status != CUDNN_STATUS_SUCCESS) return status;
  }
  return CUDNN_STATUS_SUCCESS;
}

// The convolution of a plan, if all the descriptors it was made from still exist.
const CudnnDescriptor* operation_of(const CudnnDescriptor& configuration) {
  const CudnnDescriptor* const graph = part(configuration, CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
  const CudnnDescriptor* const operation = graph ? part(*graph, CUDNN_ATTR_OPERATIONGRAPH_OPS) : nullptr;
  if (!operation) return nullptr;
  for (const auto& [name, attribute] : operation->attributes)
    if (attribute.type == CUDNN_TYPE_BACKEND_DESCRIPTOR && !part(*operation, name)) return nullptr;
  return operation;
}

cudnnStatus_t check_buffers(const CudnnConvolution& c, const std::array<Stretch, 4>& buffers) {
  const char* const roles[] = {"x", "weights", "y", "workspace"};
  const std::int64_t alignments[] = {c.x.alignment, c.weights.alignment, c.y.alignment, 16};
  for (std::size_t k = 0; k < 4; ++k) {
    if (reinterpret_cast<std::uintptr_t>(buffers[k].data) % std::uintptr_t(alignments[k]) != 0)
      return refuse_cudnn(CUDNN_STATUS_BAD_PARAM,
                          message(roles[k], " is not aligned as its descriptor says"));
    if (!on_device("cudnnBackendExecute", roles[k], buffers[k])) return CUDNN_STATUS_EXECUTION_FAILED;
    for (std::size_t other = 0; other < k; ++other)
      if (overlap(buffers[k], buffers[other]))
        return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, message(roles[other], " and ", roles[k], " overlap"));
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t execute(cudaStream_t stream, const CudnnDescriptor& plan, const CudnnDescriptor& pack) {
  const CudnnDescriptor* const configuration = part(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  const CudnnDescriptor* const operation = configuration ? operation_of(*configuration) : nullptr;
  if (!operation)
    return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "execute: a descriptor the plan was made from is gone");
  const CudnnConvolution c = convolution_of(*operation);
  const std::vector<std::int64_t> ids = pack.integers(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  std::array<float*, 3> pointers{};
  std::size_t found = 0;
  const std::array<const CudnnTensor*, 3> tensors{&c.x, &c.weights, &c.y};
  for (std::size_t k = 0; k < ids.size(); ++k)
    for (std::size_t t = 0; t < 3; ++t)
      if (tensors[t]->id == ids[k]) {
        pointers[t] =
            static_cast<float*>(pack.value<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, std::int64_t(k)));
        ++found;
      }
  if (found != 3 || ids.size() != 3)
    return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "execute: the unique ids are not those of the graph");
  const auto engine = configuration->value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  const Stretch workspace{pack.value<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE), workspace_bytes(c, engine)};
  const cudnnStatus_t status = check_buffers(
      c, {c.x.stretch(pointers[0]), c.weights.stretch(pointers[1]), c.y.stretch(pointers[2]), workspace});
  if (status != CUDNN_STATUS_SUCCESS) return status;
  if (!note_execution(engine)) return refuse_cudnn(CUDNN_STATUS_EXECUTION_FAILED, "an offer that fails");
  const cudaError_t queued = queue(stream, [c, engine, pointers, workspace] {
    if (!to_compute()) return cudaSuccess;
    const DeviceAccess access;
    poison(workspace);
    run_convolution(c, engine, pointers[0], pointers[1], pointers[2]);
    return cudaSuccess;
  });
  return queued == cudaSuccess ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}

cudnnStatus_t read_attribute(const CudnnDescriptor& d, cudnnBackendAttributeName_t name,
                             cudnnBackendAttributeType_t type, std::int64_t requested, std::int64_t* count,
                             void* to) {
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:
      if (d.type != CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR || type != CUDNN_TYPE_BACKEND_DESCRIPTOR) break;
      return heuristic_results(d, requested, count, to);
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      if (d.type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR || type != CUDNN_TYPE_BACKEND_DESCRIPTOR ||
          requested != 1 || !to)
        break;
      if (count) *count = 1;
      return fill_engine(*static_cast<cudnnBackendDescriptor_t*>(to), CUDNN_BACKEND_ENGINE_DESCRIPTOR,
                         d.value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX),
                         d.value<cudnnBackendDescriptor_t>(CUDNN_ATTR_ENGINE_OPERATION_GRAPH));
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX: {
      if (d.type != CUDNN_BACKEND_ENGINE_DESCRIPTOR || type != CUDNN_TYPE_INT64) break;
      const std::int64_t engine = std::min<std::int64_t>(d.value<std::int64_t>(name), engine_fp32);
      return give(requested, count, to, &engine, 1, sizeof(engine));
    }
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE: {
      if (d.type != CUDNN_BACKEND_ENGINE_DESCRIPTOR || type != CUDNN_TYPE_NUMERICAL_NOTE) break;
      const auto notes = notes_of(d.value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
      return give(requested, count, to, notes.data(), std::int64_t(notes.size()), sizeof(notes[0]));
    }
    case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES:
      if (d.type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR || type != CUDNN_TYPE_BACKEND_DESCRIPTOR) break;
      return read_knobs(d, name, requested, count, to);
    case CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE:
    case CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE:
      if (d.type != CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR || requested != 1 ||
          type != (name == CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE ? CUDNN_TYPE_KNOB_TYPE : CUDNN_TYPE_INT64))
        break;
      return read_knobs(d, name, requested, count, to);
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE: {
      if (d.type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || type != CUDNN_TYPE_INT64) break;
      const CudnnDescriptor* const configuration = part(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
      const CudnnDescriptor* const operation = configuration ? operation_of(*configuration) : nullptr;
      if (!operation) break;
      const auto bytes = std::int64_t(workspace_bytes(
          convolution_of(*operation), configuration->value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX)));
      return give(requested, count, to, &bytes, 1, sizeof(bytes));
    }
    default:
      break;
  }
  return refuse_cudnn(CUDNN_STATUS_NOT_SUPPORTED,
                      message("attribute ", int(name), " of descriptor ", int(d.type), " cannot be read so"));
}

}  // namespace
}  // namespace tweedie::stand_in

// ---- the C interface ------------------------------------------------------------------------------------

const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (CUDNN_STATUS_CATEGORY(status)) {
    case 0:
      return "CUDNN_STATUS_SUCCESS";
    case 2000:
      return "CUDNN_STATUS_BAD_PARAM";
    case 3000:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    case 5000:
      return "CUDNN_STATUS_EXECUTION_FAILED";
    default:
      return "CUDNN_STATUS_INTERNAL_ERROR";
  }
}

void cudnnGetLastErrorString(char* text, size_t size) {
  const std::lock_guard lock(cudnn().mutex);
  if (size == 0) return;
  const std::size_t length = cudnn().last_error.copy(text, size - 1);
  text[length] = '\0';
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  const std::lock_guard lock(cudnn().mutex);
  *handle = new cudnnContext;
  cudnn().handles.insert(*handle);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  const std::lock_guard lock(cudnn().mutex);
  if (cudnn().handles.erase(handle) == 0)
    return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "cudnnDestroy: no such handle");
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  const std::lock_guard lock(cudnn().mutex);
  if (!known_handle(handle) || !known(stream))
    return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "cudnnSetStream: no such handle or stream");
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  const std::lock_guard lock(cudnn().mutex);
  const std::uintptr_t handle = cudnn().next++;
  cudnn().descriptors[handle].type = type;
  *descriptor = reinterpret_cast<cudnnBackendDescriptor_t>(handle);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  const std::lock_guard lock(cudnn().mutex);
  if (cudnn().descriptors.erase(reinterpret_cast<std::uintptr_t>(descriptor)) == 0)
    return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "destroyed twice, or never created");
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  const std::lock_guard lock(cudnn().mutex);
  CudnnDescriptor* const d = find_descriptor(descriptor);
  if (!d) return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "set attribute: no such descriptor");
  if (d->finalised) return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "set attribute: already finalised");
  const cudnnStatus_t status = check_attribute(*d, name, type, count, values);
  if (status == CUDNN_STATUS_SUCCESS) d->store(name, type, count, values);
  return status;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  const std::lock_guard lock(cudnn().mutex);
  CudnnDescriptor* const d = find_descriptor(descriptor);
  if (!d || d->finalised)
    return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "finalise: no such descriptor, or finalised before");
  const cudnnStatus_t status = check_complete(*d);
  d->finalised = status == CUDNN_STATUS_SUCCESS;
  return status;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor,
                                       cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                       int64_t requested, int64_t* count, void* values) {
  const std::lock_guard lock(cudnn().mutex);
  const CudnnDescriptor* const d = find_descriptor(descriptor);
  if (!d || !d->finalised)
    return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "get attribute: no such descriptor, or not finalised");
  return read_attribute(*d, name, type, requested, count, values);
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  const std::lock_guard lock(cudnn().mutex);
  const CudnnDescriptor *const p = find_descriptor(plan), *const v = find_descriptor(pack);
  if (!known_handle(handle) || !known(handle->stream))
    return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "execute: no such handle, or its stream is gone");
  if (!p || !p->finalised || p->type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || !v || !v->finalised ||
      v->type != CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)
    return refuse_cudnn(CUDNN_STATUS_BAD_PARAM,
                        "execute: needs a finalised plan and a finalised variant pack");
  return execute(handle->stream, *p, *v);
}

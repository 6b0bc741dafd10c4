// cuDNN's stand-in: its engines, and what tests have it offer.
#include <cstdlib>

#include "tests/machine/stand_in/cudnn_state.hpp"

namespace tweedie::stand_in {
namespace {

struct Offers {
  std::vector<CudnnOffer> all{CudnnOffer()};
  std::vector<std::uint64_t> executions{0};
  std::size_t version = 0;
};

Offers& offers() {
  static Offers* state = new Offers;  // destructors of static objects may still call
  return *state;
}

const CudnnOffer& offer_of(std::int64_t engine) {
  static const CudnnOffer plain;
  return engine < engine_fp32 ? plain : offers().all.at(std::size_t(engine - engine_fp32));
}

// What this device chooses is no other's, nor worth keeping: no file, unless somebody names one.
const int no_file = setenv("TWEEDIE_ENGINE_CACHE", "", 0);

}  // namespace

void offer_cudnn_engines(const std::vector<CudnnOffer>& all) {
  offers().all = all;
  offers().executions.assign(all.size(), 0);
}

std::vector<std::uint64_t> cudnn_executions() { return offers().executions; }

void set_cudnn_version(std::size_t version) { offers().version = version; }

std::vector<cudnnBackendNumericalNote_t> notes_of(std::int64_t engine) {
  if (engine == engine_tensor_core)
    return {CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS};
  if (engine == engine_nondeterministic) return {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC};
  return {};
}

std::vector<std::int64_t> engines_of(cudnnBackendHeurMode_t mode) {
  if (mode != CUDNN_HEUR_MODE_A) return {engine_fp32};
  std::vector<std::int64_t> engines{engine_tensor_core, engine_nondeterministic, engine_unsupported};
  for (std::size_t k = 0; k < offers().all.size(); ++k) engines.push_back(engine_fp32 + std::int64_t(k));
  return engines;
}

// The first offer leaves its knob as it is, which cuDNN does not list.
cudnnStatus_t read_knobs(const CudnnDescriptor& d, cudnnBackendAttributeName_t name, std::int64_t requested,
                         std::int64_t* count, void* to) {
  const std::int64_t engine = d.value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  const std::int64_t held = name == CUDNN_ATTR_ENGINECFG_KNOB_CHOICES ? engine > engine_fp32 : 1;
  if (count) *count = held;
  if (held == 0 || requested < 1 || !to) return CUDNN_STATUS_SUCCESS;
  if (name == CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE) {
    *static_cast<cudnnBackendKnobType_t*>(to) = CUDNN_KNOB_TYPE_TILE_SIZE;
  } else if (name == CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE) {
    *static_cast<std::int64_t*>(to) = engine - engine_fp32;
  } else {
    CudnnDescriptor* const knob = find_descriptor(*static_cast<cudnnBackendDescriptor_t*>(to));
    if (!knob || knob->type != CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR || knob->finalised)
      return refuse_cudnn(CUDNN_STATUS_BAD_PARAM, "to be read into: not a new descriptor of a knob");
    knob->store(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &engine);
    knob->finalised = true;
  }
  return CUDNN_STATUS_SUCCESS;
}

bool note_execution(std::int64_t engine) {
  if (engine < engine_fp32) return true;
  offers().executions.at(std::size_t(engine - engine_fp32)) += 1;
  Runtime::instance().seconds_passed += offer_of(engine).seconds;
  return !offer_of(engine).fails;
}

// Room for copies of both activations, as engines that work in another layout take.
std::size_t workspace_bytes(const CudnnConvolution& c, std::int64_t engine) {
  return c.x.stretch(nullptr).bytes + c.y.stretch(nullptr).bytes + 16 + offer_of(engine).workspace_bytes;
}

}  // namespace tweedie::stand_in

size_t cudnnGetVersion() {
  const std::size_t version = tweedie::stand_in::offers().version;
  return version ? version : CUDNN_VERSION;
}

// Stand-in for the CUDA runtime: stream capture and graphs. A graph is the list of what was queued; what a
// capture forbids (waits, memory, pageable copies) spoils it, as the documentation says.
#include "tests/machine/stand_in/runtime_state.hpp"

// The runtime's opaque handles point at these.
struct CUgraph_st {
  tweedie::stand_in::Nodes nodes;
};
struct CUgraphExec_st {
  tweedie::stand_in::Nodes nodes;
};

namespace tweedie::stand_in {
namespace {

std::unordered_set<cudaGraph_t>& graphs() {
  static auto* all = new std::unordered_set<cudaGraph_t>;
  return *all;
}

std::unordered_set<cudaGraphExec_t>& executables() {
  static auto* all = new std::unordered_set<cudaGraphExec_t>;
  return *all;
}

cudaError_t no_graph(const char* call) {
  return refuse(cudaErrorInvalidValue, message(call, ": no such graph"));
}

}  // namespace

cudaError_t queue(cudaStream_t stream, std::function<cudaError_t()> work) {
  std::optional<Capture>& capture = Runtime::instance().capture;
  if (!capture) return work();
  if (capture->spoiled) return result(cudaErrorStreamCaptureInvalidated);
  if (capture->stream != stream) {
    capture->spoiled = true;
    return refuse(cudaErrorStreamCaptureImplicit, "work on another stream while one is captured");
  }
  capture->nodes.push_back(std::move(work));
  return result(cudaSuccess);
}

cudaError_t outside_capture(const char* call) {
  std::optional<Capture>& capture = Runtime::instance().capture;
  if (!capture) return cudaSuccess;
  capture->spoiled = true;
  return refuse(cudaErrorStreamCaptureUnsupported, message(call, ": while a stream is captured"));
}

}  // namespace tweedie::stand_in

using namespace tweedie::stand_in;
using tweedie::message;

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (!known(stream) || !stream || stream == cudaStreamLegacy)
    return refuse(cudaErrorStreamCaptureUnsupported, "cudaStreamBeginCapture: not a stream of one's own");
  if (Runtime::instance().capture)
    return refuse(cudaErrorIllegalState, "cudaStreamBeginCapture: a stream is captured already");
  Runtime::instance().capture = Capture{stream, {}};
  return result(Runtime::instance().sticky);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  std::optional<Capture>& capture = Runtime::instance().capture;
  *graph = nullptr;
  if (!capture || capture->stream != stream)
    return refuse(cudaErrorIllegalState, "cudaStreamEndCapture: the stream is not captured");
  const Capture ended = std::move(*capture);
  capture.reset();
  if (ended.spoiled) return result(cudaErrorStreamCaptureInvalidated);
  *graph = new CUgraph_st{ended.nodes};
  graphs().insert(*graph);
  return result(cudaSuccess);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const std::optional<Capture>& capture = Runtime::instance().capture;
  *status = !capture || capture->stream != stream ? cudaStreamCaptureStatusNone
            : capture->spoiled                    ? cudaStreamCaptureStatusInvalidated
                                                  : cudaStreamCaptureStatusActive;
  return result(cudaSuccess);
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long) {
  if (graphs().count(graph) == 0) return no_graph("cudaGraphInstantiate");
  *executable = new CUgraphExec_st{graph->nodes};
  executables().insert(*executable);
  return result(cudaSuccess);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (executables().count(executable) == 0 || !known(stream)) return no_graph("cudaGraphLaunch");
  if (Runtime::instance().capture) return outside_capture("cudaGraphLaunch");  // ours are never nested
  Runtime::instance().counts.graphs += 1;
  for (const auto& node : executable->nodes) {
    Runtime::instance().counts.replayed += 1;
    if (const cudaError_t status = node(); status != cudaSuccess) return result(status);
  }
  return result(cudaSuccess);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  if (executables().erase(executable) == 0) return no_graph("cudaGraphExecDestroy");
  delete executable;
  return result(cudaSuccess);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (graphs().erase(graph) == 0) return no_graph("cudaGraphDestroy");
  delete graph;
  return result(cudaSuccess);
}

}  // extern "C"

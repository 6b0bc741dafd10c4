// Stream capture and graphs, as the CUDA runtime API documents them.
#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include "tests/machine/stand_in/control.hpp"

namespace tweedie::stand_in {
namespace {

struct Stream {
  Stream() { REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess); }
  ~Stream() { cudaStreamDestroy(stream); }
  cudaStream_t stream = nullptr;
};

int byte_at(const void* device) {
  unsigned char value = 0;
  CHECK(cudaMemcpy(&value, device, 1, cudaMemcpyDeviceToHost) == cudaSuccess);
  return value;
}

cudaStreamCaptureStatus status_of(cudaStream_t stream) {
  cudaStreamCaptureStatus status;
  CHECK(cudaStreamIsCapturing(stream, &status) == cudaSuccess);
  return status;
}

}  // namespace

TEST_CASE("a captured stream does nothing; its graph does it at every launch, and is counted") {
  const Stream s;
  void* data = nullptr;
  REQUIRE(cudaMalloc(&data, 64) == cudaSuccess);
  char* const bytes = static_cast<char*>(data);
  CHECK(cudaMemset(data, 1, 64) == cudaSuccess);
  CHECK(status_of(s.stream) == cudaStreamCaptureStatusNone);
  CHECK(cudaStreamBeginCapture(s.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  CHECK(status_of(s.stream) == cudaStreamCaptureStatusActive);
  CHECK(cudaMemsetAsync(data, 7, 16, s.stream) == cudaSuccess);
  CHECK(cudaMemcpyAsync(bytes + 32, data, 8, cudaMemcpyDeviceToDevice, s.stream) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(s.stream, &graph) == cudaSuccess);
  CHECK(byte_at(data) == 1);
  cudaGraphExec_t executable = nullptr;
  CHECK(cudaGraphInstantiateWithFlags(&executable, graph, 0) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);  // the executable has its own
  for (int round = 0; round < 2; ++round) {
    const Statistics before = statistics();
    CHECK(cudaMemset(data, 1, 64) == cudaSuccess);
    CHECK(cudaGraphLaunch(executable, s.stream) == cudaSuccess);
    const Statistics after = statistics();
    CHECK(after.graphs - before.graphs == 1);
    CHECK(after.replayed - before.replayed == 2);
    CHECK(after.copies - before.copies == 3);
    CHECK(byte_at(bytes + 15) == 7);
    CHECK(byte_at(bytes + 39) == 7);
    CHECK(byte_at(bytes + 40) == 1);
  }
  CHECK(cudaGraphExecDestroy(executable) == cudaSuccess);
  set_quiet(true);
  CHECK(cudaGraphExecDestroy(executable) == cudaErrorInvalidValue);
  CHECK(cudaGraphLaunch(executable, s.stream) == cudaErrorInvalidValue);
  set_quiet(false);
  clear_fault();
  CHECK(cudaFree(data) == cudaSuccess);
}

TEST_CASE("waits, memory, copies of the host's and other streams spoil a capture") {
  const Stream s, other;
  void *data = nullptr, *more = nullptr;
  REQUIRE(cudaMalloc(&data, 64) == cudaSuccess);
  char host[8] = {};
  cudaEvent_t event = nullptr;
  REQUIRE(cudaEventCreate(&event) == cudaSuccess);
  set_quiet(true);
  const auto spoiled = [&](auto call, cudaError_t expected) {
    CHECK(cudaStreamBeginCapture(s.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    CHECK(call() == expected);
    CHECK(status_of(s.stream) == cudaStreamCaptureStatusInvalidated);
    CHECK(cudaMemsetAsync(data, 7, 16, s.stream) == cudaErrorStreamCaptureInvalidated);
    cudaGraph_t graph = nullptr;
    CHECK(cudaStreamEndCapture(s.stream, &graph) == cudaErrorStreamCaptureInvalidated);
    CHECK(graph == nullptr);
    CHECK(cudaMemsetAsync(data, 7, 16, s.stream) == cudaSuccess);  // it goes on as before
  };
  const cudaError_t no = cudaErrorStreamCaptureUnsupported;
  spoiled([&] { return cudaStreamSynchronize(s.stream); }, no);
  spoiled([&] { return cudaDeviceSynchronize(); }, no);
  spoiled([&] { return cudaEventSynchronize(event); }, no);
  spoiled([&] { return cudaMalloc(&more, 64); }, no);
  spoiled([&] { return cudaFree(data); }, no);
  spoiled([&] { return cudaMemcpyAsync(data, host, 8, cudaMemcpyHostToDevice, s.stream); }, no);
  spoiled([&] { return cudaMemcpyAsync(host, data, 8, cudaMemcpyDeviceToHost, s.stream); }, no);
  spoiled([&] { return cudaMemsetAsync(data, 0, 8, other.stream); }, cudaErrorStreamCaptureImplicit);
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal) == no);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(s.stream, &graph) == cudaErrorIllegalState);
  set_quiet(false);
  clear_fault();
  CHECK(cudaEventDestroy(event) == cudaSuccess);
  CHECK(cudaFree(data) == cudaSuccess);
}

}  // namespace tweedie::stand_in

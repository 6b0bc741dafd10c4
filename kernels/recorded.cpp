#include "kernels/recorded.hpp"

#include <cstdio>

#if TWEEDIE_CUDA
#include "kernels/cuda.hpp"
#endif

namespace tweedie {

#if TWEEDIE_CUDA
namespace {

void destroy(void* graph) {
  if (cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)) != cudaSuccess)
    std::fputs("tweedie: a CUDA graph was not destroyed\n", stderr);
}

// A recording stream; ended whatever happens.
class Capture {
 public:
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    // Other threads, with streams of their own, may do as they like meanwhile.
    CHECK_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  }
  ~Capture() {
    if (!ended_) cudaStreamEndCapture(stream_, &graph_);  // fails: `body` has, and says why
    if (graph_) cudaGraphDestroy(graph_);
    if (!ended_) cudaGetLastError();
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  cudaGraph_t end() {
    ended_ = true;
    CHECK_CUDA(cudaStreamEndCapture(stream_, &graph_));
    return graph_;
  }

 private:
  cudaStream_t stream_;
  cudaGraph_t graph_ = nullptr;
  bool ended_ = false;
};

}  // namespace

Recorded::Recorded(Queue& q, const std::function<void()>& body) {
  require(q.on_cuda(), "recording: only CUDA can");
  q.keep_buffers();
  Capture capture(q.stream());
  body();
  cudaGraphExec_t executable = nullptr;
  CHECK_CUDA(cudaGraphInstantiateWithFlags(&executable, capture.end(), 0));
  graph_ = std::shared_ptr<void>(executable, destroy);
}

void Recorded::run(Queue& q) const {
  require(graph_ != nullptr, "recording: nothing was recorded");
  CHECK_CUDA(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph_.get()), q.stream()));
}
#else
Recorded::Recorded(Queue&, const std::function<void()>&) { require(false, "recording: only CUDA can"); }
void Recorded::run(Queue&) const { require(false, "recording: nothing was recorded"); }
#endif

}  // namespace tweedie

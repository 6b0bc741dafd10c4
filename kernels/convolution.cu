#include "kernels/convolution.hpp"

#include <cuda_runtime.h>

#include <cstdio>
#include <unordered_map>
#include <vector>

#include "kernels/engine_choice.hpp"
#include "kernels/pack.cuh"
#include "kernels/reduce.hpp"

namespace tweedie::cuda {
namespace {

class CudaConvolutions {
 public:
  explicit CudaConvolutions(Queue& q) : q_(q) {
    CHECK_CUDNN(cudnnCreate(&handle_));
    CHECK_CUDNN(cudnnSetStream(handle_, q.stream()));
  }
  ~CudaConvolutions() {
    plans_.clear();
    if (cudnnDestroy(handle_) != CUDNN_STATUS_SUCCESS) std::fputs("tweedie: cuDNN not closed\n", stderr);
  }
  CudaConvolutions(const CudaConvolutions&) = delete;
  CudaConvolutions& operator=(const CudaConvolutions&) = delete;

  cudnnHandle_t handle() const { return handle_; }
  const cudnn::ConvolutionPlan& plan(const ConvolutionProblem& problem) {
    const auto found = plans_.find(problem);
    if (found != plans_.end()) return found->second;
    return plans_.emplace(problem, cudnn::chosen_plan(q_, handle_, problem)).first->second;
  }

 private:
  Queue& q_;
  cudnnHandle_t handle_ = nullptr;
  std::unordered_map<ConvolutionProblem, cudnn::ConvolutionPlan, ConvolutionProblem::Hash> plans_;
};

// y[pixel][c] += bias[c]; C is a multiple of 4. Fusing it into the convolution would save a pass over y, by
// estimate a hundredth of the time of an fp32 U-Net step. But a graph that adds both bias and y would have to
// overwrite an input of its pointwise operation, which cuDNN does not promise to bear; beta = 1 it does.
__global__ void add_bias_kernel(float* y, const float* bias, std::int64_t pixels, int C) {
  for (std::int64_t pixel = std::int64_t(blockIdx.y) * blockDim.y + threadIdx.y; pixel < pixels;
       pixel += std::int64_t(gridDim.y) * blockDim.y)
    for (int c = 4 * (blockIdx.x * blockDim.x + threadIdx.x); c < C; c += 4 * gridDim.x * blockDim.x) {
      Pack<float, 4> values = load<float, 4>(y + pixel * C + c);
#pragma unroll
      for (int k = 0; k < 4; ++k) values.v[k] += bias[c + k];
      store(y + pixel * C + c, values);
    }
}

void add_bias(Queue& q, float* y, const float* bias, const Shape& shape) {
  const std::int64_t pixels = shape.N * shape.plane();
  const RowGrid grid(pixels, shape.C / 4);
  add_bias_kernel<<<grid.blocks, grid.threads, 0, q.stream()>>>(y, bias, pixels, shape.C);
  check_launch("add_bias");
}

void execute(Queue& q, const cudnn::ConvolutionPlan& plan, const ConvolutionProblem& problem, float* to,
             const float* from, const float* weights) {
  float* const other = const_cast<float*>(from);
  void* const workspace = q.workspace(std::size_t(plan.workspace_bytes()));
  plan.execute(q.state<CudaConvolutions>().handle(), problem.backward ? to : other, weights,
               problem.backward ? other : to, workspace);
}

// Problems that differ in their bias only share a plan: cuDNN does not see the bias.
ConvolutionProblem without_bias(ConvolutionProblem problem) {
  problem.bias = false;
  return problem;
}

}  // namespace

// (out, in, kernel.h, kernel.w) -> (out, kernel.h, kernel.w, in), on the host: it happens once, when weights
// are read.
void convolution_pack(Queue& q, float* packed, const float* weights, const ConvolutionGeometry& g) {
  const int taps = g.taps();
  std::vector<float> reordered(std::size_t(g.out) * g.in * taps);
  for (std::int64_t o = 0; o < g.out; ++o)
    for (std::int64_t i = 0; i < g.in; ++i)
      for (int tap = 0; tap < taps; ++tap)
        reordered[std::size_t((o * taps + tap) * g.in + i)] = weights[(o * g.in + i) * taps + tap];
  copy_from_host(q, packed, reordered.data(), reordered.size() * sizeof(float));
}

void convolution_unpack(Queue& q, float* weights, const float* packed, const ConvolutionGeometry& g) {
  const int taps = g.taps();
  std::vector<float> values(std::size_t(g.out) * g.in * taps);
  copy_to_host(q, values.data(), packed, values.size() * sizeof(float));
  for (std::int64_t o = 0; o < g.out; ++o)
    for (std::int64_t i = 0; i < g.in; ++i)
      for (int tap = 0; tap < taps; ++tap)
        weights[(o * g.in + i) * taps + tap] = values[std::size_t((o * taps + tap) * g.in + i)];
}

void convolution_backward_weights(Queue& q, const ConvolutionProblem& problem, float* dpacked, float* dbias,
                                  const float* x, const float* dy) {
  require(aligned(dpacked, x, dy),
          "convolution_backward_weights: cuDNN needs tensors that start at multiples of 16 bytes");
  auto& convolutions = q.state<CudaConvolutions>();
  const cudnn::ConvolutionPlan& plan = convolutions.plan(without_bias(problem));
  void* const workspace = q.workspace(std::size_t(plan.workspace_bytes()));
  plan.execute(convolutions.handle(), const_cast<float*>(x), dpacked, const_cast<float*>(dy), workspace);
  const Shape y = problem.y();
  if (dbias)
    cuda::add_pixel_sums(q, View<float>(dbias, {1, y.C, 1, 1}),
                         View<const float>(dy, y, convolution_block(Device::cuda, y.C)));
}

void convolution(Queue& q, const ConvolutionProblem& problem, float* to, const float* from,
                 const float* packed, const float* bias) {
  require(aligned(to, from, packed), "convolution: cuDNN needs tensors that start at multiples of 16 bytes");
  const cudnn::ConvolutionPlan& plan = q.state<CudaConvolutions>().plan(without_bias(problem));
  execute(q, plan, problem, to, from, packed);
  if (problem.bias) add_bias(q, to, bias, problem.y());
}

std::string convolution_implementation(Queue& q, const ConvolutionProblem& problem) {
  return "cudnn " + q.state<CudaConvolutions>().plan(without_bias(problem)).engine();
}

double convolution_best_seconds(Queue& q, const ConvolutionProblem& problem, int repeats, bool planar) {
  return cudnn::fastest_seconds(q, q.state<CudaConvolutions>().handle(), problem,
                                planar ? cudnn::Order::planar : cudnn::Order::channels_last, repeats);
}

}  // namespace tweedie::cuda

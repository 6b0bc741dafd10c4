#include "kernels/onednn_bf16.hpp"

#include <algorithm>

#include "kernels/onednn_call.hpp"

namespace tweedie::onednn {
namespace {

constexpr auto bf16 = memory::data_type::bf16;

std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

memory::desc channels_last(const Shape& s, memory::data_type type) {
  return {{s.N, s.C, s.H, s.W}, type, Tag::nhwc};
}

memory::desc weights_of(const ConvolutionGeometry& g, memory::data_type type) {
  return {{g.out, g.in, g.kernel.h, g.kernel.w}, type, Tag::any};
}

}  // namespace

Bf16Convolution::Copy Bf16Convolution::make_copy(const dnnl::engine& engine, const memory::desc& from,
                                                 const memory::desc& to, bool add) {
  Copy c;
  const dnnl::reorder::primitive_desc description(engine, from, engine, to, attributes(add));
  c.reorder = dnnl::reorder(description);
  c.from = memory(from, engine, DNNL_MEMORY_NONE);
  c.to = memory(to, engine, DNNL_MEMORY_NONE);
  c.scratch = memory(description.scratchpad_desc(), engine, DNNL_MEMORY_NONE);
  c.bytes = aligned(to.get_size());
  scratch_bytes_ = std::max(scratch_bytes_, description.scratchpad_desc().get_size());
  return c;
}

Bf16Convolution::Bf16Convolution(const dnnl::engine& engine, const ConvolutionProblem& problem)
    : problem_(problem) {
  if (!multiplies_bf16()) return;
  const Shape x = problem.x, y = problem.y();
  const memory::desc packed = weights(problem.g, channel_block() == 16 ? Tag::OIhw16i16o : Tag::OIhw8i8o);
  const Operands forward{channels_last(x, bf16), weights_of(problem.g, bf16), channels_last(y, f32)};
  Operands own = forward;
  if (problem.backward) own = {channels_last(x, f32), weights_of(problem.g, bf16), channels_last(y, bf16)};
  if (problem.weights) own = {channels_last(x, bf16), weights_of(problem.g, f32), channels_last(y, bf16)};
  const auto operand = [&](const Shape& s) {
    return activations(s, problem.operand == Storage::bf16 ? bf16 : f32);
  };
  ConvolutionProblem overwriting = problem;  // sums are made when the result is copied to its place
  overwriting.accumulate = false;
  const Descriptions d = describe(engine, overwriting, Method::direct, forward, own);
  const auto adopt = [&](const auto& description, auto primitive) {
    if (!description) return false;
    primitive_ = decltype(primitive)(description);
    implementation_ = description.impl_info_str();
    scratch_bytes_ = description.scratchpad_desc().get_size();
    scratch_ = memory(description.scratchpad_desc(), engine, DNNL_MEMORY_NONE);
    return true;
  };
  if (problem.weights) {
    if (!adopt(d.weights, dnnl::convolution_backward_weights())) return;
    a_ = make_copy(engine, activations(x), own.x, false);
    b_ = make_copy(engine, activations(y), own.y, false);
    result_ = make_copy(engine, d.weights.diff_weights_desc(), packed, true);
  } else if (problem.backward) {
    if (!adopt(d.backward, dnnl::convolution_backward_data())) return;
    a_ = make_copy(engine, operand(y), own.y, false);
    b_ = make_copy(engine, packed, d.backward.weights_desc(), false);
    result_ = make_copy(engine, own.x, activations(x), false);
  } else {
    if (!adopt(d.forward, dnnl::convolution_forward())) return;
    a_ = make_copy(engine, operand(x), own.x, false);
    b_ = make_copy(engine, packed, d.forward.weights_desc(), false);
    result_ = make_copy(engine, own.y, activations(y), problem.accumulate);
  }
  result_.bytes = aligned(result_.from.get_desc().get_size());  // it is made beside its place
  if (problem.bias) bias_ = memory({{problem.g.out}, f32, Tag::a}, engine, DNNL_MEMORY_NONE);
}

std::size_t Bf16Convolution::workspace_bytes() const {
  return aligned(scratch_bytes_) + a_.bytes + b_.bytes + result_.bytes +
         aligned(std::size_t(problem_.g.out) * sizeof(float));
}

void Bf16Convolution::copy(dnnl::stream& stream, Copy& c, const void* from, void* to, void* scratch) {
  point(c.from, from);
  point(c.to, to);
  point(c.scratch, scratch);
  run(c.reorder, stream,
      std::array<dnnl_exec_arg_t, 3>{
          {{DNNL_ARG_FROM, c.from.get()}, {DNNL_ARG_TO, c.to.get()}, {DNNL_ARG_SCRATCHPAD, c.scratch.get()}}},
      3);
}

void Bf16Convolution::execute(dnnl::stream& stream, float* to, const void* a, const float* b,
                              const float* bias, float* dbias, void* workspace) {
  char* const base = static_cast<char*>(workspace);
  char* const a16 = base + aligned(scratch_bytes_);
  char* const b16 = a16 + a_.bytes;
  char* const result = b16 + b_.bytes;
  float* const made_bias = reinterpret_cast<float*>(result + result_.bytes);
  copy(stream, a_, a, a16, base);
  copy(stream, b_, b, b16, base);
  point(result_.from, result);
  point(scratch_, base);
  const bool by_data = problem_.backward, by_weights = problem_.weights;
  std::array<dnnl_exec_arg_t, 5> arguments{{{by_data ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC, a_.to.get()},
                                            {by_weights ? DNNL_ARG_DIFF_DST : DNNL_ARG_WEIGHTS, b_.to.get()},
                                            {by_weights ? DNNL_ARG_DIFF_WEIGHTS
                                             : by_data  ? DNNL_ARG_DIFF_SRC
                                                        : DNNL_ARG_DST,
                                             result_.from.get()},
                                            {DNNL_ARG_SCRATCHPAD, scratch_.get()},
                                            {by_weights ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS, nullptr}}};
  if (problem_.bias) {
    point(bias_, by_weights ? made_bias : bias);
    arguments[4].memory = bias_.get();
  }
  run(primitive_, stream, arguments, problem_.bias ? 5 : 4);
  copy(stream, result_, result, to, base);
  if (by_weights && problem_.bias)
    for (int o = 0; o < problem_.g.out; ++o) dbias[o] += made_bias[o];
}

}  // namespace tweedie::onednn

// What the plans of oneDNN's convolutions share: descriptions of memory and of operations, and execution. For
// kernels/onednn*.cpp only.
#pragma once

#include <array>
#include <source_location>

#include "kernels/onednn.hpp"

namespace tweedie::onednn {

using dnnl::memory;
using Tag = memory::format_tag;
constexpr auto f32 = memory::data_type::f32;

inline memory::desc activations(const Shape& s, memory::data_type type = f32) {
  return {{s.N, s.C, s.H, s.W}, type, channel_block() == 16 ? Tag::nChw16c : Tag::nChw8c};
}

inline memory::desc weights(const ConvolutionGeometry& g, Tag tag) {
  return {{g.out, g.in, g.kernel.h, g.kernel.w}, f32, tag};
}

inline dnnl::primitive_attr attributes(bool accumulate) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_fpmath_mode(dnnl::fpmath_mode::strict);  // whatever the environment says
  if (accumulate) {
    dnnl::post_ops operations;
    operations.append_sum(1.0f);
    attributes.set_post_ops(operations);
  }
  return attributes;
}

/// Memory of a convolution's operands.
struct Operands {
  memory::desc x, w, y;
};

struct Descriptions {
  dnnl::convolution_forward::primitive_desc forward;
  dnnl::convolution_backward_data::primitive_desc backward;
  dnnl::convolution_backward_weights::primitive_desc weights;
};

// The only difference between oneDNN 2 and 3 that concerns us: 3 has no operation descriptors.
// `forward`: of the convolution whose gradient `own` is, where their types differ.
inline Descriptions describe(const dnnl::engine& engine, const ConvolutionProblem& p, Method method,
                             const Operands& forward, const Operands& own) {
  const auto algorithm =
      method == Method::direct ? dnnl::algorithm::convolution_direct : dnnl::algorithm::convolution_winograd;
  // "Training" keeps the weights in their plain order and transforms them at execution.
  const auto kind = method == Method::winograd_prepared ? dnnl::prop_kind::forward_inference
                                                        : dnnl::prop_kind::forward_training;
  const memory::dims stride{p.g.stride.h, p.g.stride.w}, pad{p.g.pad.h, p.g.pad.w};
  const memory::desc bias = p.bias ? memory::desc({p.g.out}, f32, Tag::a) : memory::desc();
  const auto plain = attributes(false), adding = attributes(p.accumulate && !p.weights);
  Descriptions d;
#if DNNL_VERSION_MAJOR >= 3
  d.forward = {engine,    kind,   algorithm, forward.x, forward.w, bias,
               forward.y, stride, pad,       pad,       adding,    true};
  if (p.backward && d.forward)
    d.backward = {engine, algorithm, own.x, own.w, own.y, stride, pad, pad, d.forward, plain, true};
  if (p.weights && d.forward)
    d.weights = {engine, algorithm, own.x, own.w, bias, own.y, stride, pad, pad, d.forward, plain, true};
#else
  d.forward = {
      {kind, algorithm, forward.x, forward.w, bias, forward.y, stride, pad, pad}, adding, engine, true};
  if (p.backward && d.forward)
    d.backward = {{algorithm, own.x, own.w, own.y, stride, pad, pad}, plain, engine, d.forward, true};
  if (p.weights && d.forward)
    d.weights = {{algorithm, own.x, own.w, bias, own.y, stride, pad, pad}, plain, engine, d.forward, true};
#endif
  return d;
}

inline Descriptions describe(const dnnl::engine& engine, const ConvolutionProblem& p, Method method,
                             const Operands& operands) {
  return describe(engine, p, method, operands, operands);
}

inline void check(dnnl_status_t status, const char* what,
                  std::source_location where = std::source_location::current()) {
  require(Condition(status == dnnl_success, where), "oneDNN: ", what, " failed with status ", int(status));
}

// The C function, because dnnl::primitive::execute builds two hash maps a call.
template <std::size_t Count>
void run(const dnnl::primitive& primitive, dnnl::stream& stream,
         const std::array<dnnl_exec_arg_t, Count>& arguments, int used) {
  check(dnnl_primitive_execute(primitive.get(), stream.get(), used, arguments.data()), "execution");
  check(dnnl_stream_wait(stream.get()), "waiting");
}

inline void point(memory& m, const void* data) { m.set_data_handle(const_cast<void*>(data)); }

}  // namespace tweedie::onednn

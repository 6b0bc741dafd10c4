#include "kernels/onednn.hpp"

#include <algorithm>

#include "kernels/onednn_call.hpp"

namespace tweedie::onednn {

namespace {
bool has(dnnl::cpu_isa set) {
  const int isa = static_cast<int>(dnnl::get_effective_cpu_isa());
  return (isa & static_cast<int>(set)) == static_cast<int>(set);
}
}  // namespace

bool multiplies_bf16() { return has(dnnl::cpu_isa::avx512_core_bf16); }

bool has_matrix_units() { return has(dnnl::cpu_isa::avx512_core_amx); }

int channel_block() {
  const int isa = static_cast<int>(dnnl::get_effective_cpu_isa());  // a set of bits; 0 when not x86
  const int avx512 = static_cast<int>(dnnl::cpu_isa::avx512_core);
  return isa == 0 || (isa & avx512) == avx512 ? 16 : 8;
}

Convolution::Convolution(const dnnl::engine& engine, const ConvolutionProblem& problem, Method method)
    : problem_(problem), x_desc_(activations(problem.x)), y_desc_(activations(problem.y())) {
  const bool wide = channel_block() == 16;
  packed_desc_ = weights(problem.g, wide ? Tag::OIhw16i16o : Tag::OIhw8i8o);
  const Descriptions d = describe(engine, problem, method, {x_desc_, weights(problem.g, Tag::any), y_desc_});
  if (problem.backward) {
    if (d.backward) adopt(engine, d.backward);
  } else if (d.forward) {
    adopt(engine, d.forward);
  }
  if (!primitive_) return;

  const memory::desc wanted = weights_.get_desc();
  if (wanted == packed_desc_)
    order_ = WeightsOrder::packed;
  else if (wanted == weights(problem.g, wide ? Tag::OIhw16o16i : Tag::OIhw8o8i))
    order_ = WeightsOrder::flipped;
  else if (wide && wanted == weights(problem.g, Tag::IOhw16o16i))
    order_ = WeightsOrder::swapped;
  else
    make_reorder(engine);
}

template <class Description>
void Convolution::adopt(const dnnl::engine& engine, const Description& description) {
  using Primitive =
      std::conditional_t<std::is_same_v<Description, dnnl::convolution_backward_data::primitive_desc>,
                         dnnl::convolution_backward_data, dnnl::convolution_forward>;
  primitive_ = Primitive(description);
  implementation_ = description.impl_info_str();
  weights_bytes_ = description.weights_desc().get_size();  // asking a memory's description allocates
  scratch_bytes_ = description.scratchpad_desc().get_size();
  const bool backward = problem_.backward;
  from_ = memory(backward ? y_desc_ : x_desc_, engine, DNNL_MEMORY_NONE);
  to_ = memory(backward ? x_desc_ : y_desc_, engine, DNNL_MEMORY_NONE);
  weights_ = memory(description.weights_desc(), engine, DNNL_MEMORY_NONE);
  scratch_ = memory(description.scratchpad_desc(), engine, DNNL_MEMORY_NONE);
  if (problem_.bias) bias_ = memory({{problem_.g.out}, f32, Tag::a}, engine, DNNL_MEMORY_NONE);
}

void Convolution::make_reorder(const dnnl::engine& engine) {
  const dnnl::reorder::primitive_desc description(engine, packed_desc_, engine, weights_.get_desc(),
                                                  attributes(false), true);
  if (!description) return;  // transformed weights cannot be made from packed ones
  reorder_ = dnnl::reorder(description);
  packed_ = memory(packed_desc_, engine, DNNL_MEMORY_NONE);
  reorder_scratch_ = memory(description.scratchpad_desc(), engine, DNNL_MEMORY_NONE);
  scratch_bytes_ = std::max(scratch_bytes_, description.scratchpad_desc().get_size());
}

void Convolution::execute(dnnl::stream& stream, float* to, const float* from, const float* weights_in_order,
                          const float* bias, void* scratch) {
  const bool backward = problem_.backward;
  point(from_, from);
  point(to_, to);
  point(weights_, weights_in_order);
  point(scratch_, scratch);
  std::array<dnnl_exec_arg_t, 5> arguments{{{backward ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC, from_.get()},
                                            {backward ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DST, to_.get()},
                                            {DNNL_ARG_WEIGHTS, weights_.get()},
                                            {DNNL_ARG_SCRATCHPAD, scratch_.get()},
                                            {DNNL_ARG_BIAS, nullptr}}};
  if (problem_.bias) {
    point(bias_, bias);
    arguments[4].memory = bias_.get();
  }
  run(primitive_, stream, arguments, problem_.bias ? 5 : 4);
}

void Convolution::reorder(dnnl::stream& stream, float* weights_in_order, const float* packed, void* scratch) {
  require(bool(reorder_), "oneDNN has no reorder of packed weights for ", implementation_);
  point(packed_, packed);
  point(weights_, weights_in_order);
  point(reorder_scratch_, scratch);
  run(reorder_, stream,
      std::array<dnnl_exec_arg_t, 3>{{{DNNL_ARG_FROM, packed_.get()},
                                      {DNNL_ARG_TO, weights_.get()},
                                      {DNNL_ARG_SCRATCHPAD, reorder_scratch_.get()}}},
      3);
}

WeightsGradient::WeightsGradient(const dnnl::engine& engine, const ConvolutionProblem& problem, Method method)
    : problem_(problem) {
  const memory::desc x = activations(problem.x), y = activations(problem.y());
  const auto d = describe(engine, problem, method, {x, weights(problem.g, Tag::any), y}).weights;
  if (!d) return;
  const memory::desc packed = weights(problem.g, channel_block() == 16 ? Tag::OIhw16i16o : Tag::OIhw8i8o);
  primitive_ = dnnl::convolution_backward_weights(d);
  implementation_ = d.impl_info_str();
  weights_bytes_ = d.diff_weights_desc().get_size();
  scratch_bytes_ = d.scratchpad_desc().get_size();
  x_ = memory(x, engine, DNNL_MEMORY_NONE);
  dy_ = memory(y, engine, DNNL_MEMORY_NONE);
  weights_ = memory(d.diff_weights_desc(), engine, DNNL_MEMORY_NONE);
  scratch_ = memory(d.scratchpad_desc(), engine, DNNL_MEMORY_NONE);
  if (problem.bias) bias_ = memory({{problem.g.out}, f32, Tag::a}, engine, DNNL_MEMORY_NONE);
  if (d.diff_weights_desc() == packed) return;
  const dnnl::reorder::primitive_desc order(engine, d.diff_weights_desc(), engine, packed, attributes(false));
  reorder_ = dnnl::reorder(order);
  packed_ = memory(packed, engine, DNNL_MEMORY_NONE);
  reorder_scratch_ = memory(order.scratchpad_desc(), engine, DNNL_MEMORY_NONE);
  scratch_bytes_ = std::max(scratch_bytes_, order.scratchpad_desc().get_size());
}

void WeightsGradient::execute(dnnl::stream& stream, float* dweights, float* dbias, const float* x,
                              const float* dy, float* reordered, void* scratch) {
  point(x_, x);
  point(dy_, dy);
  point(weights_, needs_reorder() ? reordered : dweights);
  point(scratch_, scratch);
  std::array<dnnl_exec_arg_t, 5> arguments{{{DNNL_ARG_SRC, x_.get()},
                                            {DNNL_ARG_DIFF_DST, dy_.get()},
                                            {DNNL_ARG_DIFF_WEIGHTS, weights_.get()},
                                            {DNNL_ARG_SCRATCHPAD, scratch_.get()},
                                            {DNNL_ARG_DIFF_BIAS, nullptr}}};
  if (problem_.bias) {
    point(bias_, dbias);
    arguments[4].memory = bias_.get();
  }
  run(primitive_, stream, arguments, problem_.bias ? 5 : 4);
  if (!needs_reorder()) return;
  point(packed_, dweights);
  point(reorder_scratch_, scratch);
  run(reorder_, stream,
      std::array<dnnl_exec_arg_t, 3>{{{DNNL_ARG_FROM, weights_.get()},
                                      {DNNL_ARG_TO, packed_.get()},
                                      {DNNL_ARG_SCRATCHPAD, reorder_scratch_.get()}}},
      3);
}

}  // namespace tweedie::onednn

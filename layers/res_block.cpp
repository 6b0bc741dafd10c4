#include "layers/res_block.hpp"

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {

ResBlock::ResBlock(Context& context, const WeightScope& scope, const Config& c)
    : config_(c),
      norm_in_(context, scope.sub("in_layers.0"), c.in, true, c.how),
      conv_in_(context, scope.sub("in_layers.2"), c.in, c.out, 3),
      embed_(context, scope.sub("emb_layers.1"), c.embedding, c.scale_shift ? 2 * c.out : c.out),
      norm_out_(context, scope.sub("out_layers.0"), c.out, true),
      conv_out_(context, scope.sub("out_layers.3"), c.out, c.out, 3) {
  if (c.in == c.out) return;
  require(c.how == Resample::none, scope.prefix(), ": a block that resamples keeps its channels");
  skip_.emplace(context, scope.sub("skip_connection"), c.in, c.out, 1);
  biases_ = sum_of_biases(context);
}

Tensor ResBlock::sum_of_biases(Context& context) const {
  Tensor sum = context.planar(skip_->bias().shape());
  add(context.queue, sum, skip_->bias(), conv_out_.bias());
  return sum;
}

Tensor ResBlock::inner(Context& context, const Feature& normed, const Tensor& added) const {
  Tensor h = conv_in_.forward_without_bias(context, normed);
  if (!added) return h;
  for (int n = 0; n < h.shape().N; ++n) {
    const View<float> sample = h.view().sample(n);
    add_bias(context.queue, sample, sample, added.data() + std::ptrdiff_t(n) * config_.out);
  }
  return h;
}

Sum ResBlock::forward(Context& context, Sum x, Tensor modulation, Feature& kept, Saved* saved) const {
  Saved local;
  Saved& s = saved ? *saved : local;
  (config_.scale_shift ? s.modulation : s.added) = std::move(modulation);
  Feature normed = norm_in_.forward(context, conv_in_, x, kept, s.stats_in);
  x = {.second = std::move(x.second)};
  Sum h{.value = inner(context, normed, s.added)};
  normed = {};
  normed = norm_out_.forward(context, conv_out_, h, s.h, s.stats_out, inputs_out(s));
  h = {};
  Sum y{.value = conv_out_.forward_without_bias(context, normed)};
  normed = {};
  if (!saved) local = {};
  if (skip_)
    skip_->accumulate(context, y, kept, x.second, biases_ ? biases_ : sum_of_biases(context));
  else
    y = {std::move(y.value), conv_out_.bias(), kept, config_.how, {}};
  if (!saved) return y;
  saved->x = kept;
  saved->second = std::move(x.second);
  if (context.checkpoint)
    saved->h = {};
  else
    saved->added = {};
  return y;
}

// Through the second convolution and norm, for the first convolution to read; the modulation's gradient goes
// on to the embedding.
Feature ResBlock::backward_out(Context& context, const Tensor& dy, Saved& s, const Training* training) const {
  Gradients* const gradients = training ? &training->gradients : nullptr;
  if (training)
    conv_out_.add_gradients(context, *gradients, dy,
                            norm_out_.again(context, s.h, s.stats_out, inputs_out(s)));
  const Shape shape = s.h.shape();
  Tensor dnormed = conv_out_.backward(context, dy, shape.H, shape.W), dmodulation;
  const Shape in{shape.N, config_.in, shape.H, shape.W};
  Feature dh = conv_in_.operand(context, in, true) == Storage::bf16 ? context.feature(shape, Storage::bf16)
                                                                    : Feature(dnormed);
  norm_out_.backward_into(context, dh.to(), dnormed, s.h, s.stats_out, inputs_out(s), gradients,
                          &dmodulation);
  if (!training) return dh;
  if (!config_.scale_shift) {
    dmodulation = context.planar({shape.N, config_.out, 1, 1});
    fill(context.queue, dmodulation, 0);
    add_pixel_sums(context.queue, dmodulation, context.wide(dh));
  }
  embed_.add_gradients(context, *gradients, dmodulation, training->embedding);
  embed_.add_backward(context, training->dembedding, dmodulation);
  return dh;
}

void ResBlock::add_skip_and_in_gradients(Context& context, const Tensor& dy, const Tensor& dh, const Saved& s,
                                         Gradients& gradients) const {
  conv_in_.add_gradients(context, gradients, dh, norm_in_.again(context, s.in(), s.stats_in));
  if (!skip_) return;
  const Tensor x = joined(context, s.x, s.second);
  skip_->add_gradients(context, gradients, dy, x);
}

// Through the first norm and along the skip. Where the gradient lies as x does, the skip's share is added in
// its place: that takes room for a map less, at the moment that takes most.
Gradient ResBlock::backward_in(Context& context, Gradient dnormed, const Tensor& dy, const Saved& s,
                               Gradients* gradients, const Tensor& plus) const {
  if (skip_ && bool(dnormed.second) == bool(s.second)) {
    Gradient dx = norm_in_.backward(context, std::move(dnormed), s.in(), s.stats_in, {}, plus, gradients);
    skip_->add_backward(context, dx, dy);
    return dx;
  }
  const Shape inner = dnormed.first.shape();
  const Tensor dskip = skip_ ? skip_->backward(context, dy, inner.H, inner.W) : dy;
  return norm_in_.backward(context, std::move(dnormed), s.in(), s.stats_in, {}, dskip, gradients, nullptr,
                           plus);
}

Gradient ResBlock::backward(Context& context, const Tensor& dy, Saved& s, const Training* training,
                            const Tensor& plus) const {
  if (!s.h)
    s.h = context.keep(inner(context, norm_in_.again(context, conv_in_, s.in(), s.stats_in), s.added));
  const Shape shape = s.h.shape();
  Feature dh = backward_out(context, dy, s, training);
  s.h = {};
  if (training) add_skip_and_in_gradients(context, dy, context.wide(dh), s, training->gradients);
  Gradient dnormed = s.second ? conv_in_.backward_in_parts(context, dh, shape.H, shape.W, s.x.shape().C)
                              : Gradient{conv_in_.backward(context, dh, shape.H, shape.W)};
  dh = {};
  Gradient dx =
      backward_in(context, std::move(dnormed), dy, s, training ? &training->gradients : nullptr, plus);
  s = {};
  return dx;
}

void ResBlock::list_parameters(std::vector<Parameter>& to) {
  biases_ = {};  // from now on somebody trains them
  norm_in_.list_parameters(to);
  conv_in_.list_parameters(to);
  embed_.list_parameters(to);
  norm_out_.list_parameters(to);
  conv_out_.list_parameters(to);
  if (skip_) skip_->list_parameters(to);
}

}  // namespace tweedie

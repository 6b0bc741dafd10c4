#include "layers/attention_block.hpp"

#include "kernels/attention.hpp"
#include "kernels/layout.hpp"

namespace tweedie {
namespace {

// The same values in another layout; the tensor itself when it has that layout already.
Tensor in_layout(Context& context, const Tensor& x, int b) {
  if (x.b() == b) return x;
  Tensor y(context.pool, x.shape(), b);
  convert_layout(context.queue, y, x);
  return y;
}

}  // namespace

AttentionBlock::AttentionBlock(Context& context, const WeightScope& scope, const Config& c)
    : config_(c),
      norm_(context, scope.sub("norm"), c.channels, false),
      qkv_(context, scope.sub("qkv"), c.channels, 3 * c.channels, 1, 1, 0, true, 3),
      proj_(context, scope.sub("proj_out"), c.channels, c.channels, 1, 1, 0, true, 3) {
  require(c.heads > 0 && c.channels % c.heads == 0, scope.prefix(), ": ", c.channels, " channels in ",
          c.heads, " heads");
}

Sum AttentionBlock::forward(Context& context, Sum x, Saved* saved) const {
  const Shape shape = x.value.shape();
  const int C = shape.C;
  const int block = x.value.b();
  Feature kept;
  Tensor stats;
  Feature normed = norm_.forward(context, qkv_, x, kept, stats);
  x = {};
  // As the way back will read them.
  Feature kept_qkv = context.keep(in_layout(context, qkv_.forward(context, normed), 3 * C));
  normed = {};
  const Tensor qkv = context.wide(kept_qkv);
  Tensor mixed(context.pool, shape, C);  // (N, C, H, W) channels-last
  attention(context.queue, mixed, qkv, {config_.heads, config_.new_order});
  Sum y{.value = proj_.forward_without_bias(context, in_layout(context, mixed, block)),
        .bias = proj_.bias(),
        .plus = kept};
  if (saved) *saved = {std::move(kept), std::move(kept_qkv), std::move(stats)};
  return y;
}

Tensor AttentionBlock::backward(Context& context, const Tensor& dy, Saved& s, Gradients* gradients) const {
  const Shape shape = s.x.shape();
  const int C = shape.C;
  const Tensor dmixed = in_layout(context, proj_.backward(context, dy, shape.H, shape.W), C);
  Tensor qkv = context.wide(s.qkv), dqkv(context.pool, qkv.shape(), 3 * C), mixed;
  s.qkv = {};
  if (gradients) mixed = Tensor(context.pool, shape, C);
  attention_backward(context.queue, dqkv, dmixed, qkv, {config_.heads, config_.new_order}, mixed);
  qkv = {};
  const Tensor dlinear = in_layout(context, dqkv, convolution_block(context.device(), 3 * C));
  if (gradients) {
    proj_.add_gradients(context, *gradients, dy, in_layout(context, mixed, s.x.b()));
    qkv_.add_gradients(context, *gradients, dlinear, norm_.again(context, s.x, s.stats));
  }
  Tensor dnormed = qkv_.backward(context, dlinear, shape.H, shape.W);
  Tensor dx = norm_.backward(context, {std::move(dnormed)}, s.x, s.stats, {}, dy, gradients).first;
  s = {};
  return dx;
}

void AttentionBlock::list_parameters(std::vector<Parameter>& to) {
  norm_.list_parameters(to);
  qkv_.list_parameters(to);
  proj_.list_parameters(to);
}

}  // namespace tweedie

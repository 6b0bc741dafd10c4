#include "layers/attention_block.hpp"

#include <cmath>

#include "kernels/layout.hpp"
#include "kernels/matmul.hpp"
#include "kernels/softmax.hpp"

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

/// q, k, v of one sample as batches of (T, c) matrices over the heads, and where their gradients go.
struct AttentionBlock::Heads {
  int T, c, count;
  std::int64_t row, step, k, v;  // strides of pixels and heads, offsets of k and v
  const float* base;
  Matrices<const float> at(std::int64_t offset) const { return {base + offset, T, c, row, step, false}; }
  Matrices<float> gradient(float* to, std::int64_t offset) const {
    return {to + offset, T, c, row, step, false};
  }
};

AttentionBlock::AttentionBlock(Context& context, const WeightScope& scope, const Config& c)
    : config_(c),
      norm_(context, scope.sub("norm"), c.channels, false),
      qkv_(context, scope.sub("qkv"), c.channels, 3 * c.channels, 1, 1, 0, true, 3),
      proj_(context, scope.sub("proj_out"), c.channels, c.channels, 1, 1, 0, true, 3) {
  require(c.heads > 0 && c.channels % c.heads == 0, scope.prefix(), ": ", c.channels, " channels in ",
          c.heads, " heads");
}

AttentionBlock::Heads AttentionBlock::heads(const Tensor& qkv, int n) const {
  const int C = config_.channels, c = C / config_.heads;
  const bool split = config_.new_order;
  return {int(qkv.shape().plane()),
          c,
          config_.heads,
          3 * C,
          split ? c : 3 * c,
          split ? C : c,
          split ? 2 * C : 2 * c,
          qkv.view().sample(n).data};
}

// softmax(q k^T / sqrt(c)), (heads, T, T).
Tensor AttentionBlock::weights(Context& context, const Heads& h) const {
  Tensor w = context.planar({1, h.count, h.T, h.T});
  Matrices<const float> k = h.at(h.k);
  k.transposed = true;
  matmul(context.queue, {w.data(), h.T, h.T, h.T, std::int64_t(h.T) * h.T, false}, h.at(0), k, h.count,
         float(1 / std::sqrt(double(h.c))));
  softmax(context.queue, w, w);
  return w;
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
  for (int n = 0; n < shape.N; ++n) {
    const Heads h = heads(qkv, n);
    const Tensor w = weights(context, h);
    matmul(context.queue, {mixed.view().sample(n).data, h.T, h.c, C, h.c, false},
           {w.data(), h.T, h.T, h.T, std::int64_t(h.T) * h.T, false}, h.at(h.v), h.count);
  }
  Sum y{.value = proj_.forward_without_bias(context, in_layout(context, mixed, block)),
        .bias = proj_.bias(),
        .plus = kept};
  if (saved) *saved = {std::move(kept), std::move(kept_qkv), std::move(stats)};
  return y;
}

// The gradient by q, k and v of sample n; what the heads gave is formed again in `mixed`, unless null.
void AttentionBlock::backward_sample(Context& context, Tensor& dqkv, Tensor* mixed, const Tensor& dmixed,
                                     const Tensor& qkv, int n) const {
  Queue& q = context.queue;
  const int C = config_.channels;
  const Heads h = heads(qkv, n);
  const std::int64_t square = std::int64_t(h.T) * h.T;
  const float scale = float(1 / std::sqrt(double(h.c)));
  float* to = dqkv.view().sample(n).data;
  const Tensor w = weights(context, h);
  const Matrices<const float> da{dmixed.view().sample(n).data, h.T, h.c, C, h.c, false};
  if (mixed)
    matmul(q, {mixed->view().sample(n).data, h.T, h.c, C, h.c, false},
           {w.data(), h.T, h.T, h.T, square, false}, h.at(h.v), h.count);
  Tensor dw = context.planar(w.shape());
  Matrices<const float> v = h.at(h.v);
  v.transposed = true;
  matmul(q, {dw.data(), h.T, h.T, h.T, square, false}, da, v, h.count);                  // da v^T
  matmul(q, h.gradient(to, h.v), {w.data(), h.T, h.T, h.T, square, true}, da, h.count);  // w^T da
  softmax_backward(q, dw, dw, w);
  matmul(q, h.gradient(to, 0), {dw.data(), h.T, h.T, h.T, square, false}, h.at(h.k), h.count,
         scale);  // dl k
  matmul(q, h.gradient(to, h.k), {dw.data(), h.T, h.T, h.T, square, true}, h.at(0), h.count,
         scale);  // dl^T q
}

Tensor AttentionBlock::backward(Context& context, const Tensor& dy, Saved& s, Gradients* gradients) const {
  const Shape shape = s.x.shape();
  const int C = shape.C;
  const Tensor dmixed = in_layout(context, proj_.backward(context, dy, shape.H, shape.W), C);
  Tensor qkv = context.wide(s.qkv), dqkv(context.pool, qkv.shape(), 3 * C), mixed;
  s.qkv = {};
  if (gradients) mixed = Tensor(context.pool, shape, C);
  for (int n = 0; n < shape.N; ++n)
    backward_sample(context, dqkv, gradients ? &mixed : nullptr, dmixed, qkv, n);
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

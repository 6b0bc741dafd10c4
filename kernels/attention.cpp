#include "kernels/attention.hpp"

#include <omp.h>

#include <algorithm>
#include <limits>

#include "kernels/attention_heads.hpp"
#include "kernels/for_tasks.hpp"
#include "kernels/matmul.hpp"
#include "kernels/vector_math.hpp"

namespace tweedie {
namespace {

// NaN or an infinite maximum makes the whole row NaN.
void softmax_row(float* x, int width) {
  float maximum = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : maximum)
  for (int i = 0; i < width; ++i) maximum = x[i] > maximum ? x[i] : maximum;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < width; ++i) {
    x[i] = fast_exp(x[i] - maximum);
    sum += x[i];
  }
  const float factor = 1.0f / sum;
#pragma omp simd
  for (int i = 0; i < width; ++i) x[i] *= factor;
}

void softmax_backward_row(float* dw, const float* w, int width) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < width; ++i) sum = multiply_add(dw[i], w[i], sum);
#pragma omp simd
  for (int i = 0; i < width; ++i) dw[i] = w[i] * (dw[i] - sum);
}

using Source = Matrices<const float>;

Source transposed(Source m) {
  m.transposed = true;
  return m;
}

// How the rows of weights are cut: in blocks that stay in a core's cache, all T columns wide, and, where
// heads alone do not feed many threads, in chunks of blocks, each a task. Of shapes alone: the chunks' dk and
// dv are summed in a fixed order.
struct Cut {
  int rows;          ///< of a block
  int blocks, each;  ///< of a head, of a chunk
  int chunks;        ///< of a head

  explicit Cut(const AttentionHeads& h) {
    constexpr int floats = 1 << 17, most_rows = 128, least_rows = 64, tasks = 32;
    rows = std::min(std::clamp(floats / h.T, least_rows, most_rows), h.T);
    blocks = (h.T + rows - 1) / rows;
    const std::int64_t heads = std::int64_t(h.N) * h.count;
    each = int(std::min<std::int64_t>((blocks * heads + tasks - 1) / tasks, blocks));
    chunks = (blocks + each - 1) / each;
  }
  std::int64_t strip(const AttentionHeads& h) const { return (std::int64_t(rows) * h.T + 63) / 64 * 64; }
};

// A head of a sample: its matrices, and rows of its weights. Products of single matrices inside a parallel
// region run on the thread that asks for them, and ask the queue for its device alone.
struct Head {
  Queue& queue;
  const AttentionHeads& all;
  std::int64_t qkv, y;  ///< offsets

  Head(Queue& q, const AttentionHeads& h, std::int64_t index)
      : queue(q),
        all(h),
        qkv(index / h.count * h.sample + index % h.count * h.step),
        y(index / h.count * h.y_sample + index % h.count * h.c) {}

  // `rows` rows from `first` on of q, k or v (at `offset` from q), and of y.
  template <class T>
  Matrices<T> part(T* data, std::int64_t offset, int first, int rows) const {
    return {data + qkv + offset + first * all.row, rows, all.c, all.row, 0, false};
  }
  template <class T>
  Matrices<T> result(T* data, int first, int rows) const {
    return {data + y + std::int64_t(first) * all.C, rows, all.c, all.C, 0, false};
  }
  // w = softmax(scale q k^T) of those rows.
  Matrices<float> weights(float* strip, const float* from, int first, int rows) const {
    const Matrices<float> w{strip, rows, all.T, all.T, 0, false};
    matmul(queue, w, part(from, 0, first, rows), transposed(part(from, all.k, 0, all.T)), 1, all.scale);
    for (int i = 0; i < rows; ++i) softmax_row(strip + std::int64_t(i) * all.T, all.T);
    return w;
  }
};

Source read(const Matrices<float>& m) {
  return {m.data, m.rows, m.columns, m.row_stride, m.batch_stride, m.transposed};
}

// dk and dv of a head's chunk, side by side; of the first chunk those of dqkv itself.
struct Sums {
  float *dk, *dv;
  std::int64_t row;
};

// The blocks [first, last) of a head's rows; `w` and `dw`: strips of weights.
void backward_chunk(const Head& head, int first, int last, int block, float* w_strip, float* dw_strip,
                    float* dqkv, const Sums& sums, float* y, const float* dy, const float* qkv) {
  const AttentionHeads& h = head.all;
  Queue& q = head.queue;
  for (int begin = first; begin < last; begin += block) {
    const int rows = std::min(block, last - begin);
    const float more = begin > first ? 1.f : 0.f;
    const Source w = read(head.weights(w_strip, qkv, begin, rows)), da = head.result(dy, begin, rows);
    if (y) matmul(q, head.result(y, begin, rows), w, head.part(qkv, h.v, 0, h.T));
    matmul(q, {sums.dv, h.T, h.c, sums.row, 0, false}, transposed(w), da, 1, 1.f, more);
    const Matrices<float> dw{dw_strip, rows, h.T, h.T, 0, false};
    matmul(q, dw, da, transposed(head.part(qkv, h.v, 0, h.T)));
    for (int i = 0; i < rows; ++i)
      softmax_backward_row(dw_strip + std::int64_t(i) * h.T, w_strip + std::int64_t(i) * h.T, h.T);
    matmul(q, head.part(dqkv, 0, begin, rows), read(dw), head.part(qkv, h.k, 0, h.T), 1, h.scale);
    matmul(q, {sums.dk, h.T, h.c, sums.row, 0, false}, transposed(read(dw)), head.part(qkv, 0, begin, rows),
           1, h.scale, more);
  }
}

// dk and dv += those of the other chunks.
void add_chunks(const Head& head, float* dqkv, const float* partial, int chunks) {
  const AttentionHeads& h = head.all;
  const std::int64_t size = 2 * std::int64_t(h.T) * h.c;
  for (int t = 0; t < h.T; ++t)
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const float* const from = partial + chunk * size + std::int64_t(t) * 2 * h.c;
      float* const dk = dqkv + head.qkv + h.k + t * h.row;
      float* const dv = dqkv + head.qkv + h.v + t * h.row;
#pragma omp simd
      for (int i = 0; i < h.c; ++i) dk[i] += from[i];
#pragma omp simd
      for (int i = 0; i < h.c; ++i) dv[i] += from[h.c + i];
    }
}

void check(const char* op, const Shape& y, int y_b, const Shape& qkv, int qkv_b, const AttentionForm& form) {
  const Shape expected{y.N, 3 * y.C, y.H, y.W};
  require(qkv == expected, op, ": qkv is ", qkv, ", expected ", expected, " for y ", y);
  require(y_b == y.C && qkv_b == qkv.C, op, ": takes channels-last maps, not b = ", y_b, " and b = ", qkv_b);
  require(form.heads > 0 && y.C % form.heads == 0, op, ": ", y.C, " channels in ", form.heads, " heads");
  require(y.plane() <= std::numeric_limits<int>::max() / 3, op, ": ", y.plane(), " pixels are too many");
}

}  // namespace

void attention(Queue& q, View<float> y, View<const float> qkv, const AttentionForm& form) {
  check("attention", y.shape, y.b, qkv.shape, qkv.b, form);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::attention(q, y, qkv, form);
  const AttentionHeads h(y.shape, form);
  const Cut cut(h);
  const std::int64_t strip = cut.strip(h);
  auto* const strips =
      static_cast<float*>(q.scratch(std::size_t(omp_get_max_threads() * strip) * sizeof(float)));
  for_tasks(std::int64_t(h.N) * h.count * cut.blocks, [&](std::int64_t task, int thread) {
    const Head head(q, h, task / cut.blocks);
    const int first = int(task % cut.blocks) * cut.rows, rows = std::min(cut.rows, h.T - first);
    const Source w = read(head.weights(strips + thread * strip, qkv.data, first, rows));
    matmul(q, head.result(y.data, first, rows), w, head.part(qkv.data, h.v, 0, h.T));
  });
}

void attention_backward(Queue& q, View<float> dqkv, View<const float> dy, View<const float> qkv,
                        const AttentionForm& form, View<float> y) {
  check("attention_backward", dy.shape, dy.b, qkv.shape, qkv.b, form);
  require_alike("attention_backward", dqkv, qkv);
  if (y) require_alike("attention_backward", y, dy);
  if (dy.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::attention_backward(q, dqkv, dy, qkv, form, y);
  const AttentionHeads h(dy.shape, form);
  const Cut cut(h);
  const std::int64_t strip = cut.strip(h), heads = std::int64_t(h.N) * h.count;
  const std::int64_t size = 2 * std::int64_t(h.T) * h.c, others = cut.chunks - 1;
  const std::int64_t strips = 2 * omp_get_max_threads() * strip;
  auto* const scratch =
      static_cast<float*>(q.scratch(std::size_t(strips + heads * others * size) * sizeof(float)));
  float* const partials = scratch + strips;
  for_tasks(heads * cut.chunks, [&](std::int64_t task, int thread) {
    const std::int64_t index = task / cut.chunks, chunk = task % cut.chunks;
    const Head head(q, h, index);
    const int rows = cut.each * cut.rows, first = int(chunk) * rows, last = std::min(first + rows, h.T);
    float* const to = dqkv.data + head.qkv;
    float* const partial = partials + (index * others + chunk - 1) * size;
    const Sums sums = chunk == 0 ? Sums{to + h.k, to + h.v, h.row} : Sums{partial, partial + h.c, 2 * h.c};
    float* const w = scratch + 2 * thread * strip;
    backward_chunk(head, first, last, cut.rows, w, w + strip, dqkv.data, sums, y.data, dy.data, qkv.data);
  });
  if (others > 0)
    for_tasks(heads, [&](std::int64_t index, int) {
      add_chunks(Head(q, h, index), dqkv.data, partials + index * others * size, int(others));
    });
}

}  // namespace tweedie

#include "kernels/diffusion_loss.hpp"

#include <algorithm>

#include "kernels/diffusion_terms.hpp"
#include "kernels/for_each_index.hpp"

namespace tweedie {
namespace {

constexpr std::int64_t chunk = 1 << 12;

// Sums of one chunk of one sample, always added in the same order; `gradient` points to the sample's.
void loss_chunk(double* sums, float* gradient, const DiffusionLossRow& row, const float* output,
                const float* x_start, const float* x_t, const float* noise, std::int64_t begin,
                std::int64_t end, std::int64_t count, bool learned) {
  sums[0] = sums[1] = 0;
  const double share = 1.0 / double(count);
  for (std::int64_t i = begin; i < end; ++i) {
    const double v = learned ? output[count + i] : 0;
    const DiffusionTerms r = diffusion_terms(row, learned, output[i], v, x_start[i], x_t[i], noise[i]);
    sums[0] += r.mse;
    sums[1] += r.vb;
    gradient[i] = float(share * r.by_eps);
    if (learned) gradient[count + i] = float(share * r.by_v);
  }
}

void loss_cpu(Queue& q, View<float> gradient, View<double> terms, View<const float> output,
              View<const float> x_start, View<const float> x_t, View<const float> noise,
              View<const double> rows) {
  const std::int64_t count = x_start.shape.sample(), wide = output.shape.sample();
  const std::int64_t chunks = (count + chunk - 1) / chunk;
  const auto* const row = reinterpret_cast<const DiffusionLossRow*>(rows.data);
  double* const partial =
      static_cast<double*>(q.scratch(std::size_t(2 * x_start.N() * chunks) * sizeof(double)));
#pragma omp parallel for schedule(static) if (x_start.N() * chunks > 1)
  for (std::int64_t task = 0; task < x_start.N() * chunks; ++task) {
    const std::int64_t n = task / chunks, begin = task % chunks * chunk;
    loss_chunk(partial + 2 * task, gradient.data + n * wide, row[n], output.data + n * wide,
               x_start.data + n * count, x_t.data + n * count, noise.data + n * count, begin,
               std::min(count, begin + chunk), count, wide != count);
  }
  for (std::int64_t n = 0; n < x_start.N(); ++n) {
    double mse = 0, vb = 0;
    for (std::int64_t k = n * chunks; k < (n + 1) * chunks; ++k) {
      mse += partial[2 * k];
      vb += partial[2 * k + 1];
    }
    terms.data[2 * n] = mse / double(count);
    terms.data[2 * n + 1] = vb / double(count);
  }
}

}  // namespace

void q_sample(Queue& q, View<float> y, View<const float> x, View<const float> noise,
              View<const double> factors) {
  require_alike("q_sample", y, x);
  require_alike("q_sample", noise, x);
  const Shape expected{x.N(), 2, 1, 1};
  require(x.b == 1 && factors.shape == expected, "q_sample: planar images and factors ", expected,
          " expected, got b=", x.b, " and ", factors.shape);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::q_sample(q, y, x, noise, factors);
  const std::int64_t count = x.shape.sample();
  for (int n = 0; n < x.N(); ++n) {
    const double a = factors.data[2 * n], b = factors.data[2 * n + 1];
    for_each_index(
        count, [=, to = y.data + n * count, from = x.data + n * count,
                more = noise.data + n * count](std::int64_t i) { to[i] = float(a * from[i] + b * more[i]); });
  }
}

void diffusion_loss(Queue& q, View<float> gradient, View<double> terms, View<const float> output,
                    View<const float> x_start, View<const float> x_t, View<const float> noise,
                    View<const double> rows) {
  require_alike("diffusion_loss", x_t, x_start);
  require_alike("diffusion_loss", noise, x_start);
  require_alike("diffusion_loss", gradient, output);
  const Shape &s = x_start.shape, &o = output.shape;
  require(o.N == s.N && o.H == s.H && o.W == s.W && (o.C == s.C || o.C == 2 * s.C) && x_start.b == 1 &&
              output.b == 1,
          "diffusion_loss: planar output (", s.N, ", ", s.C, " or ", 2 * s.C, ", ", s.H, ", ", s.W,
          ") expected, got ", o, " b=", output.b);
  const Shape terms_expected{s.N, 2, 1, 1}, rows_expected{s.N, diffusion_loss_fields, 1, 1};
  require(terms.shape == terms_expected && rows.shape == rows_expected, "diffusion_loss: terms ",
          terms_expected, " and rows ", rows_expected, " expected, got ", terms.shape, " and ", rows.shape);
  if (x_start.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::diffusion_loss(q, gradient, terms, output, x_start, x_t, noise, rows);
  loss_cpu(q, gradient, terms, output, x_start, x_t, noise, rows);
}

}  // namespace tweedie

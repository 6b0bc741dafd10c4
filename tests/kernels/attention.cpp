#include "kernels/attention.hpp"

#include <omp.h>

#include <algorithm>
#include <limits>

#include "tests/cases/attention.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using cases::AttentionCase;

// Where channel i of q (0), k (1) or v (2) of a head is, at pixel t of sample n.
std::size_t at(const AttentionCase& p, int n, int t, int which, int head, int i) {
  const int C = p.heads * p.c, T = p.H * p.W;
  const int channel = p.new_order ? which * C + head * p.c + i : (3 * head + which) * p.c + i;
  return (std::size_t(n) * T + t) * 3 * C + channel;
}
std::size_t at_y(const AttentionCase& p, int n, int t, int head, int i) {
  return (std::size_t(n) * p.H * p.W + t) * p.heads * p.c + std::size_t(head) * p.c + i;
}

struct Reference {
  std::vector<double> y, dqkv;
};

// One head of one sample, as the formulas stand.
void add_head(Reference& to, const AttentionCase& p, const std::vector<float>& qkv,
              const std::vector<float>& dy, int n, int head) {
  const int T = p.H * p.W;
  const double scale = 1 / std::sqrt(double(p.c));
  const auto x = [&](int which, int t, int i) { return double(qkv[at(p, n, t, which, head, i)]); };
  for (int t = 0; t < T; ++t) {
    std::vector<double> w(T), dw(T);
    for (int s = 0; s < T; ++s)
      for (int i = 0; i < p.c; ++i) {
        w[s] += scale * x(0, t, i) * x(1, s, i);
        dw[s] += dy[at_y(p, n, t, head, i)] * x(2, s, i);
      }
    const double maximum = *std::max_element(w.begin(), w.end());
    double sum = 0, product = 0;
    for (double& weight : w) sum += weight = std::exp(weight - maximum);
    for (double& weight : w) weight /= sum;
    for (int s = 0; s < T; ++s) product += w[s] * dw[s];
    for (int s = 0; s < T; ++s) {
      const double slope = scale * w[s] * (dw[s] - product);
      for (int i = 0; i < p.c; ++i) {
        to.y[at_y(p, n, t, head, i)] += w[s] * x(2, s, i);
        to.dqkv[at(p, n, t, 0, head, i)] += slope * x(1, s, i);
        to.dqkv[at(p, n, s, 1, head, i)] += slope * x(0, t, i);
        to.dqkv[at(p, n, s, 2, head, i)] += w[s] * dy[at_y(p, n, t, head, i)];
      }
    }
  }
}

Reference reference(const AttentionCase& p, const std::vector<float>& qkv, const std::vector<float>& dy) {
  Reference r{std::vector<double>(dy.size()), std::vector<double>(qkv.size())};
  for (int n = 0; n < p.N; ++n)
    for (int head = 0; head < p.heads; ++head) add_head(r, p, qkv, dy, n, head);
  return r;
}

std::vector<float> forward(Queue& q, const AttentionCase& p, const std::vector<float>& qkv) {
  const DeviceArray<float> from(q, qkv), to(q, p.y().size());
  attention(q, to.view(p.y(), p.y().C), from.view(p.qkv(), p.qkv().C), p.form());
  return to.host();
}

// With y: [dqkv, y].
std::vector<float> backward(Queue& q, const AttentionCase& p, const std::vector<float>& dy,
                            const std::vector<float>& qkv, bool with_y = false) {
  const DeviceArray<float> slope(q, dy), from(q, qkv), to(q, p.qkv().size()), y(q, p.y().size());
  const View<float> again = with_y ? y.view(p.y(), p.y().C) : View<float>();
  attention_backward(q, to.view(p.qkv(), p.qkv().C), slope.view(p.y(), p.y().C),
                     from.view(p.qkv(), p.qkv().C), p.form(), again);
  std::vector<float> all = to.host();
  if (with_y)
    for (const float value : y.host()) all.push_back(value);
  return all;
}

std::string title(const AttentionCase& p) {
  return message("attention ", p.y(), " in ", p.heads, " heads", p.new_order ? ", new order" : "");
}

struct Inputs {
  std::vector<float> qkv, dy;
  explicit Inputs(const AttentionCase& p)
      : qkv(random_values(p.qkv().size(), 1, -2, 2)), dy(random_values(p.y().size(), 2)) {}
};

}  // namespace

TEST_CASE("attention: values and gradients against loops in double") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const AttentionCase& p : cases::attentions_small) {
      const Inputs in(p);
      const Reference expected = reference(p, in.qkv, in.dy);
      const std::string name = title(p);
      // Logits are up to 4 sqrt(c) and sums of c products: roundings of some 2^-24 of those, which exp hands
      // on; in a gradient the inner product of a row cancels.
      const std::vector<float> y = under_all_warp_orders(q, [&] { return forward(q, p, in.qkv); });
      check_close(name, y, expected.y, 3e-6);
      std::vector<float> all = under_all_warp_orders(q, [&] { return backward(q, p, in.dy, in.qkv, true); });
      const auto middle = all.begin() + std::ptrdiff_t(in.qkv.size());
      check_equal(name + ", y again", std::vector<float>(middle, all.end()), y);
      all.erase(middle, all.end());
      check_close(name + " backward", all, expected.dqkv, 5e-6);
      check_equal(name + " backward without y", backward(q, p, in.dy, in.qkv), all);
    }
  }
}

TEST_CASE("attention: gradients against differences") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const AttentionCase& p : {AttentionCase{2, 2, 3, 3, 5, false}, AttentionCase{1, 2, 8, 5, 7, true}}) {
      const Inputs in(p);
      check_vjp(
          title(p), [&](const std::vector<float>& x) { return forward(q, p, x); },
          [&](const std::vector<float>& w) { return backward(q, p, w, in.qkv); }, in.qkv, 1e-3);
    }
  }
}

TEST_CASE("attention: views that are not 16-byte aligned") {
  for (const Device d : backends()) {
    Queue q(d);
    const AttentionCase p{1, 2, 8, 3, 5, false};
    const Inputs in(p);
    std::vector<float> shifted = in.qkv;
    shifted.insert(shifted.begin(), std::nanf(""));
    const DeviceArray<float> odd(q, shifted), y(q, p.y().size());
    attention(q, y.view(p.y(), p.y().C), View<const float>(odd.data() + 1, p.qkv(), p.qkv().C), p.form());
    check_equal("attention unaligned", y.host(), forward(q, p, in.qkv));
  }
}

// Logits are whole numbers and c is 4, so that they are exact: weights are 0, 1 or shared by equal maxima.
TEST_CASE("attention: large logits do not overflow") {
  for (const Device d : backends()) {
    Queue q(d);
    const AttentionCase p{1, 1, 4, 5, 8, false};
    for (const float large : {1e3f, 0x1p50f}) {
      Inputs in(p);
      for (int t = 0; t < p.H * p.W; ++t)
        for (int i = 0; i < p.c; ++i) {
          in.qkv[at(p, 0, t, 0, 0, i)] = i == 0 ? (t % 2 ? large : -large) : 0;
          in.qkv[at(p, 0, t, 1, 0, i)] = i == 0 ? large * float(1 + t % 3) : 0;
        }
      const Reference expected = reference(p, in.qkv, in.dy);
      check_close(message("attention, logits of ", large * large), forward(q, p, in.qkv), expected.y, 1e-6);
      check_close("attention_backward of such", backward(q, p, in.dy, in.qkv), expected.dqkv, 1e-5);
    }
  }
}

TEST_CASE("attention: NaN stays in what it goes into") {
  for (const Device d : backends()) {
    Queue q(d);
    const AttentionCase p{2, 2, 3, 5, 7, false};
    const Inputs in(p);
    const std::vector<float> clean = forward(q, p, in.qkv);
    const auto nan_at = [&](int which) {  // of pixel 33 of head 1 of sample 1
      std::vector<float> qkv = in.qkv;
      qkv[at(p, 1, 33, which, 1, 2)] = NAN;
      return forward(q, p, qkv);
    };
    const std::vector<float> query = nan_at(0), key = nan_at(1);
    for (int n = 0; n < p.N; ++n)
      for (int t = 0; t < p.H * p.W; ++t)
        for (int head = 0; head < p.heads; ++head)
          for (int i = 0; i < p.c; ++i) {
            const std::size_t k = at_y(p, n, t, head, i);
            const bool there = n == 1 && head == 1;
            CHECK((there && t == 33 ? std::isnan(query[k]) : query[k] == clean[k]));
            CHECK((there ? std::isnan(key[k]) : key[k] == clean[k]));
          }
  }
}

TEST_CASE("attention: the same bits with any number of threads") {
  Queue q(Device::cpu);
  const int before = omp_get_max_threads();
  // Chunks of a block and of several, a head in one and in several.
  for (const AttentionCase& p : {AttentionCase{1, 1, 16, 20, 33, false}, AttentionCase{1, 2, 5, 9, 7, true},
                                 AttentionCase{8, 4, 8, 15, 20, false}}) {
    const Inputs in(p);
    omp_set_num_threads(1);
    const std::vector<float> y = forward(q, p, in.qkv), all = backward(q, p, in.dy, in.qkv, true);
    const std::span<const float> gradient(all.data(), in.qkv.size());
    check_close(title(p) + " backward", gradient, reference(p, in.qkv, in.dy).dqkv, 5e-6);
    for (const int threads : {2, 3, 7}) {
      omp_set_num_threads(threads);
      check_equal(title(p), forward(q, p, in.qkv), y);
      check_equal(title(p) + " backward", backward(q, p, in.dy, in.qkv, true), all);
    }
  }
  omp_set_num_threads(before);
}

TEST_CASE("attention: nothing is allocated that is as large as the weights") {
  const int before = omp_get_max_threads();
  omp_set_num_threads(2);
  for (const Device d : backends()) {
    const AttentionCase p{1, 2, 4, d == Device::cpu ? 32 : 8, 40, false};
    const Inputs in(p);
    const std::size_t T = std::size_t(p.H) * p.W, weights = T * T * sizeof(float) * std::size_t(p.heads);
    Queue q(d);
    forward(q, p, in.qkv);
    CHECK(q.meter().peak <= weights / 8);
    backward(q, p, in.dy, in.qkv, true);
    CHECK(q.meter().peak <= weights / 3);  // two strips a thread, and parts of dk and dv
    const std::size_t calls = q.meter().calls;
    forward(q, p, in.qkv);
    backward(q, p, in.dy, in.qkv, true);
    CHECK(q.meter().calls == calls + 2 + 4);  // our arrays alone
  }
  omp_set_num_threads(before);
}

TEST_CASE("attention: wrong shapes are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 24), y(q, 8), z(q, 24);
    const Shape shape{1, 4, 1, 2}, wide{1, 12, 1, 2};
    CHECK_THROWS_WITH_AS(attention(q, y.view(shape, 4), x.view({1, 12, 2, 1}, 12), {}),
                         "attention: qkv is (1, 12, 2, 1), expected (1, 12, 1, 2) for y (1, 4, 1, 2)", Error);
    CHECK_THROWS_WITH_AS(attention(q, y.view(shape), x.view(wide, 12), {}),
                         "attention: takes channels-last maps, not b = 1 and b = 12", Error);
    CHECK_THROWS_WITH_AS(attention(q, y.view(shape, 4), x.view(wide, 12), {3}),
                         "attention: 4 channels in 3 heads", Error);
    CHECK_THROWS_WITH_AS(attention(q, y.view(shape, 4), x.view(wide, 12), {0}),
                         "attention: 4 channels in 0 heads", Error);
    CHECK_THROWS_WITH_AS(
        attention_backward(q, z.view(wide, 4), y.view(shape, 4), x.view(wide, 12), {}),
        "attention_backward: shapes or layouts differ: (1, 12, 1, 2) b=4 and (1, 12, 1, 2) b=12", Error);
    CHECK_THROWS_WITH_AS(
        attention_backward(q, z.view(wide, 12), y.view(shape, 4), x.view(wide, 12), {}, y.view(shape)),
        "attention_backward: shapes or layouts differ: (1, 4, 1, 2) b=1 and (1, 4, 1, 2) b=4", Error);
  }
}

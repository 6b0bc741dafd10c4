// The cuDNN stand-in against the definition of convolution, and the mistakes that it must not let pass.
#include <cmath>
#include <optional>
#include <vector>

#include "tests/cudnn/trial.hpp"
#include "tests/machine/stand_in/control.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Four = Trial::Four;

std::int64_t extent(const Trial::Tensor& t) {
  std::int64_t last = 0;
  for (std::size_t k = 0; k < 4; ++k) last += (t.dimensions[k] - 1) * t.strides[k];
  return last + 1;
}

std::int64_t offset(const Four& strides, std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
  return n * strides[0] + c * strides[1] + h * strides[2] + w * strides[3];
}

Four planar(const Four& d) { return {d[1] * d[2] * d[3], d[2] * d[3], d[3], 1}; }
Four channels_last(const Four& d) { return {d[1] * d[2] * d[3], 1, d[1] * d[3], d[1]}; }

// What a convolution with the trial's numbers gives, from its definition; memory is laid out as `t` says.
std::vector<double> expected(const Trial& t, const std::vector<float>& x, const std::vector<float>& weights,
                             const std::vector<float>& y) {
  std::vector<double> to(std::size_t(t.backward ? extent(t.x) : extent(t.y)), 0);
  const auto [N, K, OH, OW] = t.y.dimensions;
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t k = 0; k < K; ++k)
      for (std::int64_t oh = 0; oh < OH; ++oh)
        for (std::int64_t ow = 0; ow < OW; ++ow)
          for (std::int64_t c = 0; c < t.x.dimensions[1]; ++c)
            for (std::int64_t r = 0; r < t.weights.dimensions[2]; ++r)
              for (std::int64_t s = 0; s < t.weights.dimensions[3]; ++s) {
                const std::int64_t h = oh * t.stride[0] + r * t.dilation[0] - t.before[0];
                const std::int64_t w = ow * t.stride[1] + s * t.dilation[1] - t.before[1];
                if (h < 0 || h >= t.x.dimensions[2] || w < 0 || w >= t.x.dimensions[3]) continue;
                const auto xi = std::size_t(offset(t.x.strides, n, c, h, w));
                const auto yi = std::size_t(offset(t.y.strides, n, k, oh, ow));
                const double weight = weights[std::size_t(offset(t.weights.strides, k, c, r, s))];
                if (t.backward)
                  to[xi] += t.alpha * weight * y[yi];
                else
                  to[yi] += t.alpha * weight * x[xi];
              }
  const std::vector<float>& before = t.backward ? x : y;
  for (std::size_t k = 0; k < to.size(); ++k)
    if (t.beta != 0) to[k] += t.beta * before[k];
  return to;
}

// Memory in the layout of `truth`, handed to the stand-in with the descriptors of `told`. There is some room
// behind each tensor, so that a stride told wrongly shows in the values, not in a guard.
struct Run {
  static constexpr std::int64_t room = 8;
  Queue q{Device::cuda};
  cudnnHandle_t handle = nullptr;
  Trial told, truth;
  std::vector<float> x_values, weight_values, y_values;
  DeviceArray<float> x, weights, y;
  std::size_t workspace_bytes = 0;
  std::array<void*, 3> pointers;
  std::array<std::int64_t, 3> ids;

  explicit Run(const Trial& both) : Run(both, both) {}
  Run(const Trial& description, const Trial& memory)
      : told(description),
        truth(memory),
        x_values(random_values(extent(truth.x) + room, 1)),
        weight_values(random_values(extent(truth.weights) + room, 2)),
        y_values(random_values(extent(truth.y) + room, 3)),
        x(q, x_values),
        weights(q, weight_values),
        y(q, y_values),
        pointers{x.data(), weights.data(), y.data()},
        ids{told.x.id, told.weights.id, told.y.id} {
    CHECK_CUDNN(cudnnCreate(&handle));
    CHECK_CUDNN(cudnnSetStream(handle, q.stream()));
  }
  ~Run() { CHECK(cudnnDestroy(handle) == CUDNN_STATUS_SUCCESS); }

  // By the engine at a place in the order of the heuristics; the last is the one for exact fp32.
  cudnn::Descriptor plan(std::size_t engine = 3) { return plan(told.graph(handle), engine); }
  cudnn::Descriptor plan(const cudnn::Descriptor& graph, std::size_t engine) {
    cudnn::Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_HEUR_MODE_A);
    heuristics.finalize();
    std::vector<cudnn::Descriptor> configurations;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (int k = 0; k < 4; ++k) {
      configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
      raw.push_back(configurations.back().get());
    }
    REQUIRE(heuristics.read(CUDNN_ATTR_ENGINEHEUR_RESULTS, std::span(raw)) == 4);
    cudnn::Descriptor d(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    d.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, handle);
    d.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configurations[engine]);
    d.keep(heuristics);
    d.finalize();
    workspace_bytes = std::size_t(d.read<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
    return d;
  }
  cudnnStatus_t execute(const cudnn::Descriptor& made, void* workspace) {
    const cudnn::Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    CHECK_CUDNN(cudnnBackendSetAttribute(pack.get(), CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3,
                                         ids.data()));
    CHECK_CUDNN(cudnnBackendSetAttribute(pack.get(), CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                         CUDNN_TYPE_VOID_PTR, 3, pointers.data()));
    CHECK_CUDNN(cudnnBackendSetAttribute(pack.get(), CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
                                         1, &workspace));
    CHECK_CUDNN(cudnnBackendFinalize(pack.get()));
    return cudnnBackendExecute(handle, made.get(), pack.get());
  }
  std::vector<float> result(std::size_t engine = 3) {
    const cudnn::Descriptor made = plan(engine);
    REQUIRE(execute(made, q.workspace(workspace_bytes)) == CUDNN_STATUS_SUCCESS);
    return (told.backward ? x : y).host();
  }
  // Only what the layout of the memory reaches: between rows with gaps nothing is written.
  double error(std::size_t engine = 3) {
    const std::vector<double> right = expected(truth, x_values, weight_values, y_values);
    const std::vector<float> got = result(engine);
    const Trial::Tensor& t = truth.backward ? truth.x : truth.y;
    double worst = 0, scale = 0;
    for (std::int64_t n = 0; n < t.dimensions[0]; ++n)
      for (std::int64_t c = 0; c < t.dimensions[1]; ++c)
        for (std::int64_t h = 0; h < t.dimensions[2]; ++h)
          for (std::int64_t w = 0; w < t.dimensions[3]; ++w) {
            const auto k = std::size_t(offset(t.strides, n, c, h, w));
            const double difference = std::abs(got[k] - right[k]);
            worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
            scale = std::max(scale, std::abs(right[k]));
          }
    return worst / scale;
  }
};

// Sums of up to 288 products in fp32.
constexpr double tolerance = 2e-6;

template <class F>
void refused(cudnnStatus_t expected_status, const char* reason, F call) {
  stand_in::set_quiet(true);
  CHECK(call() == expected_status);
  stand_in::set_quiet(false);
  CHECK_MESSAGE(stand_in::last_report().find(reason) != std::string::npos,
                "the report was: ", stand_in::last_report());
  stand_in::clear_fault();
}

// The same trial with every tensor in another layout.
Trial in_layout(Trial t, Four (*layout)(const Four&)) {
  for (Trial::Tensor* const tensor : {&t.x, &t.weights, &t.y}) tensor->strides = layout(tensor->dimensions);
  return t;
}

}  // namespace

TEST_CASE("cuDNN stand-in: forward and backward equal the definition, whatever the strides") {
  for (const bool backward : {false, true}) {
    Trial t;
    t.backward = backward;
    CHECK(Run(t).error() < tolerance);
    CHECK(Run(in_layout(t, planar)).error() < tolerance);
    Trial gaps = t;  // 3 floats between the rows of x and of y
    gaps.x.strides = {6 * 83, 1, 83, 16};
    gaps.y.strides = {6 * 163, 1, 163, 32};
    CHECK(Run(gaps).error() < tolerance);
    Trial mixed = t;
    mixed.x.strides = planar(mixed.x.dimensions);
    CHECK(Run(mixed).error() < tolerance);
  }
}

TEST_CASE("cuDNN stand-in: padding that differs, strides, dilations, alpha and beta") {
  for (const bool backward : {false, true}) {
    Trial t;
    t.backward = backward;
    t.alpha = 0.5f;
    t.beta = 2;
    t.before = {2, 0};
    t.after = {1, 3};
    t.dilation = {1, 2};
    t.stride = {2, 3};
    // rows: (6 + 3 - 3) / 2 + 1 = 4, columns: (5 + 3 - 5) / 3 + 1 = 2
    t.y.dimensions = {2, 32, 4, 2};
    CHECK(Run(in_layout(t, channels_last)).error() < tolerance);
    CHECK(Run(in_layout(t, planar)).error() < tolerance);
  }
}

TEST_CASE("cuDNN stand-in: a wrong stride or layout in any descriptor is refused or gives wrong values") {
  for (const bool backward : {false, true})
    for (Trial::Tensor Trial::*const tensor : {&Trial::x, &Trial::weights, &Trial::y}) {
      Trial truth;
      truth.backward = backward;
      const Four dimensions = (truth.*tensor).dimensions, right = (truth.*tensor).strides;
      std::vector<Four> wrong{planar(dimensions), {right[0], right[1], right[3], right[2]}};
      wrong.push_back({right[0], right[1], dimensions[1], dimensions[1] * dimensions[2]});  // N W H C
      for (std::size_t axis = 0; axis < 4; ++axis)
        for (const std::int64_t change : {-1, 1}) {
          wrong.push_back(right);
          wrong.back()[axis] += change;
        }
      for (const Four& strides : wrong) {
        Trial told = truth;
        (told.*tensor).strides = strides;
        CAPTURE(backward);
        CAPTURE(message(strides[0], ' ', strides[1], ' ', strides[2], ' ', strides[3]));
        bool noticed = false;
        stand_in::set_quiet(true);
        try {
          noticed = Run(told, truth).error() > 0.01;
        } catch (const Error&) {
          noticed = true;
        }
        stand_in::set_quiet(false);
        stand_in::clear_fault();
        CHECK(noticed);
      }
    }
}

TEST_CASE("cuDNN stand-in: its other engines are told apart by their numbers, as by their notes") {
  Trial t;
  CHECK(Run(t).error(0) > 1e-5);  // TF32
  Run varying(t);
  const cudnn::Descriptor plan = varying.plan(1);
  std::vector<std::vector<float>> results;
  for (int k = 0; k < 2; ++k) {
    REQUIRE(varying.execute(plan, varying.q.workspace(varying.workspace_bytes)) == CUDNN_STATUS_SUCCESS);
    results.push_back(varying.y.host());
  }
  CHECK(results[0] != results[1]);
  CHECK_THROWS_AS(Run(t).plan(2), Error);
}

TEST_CASE("cuDNN stand-in: with beta 0 the output is not read") {
  Run run{Trial()};
  const std::vector<float> nan(run.y_values.size(), NAN);
  copy_from_host(run.q, run.y.data(), nan.data(), nan.size() * sizeof(float));
  CHECK(run.error() < tolerance);
}

TEST_CASE("cuDNN stand-in: execution checks pointers, workspace, ids and what must still exist") {
  Run run{Trial()};
  const cudnn::Descriptor plan = run.plan();
  void* const workspace = run.q.workspace(run.workspace_bytes);
  CHECK(run.workspace_bytes > 0);
  const auto with = [&](std::size_t which, void* pointer, cudnnStatus_t status, const char* reason) {
    void* const right = run.pointers[which];
    run.pointers[which] = pointer;
    refused(status, reason, [&] { return run.execute(plan, workspace); });
    run.pointers[which] = right;
  };
  alignas(16) static float host[4096];
  with(0, run.x.data() + 1, CUDNN_STATUS_BAD_PARAM, "x is not aligned");
  with(1, run.weights.data() + 2, CUDNN_STATUS_BAD_PARAM, "weights is not aligned");
  with(0, host, CUDNN_STATUS_EXECUTION_FAILED, "x of");
  with(2, nullptr, CUDNN_STATUS_EXECUTION_FAILED, "y of");
  with(2, run.x.data(), CUDNN_STATUS_EXECUTION_FAILED, "y of");  // too small a block
  with(1, run.y.data(), CUDNN_STATUS_EXECUTION_FAILED, "weights of");
  refused(CUDNN_STATUS_EXECUTION_FAILED, "workspace of", [&] { return run.execute(plan, nullptr); });
  refused(CUDNN_STATUS_BAD_PARAM, "y and workspace overlap", [&] {
    run.pointers[2] = static_cast<char*>(workspace) + 16;
    return run.execute(plan, workspace);
  });
  run.pointers[2] = run.y.data();
  run.ids[1] = 77;
  refused(CUDNN_STATUS_BAD_PARAM, "unique ids", [&] { return run.execute(plan, workspace); });
  run.ids[1] = run.told.weights.id;
  fill_bytes(run.q, workspace, 0, run.workspace_bytes);
  CHECK(run.execute(plan, workspace) == CUDNN_STATUS_SUCCESS);
  // Whatever the workspace held is gone.
  std::vector<float> first(1);
  copy_to_host(run.q, first.data(), workspace, sizeof(float));
  CHECK(std::isnan(first[0]));
}

TEST_CASE("cuDNN stand-in: descriptors that a plan was made from must outlive it") {
  Run run{Trial()};
  std::optional<cudnn::Descriptor> operation = run.told.operation();
  cudnn::Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, run.handle);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation->get());  // the bare handle: nothing keeps the operation
  graph.finalize();
  const cudnn::Descriptor plan = run.plan(graph, 3);
  void* const workspace = run.q.workspace(run.workspace_bytes);
  CHECK(run.execute(plan, workspace) == CUDNN_STATUS_SUCCESS);
  operation.reset();
  refused(CUDNN_STATUS_BAD_PARAM, "is gone", [&] { return run.execute(plan, workspace); });
}

TEST_CASE("cuDNN stand-in: refuses the mistakes that cuDNN refuses") {
  Run run{Trial()};
  stand_in::set_quiet(true);
  for (const Mistake& mistake : mistakes()) {
    CAPTURE(mistake.name);
    CHECK_THROWS_AS(mistake.make(run.handle), Error);
  }
  stand_in::set_quiet(false);
  stand_in::clear_fault();
}

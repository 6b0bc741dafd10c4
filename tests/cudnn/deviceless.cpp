// The real cuDNN, asked without a device: does it have an engine for every graph we build, on an A100 and on
// an H100? Heuristics and plans take a description of a device in place of a handle; only execution needs
// one.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "kernels/cudnn.hpp"
#include "tests/cudnn/trial.hpp"

using namespace tweedie;

namespace {

struct Described {
  std::string name;
  cudnn::Descriptor properties;
};

std::vector<Described> devices() {
  std::vector<Described> all;
  for (const char* const name : {"a100", "h100"}) {
    std::ifstream file(std::string(TWEEDIE_CUDNN_DEVICES) + "/" + name + ".json");
    const std::string json((std::istreambuf_iterator<char>(file)), {});
    REQUIRE_MESSAGE(!json.empty(), name, ".json is missing");
    all.push_back({name, cudnn::described_device(json)});
  }
  return all;
}

// Every convolution of the FFHQ-256 U-Net: pixels of a side, channels.
struct Row {
  int pixels, in, out;
  int kernel = 3, stride = 1, pad = 1;
};
const Row rows[] = {
    {256, 16, 128},
    {256, 128, 128},
    {256, 256, 128},
    {256, 256, 128, 1, 1, 0},
    {256, 128, 16},
    {128, 128, 128},
    {128, 256, 256},
    {128, 384, 128},
    {128, 384, 128, 1, 1, 0},
    {128, 256, 128},
    {128, 256, 128, 1, 1, 0},
    {64, 128, 128},
    {64, 128, 256},
    {64, 128, 256, 1, 1, 0},
    {64, 256, 256},
    {64, 512, 256},
    {64, 512, 256, 1, 1, 0},
    {64, 384, 256},
    {64, 384, 256, 1, 1, 0},
    {32, 256, 256},
    {32, 512, 512},
    {32, 768, 256},
    {32, 768, 256, 1, 1, 0},
    {32, 512, 256},
    {32, 512, 256, 1, 1, 0},
    {16, 256, 256},
    {16, 256, 512},
    {16, 256, 512, 1, 1, 0},
    {16, 512, 512},
    {16, 512, 1536, 1, 1, 0},
    {16, 512, 512, 1, 1, 0},
    {16, 1024, 512},
    {16, 1024, 512, 1, 1, 0},
    {16, 768, 512},
    {16, 768, 512, 1, 1, 0},
    {8, 512, 512},
    {8, 512, 1536, 1, 1, 0},
    {8, 512, 512, 1, 1, 0},
    {8, 1024, 512},
    {8, 1024, 512, 1, 1, 0},
    // What other networks have: downsampling by a strided convolution.
    {64, 128, 128, 3, 2, 1},
    {64, 64, 64, 4, 2, 1},
};

ConvolutionProblem problem(const Row& row, int samples, bool backward, bool accumulate) {
  return {{row.in, row.out, row.kernel, row.stride, row.pad},
          {samples, row.in, row.pixels, row.pixels},
          backward,
          accumulate};
}

bool has(const std::vector<cudnnBackendNumericalNote_t>& notes, cudnnBackendNumericalNote_t note) {
  return std::find(notes.begin(), notes.end(), note) != notes.end();
}

std::vector<cudnnBackendNumericalNote_t> notes(const cudnn::Descriptor& configuration) {
  const cudnn::Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t pointer = engine.get();
  configuration.read(CUDNN_ATTR_ENGINECFG_ENGINE, std::span(&pointer, 1));
  std::vector<cudnnBackendNumericalNote_t> values(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  values.resize(std::size_t(engine.read(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, std::span(values))));
  return values;
}

}  // namespace

TEST_CASE("cuDNN has an fp32 engine for every convolution of the U-Net, both ways, on both devices") {
  for (const Described& device : devices()) {
    const cudnn::Target target{nullptr, &device.properties};
    for (const Row& row : rows)
      for (const int samples : {1, 4})
        for (const auto& [backward, accumulate] :
             {std::pair{false, false}, {false, true}, {true, false}, {true, true}}) {
          CAPTURE(device.name);
          CAPTURE(message(row.in, " -> ", row.out, ", kernel ", row.kernel, ", ", row.pixels,
                          " pixels, batch ", samples, backward ? ", backward" : "",
                          accumulate ? ", accumulating" : ""));
          CHECK_NOTHROW(cudnn::convolution_plans(target, problem(row, samples, backward, accumulate)));
        }
  }
}

TEST_CASE("cuDNN has an fp32 engine for the gradient by the weights of every convolution, on both devices") {
  for (const Described& device : devices()) {
    const cudnn::Target target{nullptr, &device.properties};
    for (const Row& row : rows)
      for (const int samples : {1, 4}) {
        ConvolutionProblem by_weights = problem(row, samples, false, true);
        by_weights.weights = true;
        CAPTURE(device.name);
        CAPTURE(message(row.in, " -> ", row.out, ", kernel ", row.kernel, ", ", row.pixels, " pixels, batch ",
                        samples));
        CHECK_NOTHROW(cudnn::convolution_plans(target, by_weights));
      }
  }
}

TEST_CASE("cuDNN has engines for planar tensors too, exact and in TF32, both ways, on both devices") {
  for (const Described& device : devices())
    for (const Row& row : rows)
      for (const bool backward : {false, true})
        for (const Precision precision : {Precision::fp32, Precision::tf32}) {
          ConvolutionProblem p = problem(row, 1, backward, false);
          p.precision = precision;
          CAPTURE(device.name);
          CAPTURE(cudnn::describe(p));
          CHECK_NOTHROW(cudnn::convolution_plans({nullptr, &device.properties}, p, cudnn::Order::planar));
        }
}

TEST_CASE("cuDNN's engines for a problem are told apart by their names, which are the same each time") {
  for (const Described& device : devices())
    for (const Precision precision : {Precision::fp32, Precision::tf32}) {
      ConvolutionProblem p = problem({64, 256, 256}, 1, false, false);
      p.precision = precision;
      std::vector<std::string> names[2];
      for (std::vector<std::string>& each : names)
        for (const cudnn::ConvolutionPlan& plan : cudnn::convolution_plans({nullptr, &device.properties}, p))
          each.push_back(plan.engine());
      CHECK(names[0] == names[1]);
      // Among them are settings of one engine.
      CHECK(names[0].size() > 2);
      CHECK(std::any_of(names[0].begin(), names[0].end(),
                        [](const std::string& name) { return name.find("_k2=") != std::string::npos; }));
      std::sort(names[0].begin(), names[0].end());
      CHECK(std::adjacent_find(names[0].begin(), names[0].end()) == names[0].end());
    }
}

TEST_CASE("no engine we accept uses tensor cores, rounds its inputs or varies") {
  for (const Described& device : devices())
    for (const bool backward : {false, true}) {
      const auto engines = cudnn::convolution_engines({nullptr, &device.properties},
                                                      problem({64, 256, 256}, 1, backward, false));
      CHECK(!engines.empty());
      for (const cudnn::Descriptor& engine : engines)
        for (const cudnnBackendNumericalNote_t note : notes(engine)) {
          CAPTURE(int(note));
          CHECK(note != CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
          CHECK(note != CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS);
          CHECK(note != CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION);
          CHECK(note != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
        }
    }
}

TEST_CASE(
    "told TF32, cuDNN offers tensor cores first for 3x3 kernels, and has an engine for every convolution") {
  for (const Described& device : devices()) {
    const cudnn::Target target{nullptr, &device.properties};
    for (const Row& row : rows)
      for (const bool backward : {false, true}) {
        ConvolutionProblem p = problem(row, 1, backward, false);
        p.precision = Precision::tf32;
        CAPTURE(device.name);
        CAPTURE(message(row.in, " -> ", row.out, ", kernel ", row.kernel, ", ", row.pixels, " pixels",
                        backward ? ", backward" : ""));
        CHECK_NOTHROW(cudnn::convolution_plans(target, p));
        const auto engines = cudnn::convolution_engines(target, p);
        if (row.kernel == 3 && row.stride == 1 && row.pixels >= 32 && row.in >= 128 && row.out >= 128)
          CHECK(has(notes(engines.front()), CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
      }
  }
}

TEST_CASE("cuDNN refuses what the stand-in refuses") {
  for (const bool backward : {false, true}) {
    test::Trial good;
    good.backward = backward;
    CHECK_NOTHROW(good.graph(nullptr));
  }
  for (const test::Mistake& mistake : test::mistakes()) {
    CAPTURE(mistake.name);
    CHECK_THROWS_AS(mistake.make(nullptr), Error);
  }
}

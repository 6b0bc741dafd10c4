// The choice among cuDNN's engines: by the device's clock, within memory, once, and kept.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "kernels/convolution.hpp"
#include "kernels/engine_choice.hpp"
#include "tests/machine/stand_in/control.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

namespace fs = std::filesystem;
using stand_in::CudnnOffer;
using Counts = std::vector<std::uint64_t>;

constexpr std::size_t share = 32 << 20, device_memory = 16 * share;
const ConvolutionGeometry geometry{16, 32, 3, 1, 1};
const Shape image{1, 16, 6, 5}, result{1, 32, 6, 5};

// Offers of cuDNN, and a file for the choices that begins as none.
struct Offered {
  fs::path folder = fs::temp_directory_path() / ("tweedie-engines-" + std::to_string(std::rand()));
  std::string file = folder / "kept" / "engines.txt";
  explicit Offered(const std::vector<CudnnOffer>& offers) {
    fs::create_directory(folder);
    stand_in::set_device_memory(device_memory);
    new_process(offers);
  }
  ~Offered() {
    stand_in::set_device_memory(std::size_t(16) << 30);
    stand_in::offer_cudnn_engines({CudnnOffer()});
    stand_in::set_cudnn_version(0);
    cudnn::engine_choices().open("");
    fs::remove_all(folder);
  }
  // What this process knows is forgotten; the file is not.
  void new_process(const std::vector<CudnnOffer>& offers) {
    stand_in::offer_cudnn_engines(offers);
    cudnn::engine_choices().open(file);
  }
  std::string text() const {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& text) const {
    fs::create_directory(fs::path(file).parent_path());
    std::ofstream(file) << text;
  }
};

// "0" for the first offer and so on.
std::string chosen(Queue& q) {
  const std::string name = convolution_implementation(q, geometry, image, false);
  REQUIRE(name.starts_with("cudnn eng3"));
  const std::size_t value = name.find('=');
  return value == std::string::npos ? "0" : name.substr(value + 1);
}

std::string chosen() {
  Queue q(Device::cuda);
  return chosen(q);
}

}  // namespace

TEST_CASE("of cuDNN's engines the fastest is chosen that works and needs no more than its share of memory") {
  stand_in::set_quiet(true);
  const Offered offered({{100}, {50}, {10, share + 1}, {20, 0, true}, {30, share / 2}, {60}});
  CHECK(chosen() == "4");
  const Counts counts = stand_in::cudnn_executions();
  CHECK(counts[2] == 0);  // its workspace is not even asked for
  CHECK(counts[3] == 1);
  CHECK(counts[4] == 4);
  stand_in::set_quiet(false);
  stand_in::clear_fault();
}

TEST_CASE("where all engines need more than their share, the one that needs least is taken untimed") {
  const Offered offered({{1, 3 * share}, {100, 2 * share}});
  // The fallback is the first offer: both are seen once.
  CHECK(chosen() == "1");
  CHECK(stand_in::cudnn_executions() == Counts{0, 0});
}

TEST_CASE("an engine that cuDNN expects less of has to be faster by more than noise") {
  CHECK((Offered({{100}, {98}}), chosen()) == "0");
  CHECK((Offered({{100}, {96}}), chosen()) == "1");
  CHECK((Offered({{100}, {96}, {95}}), chosen()) == "1");
}

TEST_CASE("engines out of the question are timed once, others three times, after one that warms up") {
  const Offered offered({{100}, {400}, {50}, {90}});
  CHECK(chosen() == "2");
  CHECK(stand_in::cudnn_executions() == Counts{4, 2, 4, 2});
}

TEST_CASE("the choice is kept in a file: the next process times nothing, whatever the clock says now") {
  Offered offered({{100}, {50}, {70}});
  CHECK(chosen() == "1");
  const std::string text = offered.text();
  CHECK(text ==
        message("PTX machine (no GPU)\tcudnn ", CUDNN_VERSION,
                "\tfp32 forward, x (1, 16, 6, 5), 32 output channels, kernel 3, stride 1, padding 1\t",
                "eng3_k", int(CUDNN_KNOB_TYPE_TILE_SIZE), "=1\n"));
  CHECK(std::distance(fs::directory_iterator(fs::path(offered.file).parent_path()), {}) == 1);  // no remains
  offered.new_process({{10}, {100}, {20}});
  CHECK(chosen() == "1");
  CHECK(stand_in::cudnn_executions() == Counts{0, 0, 0});
  CHECK(offered.text() == text);
  Queue q(Device::cuda);
  CHECK(convolution_implementation(q, geometry, image, true) == "cudnn eng3");  // another problem
  CHECK(stand_in::cudnn_executions() == Counts{4, 2, 2});
  CHECK(offered.text().find(text) != std::string::npos);
}

TEST_CASE("what is no choice in the file is passed over, and what others wrote stays") {
  Offered offered({{100}, {50}});
  CHECK(chosen() == "1");
  const std::string right = offered.text(), key = right.substr(0, right.rfind('\t'));
  for (const std::string& wrong : {std::string("\t\n\n\0\xff\t", 6), key, key + "\t", key + "\teng99_k2=1\n",
                                   right.substr(0, 40), "eng3" + right}) {
    CAPTURE(wrong);
    offered.write(wrong + "\nno tab\nanother\tkey\tits choice\n");
    offered.new_process({{100}, {50}});
    CHECK(chosen() == "1");
    CHECK(stand_in::cudnn_executions() == Counts{4, 4});
    CHECK(offered.text().find(right) != std::string::npos);
    CHECK(offered.text().find("another\tkey\tits choice\n") != std::string::npos);
    CHECK(offered.text().find("no tab") == std::string::npos);
  }
  // So does what they write while this process runs.
  offered.write(right + "a key\tnew\n");
  Queue q(Device::cuda);
  CHECK(convolution_implementation(q, geometry, image, true) == "cudnn eng3_k2=1");
  CHECK(offered.text().find("a key\tnew\n") != std::string::npos);
}

TEST_CASE("another version of cuDNN chooses for itself") {
  Offered offered({{100}, {50}});
  CHECK(chosen() == "1");
  const std::string text = offered.text();
  offered.new_process({{50}, {100}});
  stand_in::set_cudnn_version(CUDNN_VERSION + 1);
  CHECK(chosen() == "0");
  CHECK(offered.text().find(text) != std::string::npos);
  CHECK(offered.text().size() > text.size());
}

TEST_CASE("where no file can be written the process alone remembers") {
  Offered offered({{100}, {50}});
  std::ofstream(offered.folder / "no_folder") << "text";
  fs::create_directory(offered.folder / "no_file");
  for (const std::string& path : {std::string(offered.folder / "no_folder" / "engines.txt"),
                                  std::string(offered.folder / "no_file"), std::string("")}) {
    CAPTURE(path);
    offered.new_process({{100}, {50}});
    cudnn::engine_choices().open(path);
    CHECK(chosen() == "1");
    stand_in::offer_cudnn_engines({{50}, {100}});
    CHECK(chosen() == "1");
    CHECK(stand_in::cudnn_executions() == Counts{0, 0});
  }
  CHECK(std::distance(fs::directory_iterator(offered.folder), {}) == 2);
}

TEST_CASE("choosing touches no tensor in use, and nothing is timed, allocated or waited for afterwards") {
  const std::vector<float> weights = random_values(geometry.in * geometry.out * 9, 1),
                           from = random_values(image.size(), 2), before = random_values(result.size(), 3);
  std::vector<std::vector<float>> results;
  std::vector<std::size_t> peaks;
  for (const std::vector<CudnnOffer>& offers : {std::vector<CudnnOffer>{{0}}, {{100}, {50, 1 << 20}}}) {
    const Offered offered(offers);
    Queue q(Device::cuda);
    const DeviceArray<float> x(q, from), y(q, before), packed(q, std::int64_t(weights.size()));
    const View<float> packed_view = packed.view({1, 1, 1, int(weights.size())});
    convolution_pack(q, packed_view, weights.data(), geometry);
    const auto add = [&] {
      convolution(q, y.view(result, result.C), x.view(image, image.C), packed_view, nullptr, geometry, true);
    };
    add();
    results.push_back(y.host());
    peaks.push_back(q.meter().peak);
    const stand_in::Statistics once = stand_in::statistics();
    add();
    const stand_in::Statistics twice = stand_in::statistics();
    CHECK(twice.library_calls == once.library_calls + 1);
    CHECK(twice.mallocs == once.mallocs);
    CHECK(twice.frees == once.frees);
    CHECK(twice.waits == once.waits);
  }
  check_equal("chosen by the clock", results[1], results[0]);
  CHECK(peaks[1] == peaks[0] + (1 << 20));  // the chosen one's workspace, and nothing of the trial
}

TEST_CASE("without memory for a trial cuDNN's first is taken, and chosen anew where there is some") {
  Offered offered({{100}, {50}});
  stand_in::set_quiet(true);
  stand_in::set_device_memory(stand_in::statistics().used_bytes + 4096);
  CHECK(chosen() == "0");
  CHECK(offered.text().empty());
  stand_in::set_device_memory(device_memory);
  stand_in::set_quiet(false);
  stand_in::clear_fault();
  CHECK(chosen() == "1");
}

TEST_CASE("the fastest engine of all is timed in both orders of memory") {
  const Offered offered({{100}, {50, 2 * share}});
  Queue q(Device::cuda);
  for (const bool planar : {false, true})
    for (const bool backward : {false, true}) {
      const double seconds = convolution_best_seconds(q, geometry, image, backward, 1, planar);
      CHECK(seconds == doctest::Approx(50.00001));
    }
  Queue cpu(Device::cpu);
  CHECK_THROWS_WITH_AS(convolution_best_seconds(cpu, geometry, image, false, 1, true),
                       doctest::Contains("timed on CUDA only"), Error);
}

TEST_CASE("the file of choices lies where the environment says") {
  const auto path = [](const char* own, const char* cache, const char* home) {
    for (const auto& [name, value] :
         {std::pair{"TWEEDIE_ENGINE_CACHE", own}, {"XDG_CACHE_HOME", cache}, {"HOME", home}})
      value ? setenv(name, value, 1) : unsetenv(name);
    return engine_cache_path();
  };
  const char* const old_cache = std::getenv("XDG_CACHE_HOME");
  const std::string home = std::getenv("HOME") ? std::getenv("HOME") : "", cache = old_cache ? old_cache : "";
  CHECK(path("/a/file", "/cache", "/home/me") == "/a/file");
  CHECK(path("", "/cache", "/home/me") == "");
  CHECK(path(nullptr, "/cache", "/home/me") == "/cache/tweedie/cudnn-engines.txt");
  CHECK(path(nullptr, "cache", "/home/me") == "/home/me/.cache/tweedie/cudnn-engines.txt");
  CHECK(path(nullptr, nullptr, "/home/me") == "/home/me/.cache/tweedie/cudnn-engines.txt");
  CHECK(path(nullptr, nullptr, nullptr) == "");
  path(nullptr, old_cache ? cache.c_str() : nullptr, home.c_str());
}

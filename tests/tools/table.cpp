// Tables before anything runs: parts and GPUs, readings, lines of errors, how often a prior is asked.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "tests/support/support.hpp"
#include "tests/tools/files_for_tests.hpp"
#include "tools/files.hpp"
#include "tools/prior.hpp"
#include "tools/table/cells.hpp"
#include "tools/table/ranks.hpp"
#include "tools/table/workload.hpp"
#include "weights/checkpoints/byte_source.hpp"

namespace tweedie::test {
namespace {

using namespace table;

Environment environment(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

const char* const text = R"(name: t
options: {sigma: 0.1}
images: {first: 3}
tasks:
  - {name: a, task: inpainting_random, drop: 0.5}
  - {name: b, task: gaussian_blur, sigma: 0.2}
methods:
  - {name: x, method: dps, steps: 40, prior: spectrum}
  - {name: y, method: ddrm, prior: spectrum, only: a}
published: {a: {x: {psnr: 20}, y: {psnr: 21}}}
readings:
  harder:
    what: more noise
    options: {sigma: 0.5}
    tasks: {a: {drop: 0.9}}
    methods: {y: null}
)";

Table table_of(const std::string& content, const std::string& reading = "") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/t.yaml";
  atomic_write(path, content);
  return read_table(path, reading);
}

std::string line_of(const Table& t, std::size_t task, std::size_t method) {
  std::string line;
  for (const std::string& word : words_of(t, t.tasks[task], t.methods[method])) line += word + " ";
  return line;
}

}  // namespace

TEST_CASE("a part of a table: stated, or as Open MPI, MPICH and SLURM number processes") {
  CHECK(shard_of("", environment({})).count == 1);
  CHECK(shard_of("2/3", environment({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "9"}})).index == 1);
  const Shard mpi = shard_of("", environment({{"OMPI_COMM_WORLD_RANK", "3"}, {"OMPI_COMM_WORLD_SIZE", "4"}}));
  CHECK((mpi.index == 3 && mpi.count == 4));
  const Shard slurm = shard_of("", environment({{"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}}));
  CHECK((slurm.index == 1 && slurm.count == 2));
  CHECK_THROWS_WITH_AS(shard_of("0/3", environment({})), doctest::Contains("expected I/N"), Error);
  CHECK_THROWS_WITH_AS(shard_of("4/3", environment({})), doctest::Contains("no part 4 of 3"), Error);
}

TEST_CASE("every run of a table is of one part, and a part has runs of every method") {
  constexpr std::size_t runs = 80;
  for (const auto& [parts, methods] :
       {std::pair{1, std::size_t(4)}, {2, 4}, {3, 4}, {4, 4}, {7, 4}, {2, 5}, {4, 5}}) {
    std::vector<int> owners(runs, 0);
    for (int i = 0; i < parts; ++i) {
      std::vector<int> of_method(methods, 0);
      for (std::size_t k = 0; k < runs; ++k)
        if (Shard{i, parts}.has(k, methods)) ++owners[k], ++of_method[k % methods];
      for (const int count : of_method) CHECK(count > 0);
    }
    for (const int owner : owners) CHECK(owner == 1);
  }
}

TEST_CASE("a run of a prior that ships is known by that prior's weights") {
  const TemporaryFolder folder;
  write_bytes(folder / "image.png", "pixels");
  std::string photo(text);
  photo.replace(photo.find("prior: spectrum"), 15, "prior: photo");
  const Table made = table_of(photo);
  table::Setting setting;
  setting.out = folder.path();
  setting.images = {folder / "image.png"};
  const std::vector<Cell> cells = cells_of(made, setting);
  const std::string weights = sha256_hex(*open_file(shipped_file("photo")));
  for (const Cell& cell : cells)
    CHECK((cell.key.find(weights) != std::string::npos) == (cell.method->name == "x"));
}

TEST_CASE("the command of a run names its method and prior, whoever stated them") {
  const TemporaryFolder folder;
  write_bytes(folder / "image.png", "pixels");
  write_bytes(folder / "w.h5", "weights");
  const auto command = [&](const std::string& row, const char* task, const std::string& weights,
                           const std::string& prior) {
    const Table made = table_of(
        message("{name: t, source: s, images: {size: 32, crop: none}, tasks: [{name: t, task: ", task,
                "}], methods: [", row, "]}"));
    table::Setting setting;
    setting.out = folder.path();
    setting.images = {folder / "image.png"};
    setting.weights = weights;
    setting.prior = prior;
    const Cell cell = cells_of(made, setting).at(0);
    const std::vector<std::string> words = command_of(made, setting, cell, "o");
    std::string chosen;
    for (auto word = std::find(words.begin(), words.end(), "--seed") + 2;
         word != words.end() && *word != "--device"; ++word)
      chosen += *word + " ";
    return chosen;
  };
  const std::string w = folder / "w.h5";
  CHECK(command("{name: m}", "inpainting_random", "", "") == "--method dps --prior spectrum ");
  CHECK(command("{name: m, steps: 50}", "inpainting_random", "", "photo") == "--method dps --prior photo ");
  CHECK(command("{name: m, method: ddrm}", "inpainting_random", w, "") == "--weights " + w + " ");
  CHECK(command("{name: m, method: ddrm, prior: photo}", "inpainting_random", w, "") == "--prior photo ");
  CHECK(command("{name: m, method: fast-em}", "blind_blur", "", "") == "--prior spectrum ");
  CHECK(command("{name: m, method: wiener}", "inpainting_random", w, "") == "");
  CHECK(command("{name: m, method: wiener, prior: none}", "inpainting_random", "", "") == "");
  CHECK_THROWS_WITH_AS(command("{name: m, prior: none}", "inpainting_random", "", ""),
                       doctest::Contains("t / m: dps asks a prior"), Error);
}

TEST_CASE("processes of one machine take a GPU each") {
  CHECK(!visible_gpu(8, environment({})));  // alone
  CHECK(visible_gpu(8, environment({{"OMPI_COMM_WORLD_LOCAL_RANK", "5"}})) == "5");
  CHECK(visible_gpu(4, environment({{"SLURM_LOCALID", "5"}})) == "1");  // more processes than GPUs
  CHECK(visible_gpu(8, environment({{"SLURM_LOCALID", "1"}, {"CUDA_VISIBLE_DEVICES", "2,6"}})) == "6");
  CHECK(!visible_gpu(
      8, environment({{"SLURM_LOCALID", "1"}, {"CUDA_VISIBLE_DEVICES", "3"}})));  // chosen already
  CHECK(!visible_gpu(8, environment({{"SLURM_LOCALID", "1"}, {"CUDA_VISIBLE_DEVICES", ""}})));
  CHECK(!visible_gpu(0, environment({{"SLURM_LOCALID", "1"}})));
}

TEST_CASE("options of a task win over the table's, a method's over both; a reading takes their place") {
  const Table t = table_of(text);
  CHECK(line_of(t, 0, 0) == "--drop 0.5 --method dps --sigma 0.1 --steps 40 --task inpainting_random ");
  CHECK(line_of(t, 1, 0) == "--method dps --sigma 0.2 --steps 40 --task gaussian_blur ");
  REQUIRE(t.readings.size() == 1);
  CHECK(t.readings[0].what == "more noise");
  const Table harder = table_of(text, "harder");
  CHECK(harder.name == "t, reading harder");
  REQUIRE(harder.methods.size() == 1);
  CHECK(line_of(harder, 0, 0) == "--drop 0.9 --method dps --sigma 0.5 --steps 40 --task inpainting_random ");
  CHECK(line_of(harder, 1, 0) == line_of(t, 1, 0));  // the task says it itself
  CHECK(harder.published.size() == 1);               // of y it says nothing any more
  CHECK_THROWS_WITH_AS(table_of(text, "easier"), doctest::Contains("no reading 'easier'; there are harder"),
                       Error);
}

TEST_CASE("complaints about a table name the line") {
  const std::string wrong(text);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed(wrong);
    return changed.replace(changed.find(from), from.size(), to);
  };
  CHECK_THROWS_WITH_AS(table_of(with("drop: 0.5", "drop: {}")),
                       doctest::Contains("t.yaml: line 5: tasks[0]: drop:"), Error);
  CHECK_THROWS_WITH_AS(table_of(with("first: 3", "first: 0")),
                       doctest::Contains("line 3: images: first: expected a whole"), Error);
  CHECK_THROWS_WITH_AS(table_of(with("psnr: 21", "psnr: no")),
                       doctest::Contains("line 10: published: a: y: psnr:"), Error);
  CHECK_THROWS_WITH_AS(table_of(with("drop: 0.9", "seed: 2"), "harder"),
                       doctest::Contains("line 15: tasks[0]: seed:"), Error);
}

TEST_CASE("how often a prior is asked: counted") {
  const Table t = table_of(text);
  const auto work = [&](std::vector<std::string> more, const char* method,
                        const char* task = "inpainting_random") {
    Row row = t.methods[0], of_task = t.tasks[0];
    row.words = {{"--method", {"--method", method}}};
    of_task.words = {{"--task", {"--task", task}}};
    for (std::size_t k = 0; k < more.size(); k += 2) row.words[more[k]] = {more[k], more[k + 1]};
    return workload_of(options_of(t, of_task, row));
  };
  const auto is = [](const Workload& w, int evaluations, int gradients) {
    return w.evaluations == evaluations && w.gradients == gradients;
  };
  CHECK(is(work({"--steps", "40"}, "dps"), 40, 40));
  CHECK(is(work({}, "dps", "phase_retrieval"), 4000, 4000));  // four runs, of which the best is kept
  CHECK(is(work({"--samples", "3", "--steps", "10"}, "mcg"), 30, 30));
  const Workload heun = work({"--steps", "10", "--sampler", "ode"}, "dps");
  CHECK(is(heun, 19, 10));  // two evaluations a step but the last, which is Euler's; guided at the first
  CHECK(is(work({"--steps", "20"}, "diffpir"), 20, 0));
  CHECK(work({"--particles", "5", "--steps", "20"}, "tds").evaluations == 100);  // side by side in a batch
  CHECK(is(work({"--levels", "30", "--ode-steps", "4"}, "daps"), 120, 0));
  CHECK(is(work({"--steps", "10", "--iterations", "3"}, "mmps"), 30, 30));
  CHECK(is(work({}, "wiener"), 0, 0));
  CHECK(is(work({"--steps", "50"}, "blind-dps", "turbulence"), 50, 50));
  // In each of two rounds four images at two scales and one at the finest, and the last walk; 50 steps by
  // default.
  CHECK(is(work({"--steps", "40", "--rounds", "2"}, "fast-em", "blind_blur"), 760, 760));
  CHECK(is(work({"--scales", "2"}, "fast-em", "blind_blur"), 300, 300));
  CHECK(is(work({"--em-samples", "1"}, "fast-em", "blind_blur"), 200, 200));
}

}  // namespace tweedie::test

// What command lines ask for: tasks and their settings, methods, noise, the files that are read.
#include "tools/restore/options.hpp"

#include <algorithm>

#include "tests/restore/command_line.hpp"
#include "tests/tools/files_for_tests.hpp"
#include "tools/restore/method.hpp"
#include "tools/restore/noise_option.hpp"

namespace tweedie::test {
namespace {

using Words = std::vector<std::string>;

std::string refusal_of(const Words& words) {
  return error_of([&] { options_of(words); });
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("options: every task is found by its name, once") {
  const std::vector<Task> tasks = all_tasks();
  CHECK(tasks.size() > 15);
  for (const Task& task : tasks) {
    CHECK(find_task(task.name()).name() == task.name());
    CHECK(std::count_if(tasks.begin(), tasks.end(),
                        [&](const Task& other) { return other.name() == task.name(); }) == 1);
    CHECK(says(describe_tasks() + describe_blind_tasks(), task.name()));
  }
  CHECK(says(error_of([] { find_task("sharpen"); }), "denoising"));
}

TEST_CASE("options: settings go to the operator or to the draw of its mask") {
  const Options drawn = options_of({"--task", "inpainting_random", "--drop", "0.7", "--input", "a.png"});
  REQUIRE(drawn.asked->draw);
  CHECK(drawn.asked->name() == "inpainting_random");
  CHECK(drawn.asked->describe_mask()["kind"] == "random");
  const Options set = options_of({"--task", "gaussian_blur", "--set", "kernel_size=9", "--input", "a.png"});
  CHECK(set.asked->op.settings.integer("kernel_size") == 9);
  const Options option = options_of({"--task", "gaussian_blur", "--kernel-size", "9", "--input", "a.png"});
  CHECK(option.asked->op.settings.integer("kernel_size") == 9);
  CHECK_FALSE(option.asked->draw);
  CHECK(option.asked->describe_mask().is_null());

  CHECK(says(refusal_of({"--task", "denoising", "--factor", "2", "--input", "a.png"}),
             "--factor means nothing to task denoising, only to "));
  CHECK(says(refusal_of({"--task", "denoising", "--set", "colour=red", "--input", "a.png"}),
             "neither task denoising nor --method dps has a setting 'colour'"));
  CHECK(says(refusal_of({"--task", "denoising", "--set", "zeta", "--input", "a.png"}), "expected key=value"));
  CHECK(says(refusal_of({"--task", "denoising"}), "--input"));
}

TEST_CASE("options: a wish of a method gives way to what is stated") {
  Asked asked(find_task("gaussian_blur"));
  asked.prefer("kernel_size=21");
  CHECK(asked.op.settings.integer("kernel_size") == 21);
  Asked stated(find_task("gaussian_blur"));
  stated.take_settings({{"--kernel-size", "9"}});
  stated.prefer("kernel_size=21");
  stated.prefer("seed=4");  // a blur has none
  CHECK(stated.op.settings.integer("kernel_size") == 9);
}

TEST_CASE("options: settings of the method, by option and by name") {
  const Options o = options_of(
      {"--task", "denoising", "--zeta", "0.5", "--set", "eta=0.25", "--sampler", "ddim", "--input", "a.png"});
  CHECK(o.settings->number("zeta") == 0.5);
  CHECK(o.settings->number("eta") == 0.25);
  CHECK(o.settings->text("sampler") == "ddim");
  CHECK_FALSE(options_of({"--task", "denoising", "--input", "a.png"}).settings->stated("zeta"));
  CHECK(says(refusal_of({"--task", "denoising", "--method", "wiener", "--zeta", "1", "--input", "a.png"}),
             "--zeta means nothing to --method wiener"));
}

TEST_CASE("options: the noise is the command line's, else the measurement's, else 0.05") {
  const auto noise = [](const Words& words, const std::optional<Noise>& stored = {}) {
    Words all{"--task", "denoising", "--input", "a.png"};
    all.insert(all.end(), words.begin(), words.end());
    return to_json(noise_of(options_of(all), stored)).dump();
  };
  CHECK(noise({}) == R"({"name":"gaussian","sigma":0.05})");
  CHECK(noise({"--sigma", "0.1", "--unit", "unit"}) == R"({"name":"gaussian","sigma":0.2})");
  CHECK(noise({"--sigma", "0"}) == R"({"name":"none"})");
  CHECK(noise({"--noise", "poisson"}) == R"({"name":"poisson","rate":1.0})");
  const Noise stored = parse_noise({{"name", "gaussian"}, {"sigma", 0.3}});
  CHECK(noise({}, stored) == R"({"name":"gaussian","sigma":0.3})");
  CHECK(noise({"--sigma", "0.1"}, stored) == R"({"name":"gaussian","sigma":0.1})");
  CHECK(noise({"--noise", "poisson", "--rate", "2"}, stored) == R"({"name":"poisson","rate":2.0})");
  CHECK(says(refusal_of({"--task", "denoising", "--rate", "2", "--input", "a.png"}),
             "--rate means nothing to noise gaussian"));
}

TEST_CASE("options: none means one thing to tasks and another to methods") {
  std::vector<std::string> names;
  for (const auto& options : {file_options(), setting_options(), foreign_options(), method_options()})
    for (const TaskOption& row : options) names.push_back(row.option);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  CHECK_MESSAGE(twice == names.end(), *twice);
}

TEST_CASE("options: what a file says and the method has no use for is noted") {
  const TemporaryFolder folder;
  const auto notes = [&](const std::string& task, const std::string& diffusion, const Words& more) {
    write_bytes(folder / "t.yaml",
                "measurement: {operator: {name: inpainting}, mask_opt: {" + task + "}}\n" +
                    "conditioning: {method: ps, params: {scale: 1}}\ndata: {name: ffhq}\n");
    write_bytes(folder / "d.yaml", diffusion + "\n");
    Words words{"--input", "a.png", "--task_config", folder / "t.yaml"};
    words.insert(words.end(), more.begin(), more.end());
    if (!diffusion.empty()) words.insert(words.end(), {"--diffusion_config", folder / "d.yaml"});
    std::string all;
    for (const std::string& note : options_of(words).notes) all += note + "\n";
    return all;
  };
  const std::string box = "mask_type: box, mask_len_range: [8, 9]",
                    plain = notes(box + ", margin: [1, 1]", "sampler: ddim\nclip_denoised: False", {});
  CHECK(says(plain, "t.yaml: data is not used"));
  CHECK(std::count(plain.begin(), plain.end(), '\n') == 1);
  CHECK(says(notes(box + ", mask_prob_range: [0.3, 0.7]", "", {}),
             "mask_prob_range is not used: it means nothing to mask_type 'box'"));
  CHECK(says(notes("mask_type: random, mask_prob_range: [0.3, 0.7], mask_len_range: [8, 9]", "", {}),
             "mask_len_range is not used"));
  CHECK(says(notes(box + ", image_size: 256", "", {}), "image_size is not used"));
  CHECK(says(notes(box, "", {"--method", "wiener"}),
             "t.yaml: scale is not used: it means nothing to --method wiener"));
  const std::string pigdm =
      notes(box, "sampler: ddim\nmodel_var_type: fixed_small\nclip_denoised: False", {"--method", "pigdm"});
  for (const char* setting : {"scale", "sampler", "model_var_type", "clip_denoised"})
    CHECK_MESSAGE(says(pigdm, std::string(setting) + " is not used: it means nothing to --method pigdm"),
                  setting);
}

TEST_CASE("options: a kernel's file and what it holds") {
  const Options o = options_of({"--task", "kernel_blur", "--kernel", "k.png", "--kernel-is", "psf", "--input",
                                "a.png", "--weights", "w.h5"});
  CHECK(o.asked->kernel_is_psf);
  CHECK(o.asked->files.at("kernel") == "k.png");
}

}  // namespace tweedie::test

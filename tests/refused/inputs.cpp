#include "tests/refused/inputs.hpp"

#include <filesystem>

#include "tests/end_to_end/prepare.hpp"
#include "tests/support/captured.hpp"
#include "tests/tools/files_for_tests.hpp"
#include "tools/arrays.hpp"
#include "tools/programs.hpp"
#include "weights/hdf5_writer.hpp"

namespace tweedie::test {
namespace {

namespace fs = std::filesystem;
const std::string data = TWEEDIE_TEST_DATA;

/// Runs a program that has to work.
void run(const std::string& program, const std::vector<std::string>& words) {
  const Printed printed = captured([&] { return run_program(program, words); });
  require(printed.code == 0, program, ": exit code ", printed.code, ": ", printed.error);
}

/// `to` is `from` with a text replaced wherever it stands.
void change(const std::string& to, const std::string& from, const std::string& text, const std::string& by) {
  std::string content = read_bytes(from);
  require(content.find(text) != std::string::npos, from, ": has no '", text, "'");
  for (std::size_t at = 0; (at = content.find(text, at)) != std::string::npos; at += by.size())
    content.replace(at, text.size(), by);
  write_bytes(to, content);
}

void write_line(const std::string& name, const std::string& line) { write_bytes(name, line + "\n"); }

void make_weights() {
  run("tweedie-convert",
      {data + "/unet_small/checkpoint.pt", "good.h5", "--config", data + "/unet_small/model_config.json"});
  run("tweedie-convert", {data + "/unet_classcond/checkpoint.pt", "classes.h5", "--config",
                          data + "/unet_classcond/model_config.json"});
  fs::create_symlink("good.h5", "linked.h5");
  fs::create_hard_link("good.h5", "hard.h5");
  for (const char* name : {"grid.png", "measurement.h5"}) fs::copy_file("good.h5", name);
  fs::copy_file(data + "/unet_small/model_config.json", "config.json");
  prepare({"spoil", "good.h5", "missing.h5", "missing", "middle_block.1.qkv.weight"});
  prepare({"spoil", "good.h5", "surplus.h5", "surplus", "label_emb.weight"});
  prepare({"spoil", "good.h5", "shape.h5", "shape", "out.2.weight"});
  prepare({"spoil", "good.h5", "nan.h5", "nan", "time_embed.2.weight"});
}

void make_pictures() {
  prepare({"crop", data + "/images/astronaut.png", "photo.png", "32", "40"});
  prepare({"crop", data + "/images/astronaut.png", "tiny.png", "4", "5"});
  prepare({"mask", "mask.png", "32", "40"});
  prepare({"mask", "other.png", "30", "40"});
  prepare({"mask", "even.png", "4", "3"});
  fs::copy_file("photo.png", "restored.png");
  fs::copy_file("mask.png", "comparison.png");
}

void make_damaged_files() {
  write_bytes("cut.png", read_bytes("photo.png").substr(0, 700));
  write_bytes("cut.h5", read_bytes("good.h5").substr(0, 100000));
  write_bytes("cut.pt", read_bytes(data + "/unet_small/checkpoint.pt").substr(0, 100000));
  write_line("text", "not what you think");
  write_line("broken.yaml", "image_size: [32");
  write_line("broken.json", "{\"image_size\": 32,");
  write_line("unknown.yaml", "image_size: 32\nnum_heads: 1\nimage_sise: 32");
  fs::create_directory("folder");
}

/// The task files of the DPS repository with one thing changed.
void make_changed_task_files() {
  const auto task = [](const std::string& to, const std::string& text, const std::string& by) {
    change(to, std::string(task_files) + "/inpainting_config.yaml", text, by);
  };
  task("vanilla.yaml", "method: ps", "method: vanilla");
  task("method.yaml", "method: ps", "method: pss");
  task("scale.yaml", "scale: 0.5", "scael: 0.5");
  task("typed.yaml", "scale: 0.5", "scale: large");
  task("negative.yaml", "scale: 0.5", "scale: -1");
  task("operator.yaml", "name: inpainting", "name: outpainting");
  task("mask_type.yaml", "mask_type: random", "mask_type: round");
  task("prob.yaml", "!!python/tuple [0.3, 0.7]", "0.5");
  task("tag.yaml", "[0.3, 0.7]", "0.5");  // a tuple's tag on a number
  task("noise.yaml", "name: gaussian", "name: pink");
  task("surplus.yaml", "data:", "dataset:");
  task("margin.yaml", "image_size: 256", "margin: [1e30, 1]");
  const std::string diffusion = std::string(task_files) + "/diffusion_config.yaml";
  change("threshold.yaml", diffusion, "dynamic_threshold: False", "dynamic_threshold: True");
  change("many.yaml", diffusion, "steps: 1000", "steps: 4000");
  change("mean.yaml", diffusion, "model_mean_type: epsilon", "model_mean_type: start_x");
  change("sampler.yaml", diffusion, "sampler: ddpm", "sampler: dpm");
  change("model.yaml", std::string(task_files) + "/model_config.yaml", "num_channels: 32",
         "num_channels: 64");
}

void make_task_files() {
  const auto task = [](const std::string& name, const std::string& op) {
    write_line(name, "measurement: {operator: " + op + "}");
  };
  const std::string blur = "{name: gaussian_blur, kernel_size: 9}";
  write_line("flat.yaml", "measurement: 3");
  write_line("report.json", R"({"measurement": {"operator": {"name": "noise"}}})");
  write_line("no_noise.yaml", "measurement:\n  operator: {name: noise}\n  noise:");
  write_line("no_mask.yaml", "measurement:\n  {operator: {name: inpainting}, mask_opt: }");
  write_line("no_method.yaml", "measurement: {operator: {name: noise}}\nconditioning: ~");
  write_line("no_scale.yaml",
             "measurement: {operator: {name: noise}}\n"
             "conditioning: {method: ps, params: {scale: null}}");
  write_line("no_data.yaml", "measurement: {operator: {name: noise}}\ndata:");
  write_line("number_data.yaml", "measurement: {operator: {name: noise}}\ndata: 7");
  write_line("tab.yaml", "measurement:\n\toperator: 3");
  write_line("latin.yaml", "measurement: {operator: {name: b\xfcrste}}");
  write_line("no_respacing.yaml", "sampler: ddpm\ntimestep_respacing:");
  task("nested.yaml", "{name: composed, operators: [{name: 5}]}");
  task("many_angles.yaml", "{name: ct, angles: 2000000000}");
  task("factor.yaml", "{name: super_resolution, scale_factor: 4294967300}");
  task("wide.yaml", "{name: composed, operators: [{name: motion_blur, kernel_size: 60001}]}");
  task("text_list.yaml", "{name: composed, operators: hello}");
  task("other_blur.yaml", "{name: gaussian_blur, kernel_size: 61}");
  task("blur_reduce.yaml",
       "{name: composed, operators: [" + blur + ", {name: super_resolution, scale_factor: 2}]}");
  write_line("blur_mask.yaml", "measurement: {operator: {name: composed, operators: [" + blur +
                                   ", {name: inpainting}]}, mask_opt: {mask_type: random}}");
}

/// Measurements of another image, or that say of themselves what cannot be.
void make_measurements() {
  run("tweedie-restore", {"--task", "gaussian_blur", "--kernel-size", "9", "--input", "photo.png", "--steps",
                          "1", "--prior", "spectrum", "--quiet", "-o", "blurred", "--device", "cpu"});
  for (const char* name : {"blurred.h5", "other.h5", "list.h5", "texts.h5", "huge.h5"})
    fs::copy_file("blurred/measurement.h5", name);
  fs::remove_all("blurred");
  fs::copy_file("other.h5", "unnamed.h5");
  prepare({"attribute", "unnamed.h5", "noise", "{}"});
  prepare({"attribute", "blurred.h5", "image", "[3, 32, 41]"});
  prepare({"attribute", "list.h5", "operator", "[1]"});
  prepare({"attributes", "texts.h5", "operator", "{\"name\": \"noise\"}", "1200"});
  prepare({"attribute", "huge.h5", "image", "[3, 32, 99999999]"});
}

void make_arrays() {
  Hdf5Writer file("nokernel.h5");
  file.array("measurement", {1, 1, 8, 8}, std::vector<float>(64, 0.5f));
  file.array("kernel", {1, 1, 3, 3}, std::vector<float>(9, 0));
  file.text("operator", R"({"name": "kernel_blur"})");
  file.text("image", "[1, 8, 8]");
  file.commit();
  write_npy("many.npy", {5, 12, 12}, std::vector<float>(5 * 12 * 12, 1));
  write_npy("zeros.npy", {12, 12}, std::vector<float>(12 * 12, 0));
}

/// Recorded runs whose attributes are JSON, but not what they should be.
void make_recordings() {
  fs::copy_file(data + "/trajectories/common.h5", "common.h5");
  const auto described = [](const char* name, const char* attribute, const char* json) {
    fs::copy_file(data + "/trajectories/sr4_ps.h5", name);
    prepare({"attribute", name, attribute, json});
  };
  described("task_list.h5", "task", "[1]");
  described("method_number.h5", "task", "{\"operator\": {\"name\": \"noise\"}, \"method\": 7}");
  described("operator_number.h5", "task", "{\"operator\": 5, \"method\": \"ps\"}");
  described("task_text.h5", "task", "ps");
  described("sampler_number.h5", "diffusion", "{\"sampler\": 3}");
  fs::copy_file(data + "/schedules.h5", "named.h5");
  prepare({"rename", "named.h5", "linear_1000_50", "linear_many"});
}

}  // namespace

int run_program(const std::string& program, std::vector<std::string> words) {
  const std::pair<const char*, int (*)(int, char**)> programs[] = {{"tweedie-convert", convert_program},
                                                                   {"tweedie-restore", restore_program},
                                                                   {"tweedie-sample", sample_program},
                                                                   {"tweedie-verify", verify_program}};
  words.insert(words.begin(), program);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  for (const auto& [name, call] : programs)
    if (name == program) return call(int(words.size()), argv.data());
  throw Error(program + ": no program of this name is a function");
}

void make_inputs() {
  make_weights();
  make_pictures();
  make_damaged_files();
  make_changed_task_files();
  make_task_files();
  make_measurements();
  make_arrays();
  make_recordings();
}

}  // namespace tweedie::test

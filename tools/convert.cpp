// tweedie-convert: a PyTorch or safetensors checkpoint becomes a weight file, or a weight file one of those.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <map>

#include "kernels/error.hpp"
#include "tools/network.hpp"
#include "tools/numbers.hpp"
#include "tools/programs.hpp"
#include "tools/run_main.hpp"
#include "tools/say.hpp"
#include "weights/convert.hpp"
#include "weights/unet_config.hpp"

namespace tweedie {
namespace {

struct Options {
  ConvertOptions convert;
  std::optional<NetworkFormat> to;
  bool json = false;
};

std::string presets_text() {
  std::string text;
  for (const std::string& name : preset_names()) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void describe(CLI::App& app, Options& options) {
  const std::map<std::string, Element> dtypes = {
      {"f32", Element::f32}, {"f16", Element::f16}, {"bf16", Element::bf16}};
  app.description(
      "Converts a checkpoint of a diffusion U-Net (or of the nonlinear blur's or a metric's network) to a "
      "weight file, or a weight file to a state dict for PyTorch.");
  ConvertOptions& c = options.convert;
  app.add_option("CHECKPOINT", c.checkpoint,
                 "PyTorch .pt/.pth (either container), .safetensors, or a weight file")
      ->required();
  app.add_option("OUT", c.output, "file to write")->required();
  const std::map<std::string, NetworkFormat> formats = {{"weights", NetworkFormat::weights},
                                                        {"pt", NetworkFormat::torch},
                                                        {"safetensors", NetworkFormat::safetensors}};
  app.add_option_function<std::string>(
         "--to", [&options, formats](const std::string& name) { options.to = formats.at(name); },
         "write weights (a weight file), pt or safetensors (default: by OUT's name)")
      ->check(CLI::IsMember({"weights", "pt", "safetensors"}));
  CLI::Option* config =
      app.add_option("--config", c.config_file,
                     "model_config.yaml or .json with what the tensors do not show: image_size, "
                     "num_heads or num_head_channels, use_new_attention_order");
  app.add_option("--preset", c.preset, "published configuration: " + presets_text())->excludes(config);
  app.add_option("--entry", c.entry,
                 "take the tensors of this entry of CHECKPOINT, or those whose names begin with it (default: "
                 "what looks like the network, averaged weights first)");
  app.add_option_function<std::string>(
         "--dtype", [&c, dtypes](const std::string& name) { c.dtype = dtypes.at(name); },
         "store all tensors as f32, f16 or bf16 (default: as in the checkpoint; float64 becomes f32)")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  app.add_option("--compress", c.compression, "deflate level 1 to 9 (default 0: none)")
      ->check(whole_number(0, 9));
  app.add_flag("--force", c.overwrite, "replace OUT if it exists");
  app.add_flag("--json", options.json, "print the summary as JSON");
  app.footer(
      "Channels, levels, blocks, attention and classes are inferred from the tensors; a configuration that\n"
      "contradicts them is an error. Where attention_resolutions are not stated they follow from "
      "image_size.\n"
      "No code in the checkpoint is run. Nothing is written on failure.\n\n"
      "Examples:\n"
      "  tweedie-convert ffhq_10m.pt ffhq.h5 --preset ffhq256\n"
      "  tweedie-convert 256x256_diffusion_uncond.pt imagenet.h5 --preset imagenet256 --dtype bf16\n"
      "  tweedie-convert my_unet.pt my_unet.h5 --config model_config.yaml --compress 4\n"
      "  tweedie-convert run/weights.h5 prior.h5 --dtype f16\n"
      "  tweedie-convert run/weights.h5 model.pt            # torch.load; guided-diffusion loads it\n"
      "  tweedie-convert GOPRO_wVAE.pth nonlinear_blur.h5\n"
      "  tweedie-convert vgg16-397923af.pth lpips_vgg.h5\n"
      "  tweedie-convert pt_inception-2015-12-05-6726825d.pth inception_fid.h5");
}

// While it lives, interrupts wait in the queue, so that a file that is being written can be removed first.
class HeldInterrupts {
 public:
  HeldInterrupts() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &before_);
  }
  ~HeldInterrupts() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  HeldInterrupts(const HeldInterrupts&) = delete;
  HeldInterrupts& operator=(const HeldInterrupts&) = delete;

 private:
  sigset_t before_;
};

void require_no_interrupt() {
  sigset_t pending;
  sigpending(&pending);
  require(sigismember(&pending, SIGINT) != 1 && sigismember(&pending, SIGTERM) != 1, "interrupted");
}

// A line that redraws itself on a terminal, a line per quarter elsewhere, nothing for small files.
class ProgressLine {
 public:
  void operator()(std::uint64_t done, std::uint64_t total) {
    require_no_interrupt();
    if (total < (std::uint64_t{256} << 20)) return;
    const int percent = static_cast<int>(done * 100 / total);
    if (percent == shown_ || (!terminal_ && percent / 25 == shown_ / 25 && shown_ >= 0)) return;
    shown_ = percent;
    const char* end = !terminal_ ? "\n" : done == total ? "\r\033[K" : "";
    char text[80];
    std::snprintf(text, sizeof text, "%sconverting: %3d %% of %.1f GB%s", terminal_ ? "\r" : "", percent,
                  static_cast<double>(total) * 1e-9, end);
    say(text);
  }

 private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  int shown_ = -1;
};

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

void print(const ConvertReport& report, const Options& options) {
  if (options.json) {
    const nlohmann::json summary = {{"output", options.convert.output}, {"architecture", report.architecture},
                                    {"container", report.container},    {"sha256", report.sha256},
                                    {"tensors", report.tensors},        {"parameters", report.parameters},
                                    {"config", report.config},          {"diffusion", report.diffusion},
                                    {"notices", report.notices}};
    print_result(summary.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", stdout,
                 options.convert.output + " is written, but standard output");
    return;
  }
  for (const std::string& notice : report.notices) say("tweedie-convert: note: " + notice + "\n");
  std::string text =
      message(options.convert.output, ": ", report.architecture, ", ", report.tensors, " tensors, ",
              grouped(report.parameters), " parameters\n  source     ", report.source, " (", report.container,
              ")\n  config     ", report.config.dump(), "\n");
  if (!report.diffusion.empty()) text += "  diffusion  " + report.diffusion.dump() + "\n";
  say(stdout, text);  // the weight file is the result
}

}  // namespace

int convert_program(int argc, char** argv) {
  return run_main("tweedie-convert", argc, argv, [](CLI::App& app, int count, char** arguments) {
    Options options;
    describe(app, options);
    app.parse(count, arguments);
    options.convert.format = options.to.value_or(format_of_name(options.convert.output));
    const HeldInterrupts held;
    options.convert.accept = [&](const WeightFileHeader& header, const TensorShapes& tensors) {
      require_usable(header, tensors, options.convert.checkpoint);
    };
    ProgressLine progress;
    print(convert_checkpoint(options.convert, std::ref(progress)), options);
    return 0;
  });
}

}  // namespace tweedie

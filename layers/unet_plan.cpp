#include "layers/unet_plan.hpp"

namespace tweedie {
namespace {

using Kind = ModulePlan::Kind;

// Builds the stages in guided-diffusion's order while keeping track of the channels and of what is kept.
class Planner {
 public:
  explicit Planner(const UNetConfig& config) : c_(config) {}

  std::vector<StagePlan> plan() {
    way_down();
    stages_.emplace_back();
    residual("middle_block.0", channels_);
    attention("middle_block.1", false);
    residual("middle_block.2", channels_);
    way_up();
    for (StagePlan& stage : stages_)
      stage.adds_branch = !stage.skip_channels && stage.modules.front().kind == Kind::residual;
    return std::move(stages_);
  }

 private:
  void residual(const std::string& name, int out, Resample how = Resample::none) {
    stages_.back().modules.push_back({Kind::residual, name, channels_, out, how, 0});
    channels_ = out;
  }
  void attention(const std::string& name, bool up) {
    stages_.back().modules.push_back(
        {Kind::attention, name, channels_, channels_, Resample::none, c_.heads(channels_, up)});
  }
  void resampling(const std::string& name, Resample how) {
    if (c_.resblock_updown) return residual(name, channels_, how);
    const Kind kind = how == Resample::up ? Kind::upsample : Kind::downsample;
    stages_.back().modules.push_back({kind, name, channels_, channels_, how, 0});
  }
  std::string open_input() {
    stages_.emplace_back();
    stages_.back().pushes_skip = true;
    return "input_blocks." + std::to_string(inputs_++) + ".";
  }
  void keep() { kept_.push_back(channels_); }

  void way_down() {
    const std::string first = open_input();
    channels_ = c_.channels(0);
    stages_.back().modules.push_back(
        {Kind::convolution, first + "0", c_.in_channels, channels_, Resample::none, 0});
    keep();
    for (int level = 0; level < c_.levels(); ++level) {
      for (int i = 0; i < c_.num_res_blocks; ++i) {
        const std::string name = open_input();
        residual(name + "0", c_.channels(level));
        if (c_.attention_at(level)) attention(name + "1", false);
        keep();
      }
      if (level + 1 == c_.levels()) break;
      resampling(open_input() + "0", Resample::down);
      keep();
    }
  }

  void way_up() {
    int outputs = 0;
    for (int level = c_.levels() - 1; level >= 0; --level)
      for (int i = 0; i <= c_.num_res_blocks; ++i) {
        const std::string name = "output_blocks." + std::to_string(outputs++) + ".";
        stages_.emplace_back();
        stages_.back().skip_channels = kept_.back();
        channels_ += kept_.back();
        kept_.pop_back();
        residual(name + "0", c_.channels(level));
        int next = 1;
        if (c_.attention_at(level)) attention(name + std::to_string(next++), true);
        if (level > 0 && i == c_.num_res_blocks) resampling(name + std::to_string(next), Resample::up);
      }
  }

  const UNetConfig& c_;
  std::vector<StagePlan> stages_;
  std::vector<int> kept_;
  int channels_ = 0, inputs_ = 0;
};

}  // namespace

std::vector<StagePlan> plan_blocks(const UNetConfig& config) { return Planner(config).plan(); }

}  // namespace tweedie

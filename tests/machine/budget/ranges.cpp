// The ranges of a step, as a profiler sees them: NVTX hands every push and pop to a tool that is linked in.
#include <doctest/doctest.h>
#include <nvtx3/nvToolsExt.h>

#include <string>

#include "engine/guidance.hpp"
#include "kernels/range.hpp"
#include "layers/unet.hpp"
#include "operators/inpainting.hpp"
#include "tests/machine/stand_in/control.hpp"
#include "weights/random_source.hpp"
#include "weights/unet_config.hpp"

namespace {

// "step{U-Net{input_blocks.0.0{}...}}"
std::string& transcript() {
  static std::string text;
  return text;
}

int push(const char* name) {
  transcript() += std::string(name) + "{";
  return 0;
}
int pop() {
  transcript() += "}";
  return 0;
}

int attach(NvtxGetExportTableFunc_t table_of) {
  const auto* const callbacks = static_cast<const NvtxExportTableCallbacks*>(table_of(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable functions = nullptr;
  unsigned size = 0;
  if (!callbacks || !callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &functions, &size) ||
      size <= unsigned(NVTX_CBID_CORE_RangePop))
    return 0;
  *functions[NVTX_CBID_CORE_RangePushA] = reinterpret_cast<NvtxFunctionPointer>(push);
  *functions[NVTX_CBID_CORE_RangePop] = reinterpret_cast<NvtxFunctionPointer>(pop);
  return 1;
}

// NVTX looks at this when the first range begins.
const bool attached = (InitializeInjectionNvtx2_fnptr = attach) != nullptr;

}  // namespace

namespace tweedie {
namespace {

TEST_CASE("a step shows its U-Net block by block, both ways, and the guidance with its operator") {
  UNetConfig config = preset("ffhq256").unet;
  config.image_size = 32;
  config.channel_mult = {1, 2};
  config.num_res_blocks = 1;
  config.attention_resolutions = {16};
  const Shape image{1, 3, 32, 32};
  REQUIRE(attached);
  stand_in::set_dry(1);
  Context context(Device::cuda, 1);
  RandomSource source(1);
  UNet unet(context, WeightScope(source), config);
  Inpainting op(context, context.upload({1, 1, 32, 32}, random_mask(32, 32, 0.92, 1)));
  Likelihood likelihood(context, op, op.forward(context.normal(image)));
  DpsGuidance guidance(context, likelihood, 1.0);
  ContextNoise noise(context);
  const Schedule schedule = make_schedule("linear", 1000, "2");
  SamplerOptions options;
  options.variance = Variance::learned_range;
  transcript().clear();
  sample(context, unet, schedule, options, context.normal(image), &guidance, noise,
         [](const Step&, const Tensor&) { return false; });
  stand_in::set_dry(0);
  const char* const on_the_way[] = {"input_blocks.0.0",  "input_blocks.1.0",  "input_blocks.2.0",
                                    "input_blocks.3.0",  "input_blocks.3.1",  "middle_block.0",
                                    "middle_block.1",    "middle_block.2",    "output_blocks.0.0",
                                    "output_blocks.0.1", "output_blocks.1.0", "output_blocks.1.1",
                                    "output_blocks.1.2", "output_blocks.2.0", "output_blocks.3.0"};
  std::string forward, backward;
  for (const char* name : on_the_way) {
    forward += std::string(name) + "{}";
    backward = std::string(name) + "{}" + backward;
  }
  CHECK(transcript() == "step{U-Net{" + forward + "}guidance{operator{}operator backward{}U-Net backward{" +
                            backward + "}}}");
}

}  // namespace
}  // namespace tweedie

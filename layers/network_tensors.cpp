#include "layers/network_tensors.hpp"

#include "layers/unet_plan.hpp"

namespace tweedie {
namespace {

// Names below a prefix, collected.
class Shapes {
 public:
  void affine(const std::string& name, Extents weight, int out) {
    shapes_[name + ".bias"] = {out};
    shapes_[name + ".weight"] = std::move(weight);
  }
  void weight(const std::string& name, Extents extents) { shapes_[name + ".weight"] = std::move(extents); }
  void convolution(const std::string& name, int in, int out, int kernel) {
    affine(name, {out, in, kernel, kernel}, out);
  }
  void linear(const std::string& name, int in, int out) { affine(name, {out, in}, out); }
  void norm(const std::string& name, int channels) { affine(name, {channels}, channels); }
  TensorShapes take() { return std::move(shapes_); }

 private:
  TensorShapes shapes_;
};

void residual(Shapes& shapes, const ModulePlan& m, const UNetConfig& c) {
  const std::string name = m.name + ".";
  shapes.norm(name + "in_layers.0", m.in);
  shapes.convolution(name + "in_layers.2", m.in, m.out, 3);
  shapes.linear(name + "emb_layers.1", 4 * c.model_channels, c.use_scale_shift_norm ? 2 * m.out : m.out);
  shapes.norm(name + "out_layers.0", m.out);
  shapes.convolution(name + "out_layers.3", m.out, m.out, 3);
  if (m.in != m.out) shapes.convolution(name + "skip_connection", m.in, m.out, 1);
}

void attention(Shapes& shapes, const ModulePlan& m) {
  shapes.norm(m.name + ".norm", m.in);
  shapes.affine(m.name + ".qkv", {3 * m.in, m.in, 1}, 3 * m.in);
  shapes.affine(m.name + ".proj_out", {m.in, m.in, 1}, m.in);
}

void module(Shapes& shapes, const ModulePlan& m, const UNetConfig& c) {
  switch (m.kind) {
    case ModulePlan::Kind::convolution:
      return shapes.convolution(m.name, m.in, m.out, 3);
    case ModulePlan::Kind::residual:
      return residual(shapes, m, c);
    case ModulePlan::Kind::attention:
      return attention(shapes, m);
    case ModulePlan::Kind::upsample:
    case ModulePlan::Kind::downsample:
      break;
  }
  if (c.conv_resample) shapes.convolution(m.name + (m.how == Resample::up ? ".conv" : ".op"), m.in, m.out, 3);
}

}  // namespace

TensorShapes tensors_of(const UNetConfig& c) {
  Shapes shapes;
  const int width = c.model_channels, embedding = 4 * width;
  shapes.linear("time_embed.0", width, embedding);
  shapes.linear("time_embed.2", embedding, embedding);
  if (c.num_classes) shapes.weight("label_emb", {*c.num_classes, embedding});
  for (const StagePlan& stage : plan_blocks(c))
    for (const ModulePlan& each : stage.modules) module(shapes, each, c);
  shapes.norm("out.0", c.channels(0));
  shapes.convolution("out.2", c.channels(0), c.out_channels, 3);
  return shapes.take();
}

TensorShapes tensors_of(const KernelWizardConfig& c) {
  Shapes shapes;
  const int nf = c.nf;
  const auto part = [](const char* trunk, int index) { return trunk + std::to_string(index); };
  const auto blocks = [&](const char* trunk, int first, int count) {
    for (int i = first; i < first + count; ++i)
      for (const char* convolution : {".conv1", ".conv2"})
        shapes.convolution(part(trunk, i) + convolution, nf, nf, 3);
  };
  shapes.convolution("feature_extractor.0", c.input_nc, nf, 3);
  for (const int index : {2, 4}) shapes.convolution(part("feature_extractor.", index), nf, nf, 3);
  blocks("feature_extractor.", 6, c.front_RBs);
  // The adapter's levels, each inside the one before: a convolution down, and one transposed up, of what
  // comes from below beside what went down (at the deepest, the kernel's code).
  const int channels[] = {nf, 2 * nf, 4 * nf, 8 * nf, 8 * nf};
  std::string level = "adapter.model.";
  for (int i = 0; i < 5; ++i) {
    const int outer = i == 0 ? nf : channels[i - 1], inner = i == 4 ? c.kernel_dim : channels[i];
    shapes.weight(level + (i == 0 ? "down.0" : "down.1"), {channels[i], outer, 4, 4});
    const Extents up = {channels[i] + inner, outer, 4, 4};
    if (i == 0)
      shapes.affine(level + "up.1", up, outer);
    else
      shapes.weight(level + "up.1", up);
    level += "submodule.";
  }
  blocks("recon_trunk.", 0, c.back_RBs);
  shapes.convolution(part("recon_trunk.", c.back_RBs), nf, 4 * nf, 3);
  shapes.convolution(part("recon_trunk.", c.back_RBs + 3), nf, 256, 3);
  shapes.convolution(part("recon_trunk.", c.back_RBs + 6), 64, 64, 3);
  shapes.convolution(part("recon_trunk.", c.back_RBs + 8), 64, c.input_nc, 3);
  return shapes.take();
}

}  // namespace tweedie

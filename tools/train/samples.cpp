#include "tools/train/samples.hpp"

#include <algorithm>
#include <cmath>

#include "engine/sampler.hpp"
#include "tools/image.hpp"
#include "tools/plot.hpp"

namespace tweedie {

void write_samples(const std::string& path, Context& context, Trainer& trainer, int count, int steps) {
  const TrainSettings& s = trainer.settings();
  const int T = s.diffusion.steps;
  const Schedule schedule =
      make_schedule(s.diffusion.noise_schedule, T, steps < T ? std::to_string(steps) : std::string());
  SamplerOptions options;
  options.method = Method::ddim;
  context.start_stream(std::uint64_t(1) << 23);  // far beyond any step's stream
  Tensor x = context.normal(Shape{count, s.unet.in_channels, s.data.size, s.data.size});
  if (s.unet.num_classes) {
    std::vector<int> labels;
    for (int n = 0; n < count; ++n) labels.push_back(n % *s.unet.num_classes);
    trainer.network().set_labels(labels);
  }
  trainer.with_average([&] {
    ContextNoise noise(context);
    x = sample(context, trainer.network(), schedule, options, x, nullptr, noise);
  });
  std::vector<Image> images =
      images_of(context.download(x), s.unet.in_channels, s.data.size, s.data.size, s.data.size < 64 ? 2 : 1);
  for (Image& image : images) image = clipped(image);
  write_png(path, contact_sheet(images, int(std::ceil(std::sqrt(double(images.size()))))));
}

}  // namespace tweedie

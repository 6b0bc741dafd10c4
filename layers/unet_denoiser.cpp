// The U-Net as a Denoiser: predictions at one noise level, replayed where they can be.
#include "kernels/concat.hpp"
#include "kernels/elementwise.hpp"
#include "layers/unet_replay.hpp"
#include "layers/unet_tape.hpp"

namespace tweedie {

std::span<const float> UNet::same_time(int N, const NoiseLevel& level) {
  times_.assign(std::size_t(N), float(level.timestep));
  return times_;
}

Prediction UNet::split(View<const float> output) {
  const Shape s = output.shape;
  Prediction p{context_.planar({s.N, config_.in_channels, s.H, s.W}), {}};
  if (!config_.learn_sigma()) {
    copy(context_.queue, p.eps, output);
  } else {
    p.v = context_.planar(p.eps.shape());
    split_channels(context_.queue, p.eps, p.v, output);
  }
  return p;
}

Prediction UNet::forward(const Tensor& x, const NoiseLevel& level, Saved* saved) {
  const std::span<const float> times = same_time(x.shape().N, level);
  check(x.shape(), times.size());
  Tape* const tape = saved ? &saved_as<Tape>(*saved, "U-Net") : nullptr;
  if (replay_->can(tape)) return replay_->forward(x, float(time_scale_) * float(level.timestep), tape);
  const Tensor output = forward(x, times, saved);
  return config_.learn_sigma() ? split(output.view()) : Prediction{output, {}};
}

}  // namespace tweedie

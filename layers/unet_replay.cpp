#include "layers/unet_replay.hpp"

#include <algorithm>
#include <cstdio>

#include "kernels/elementwise.hpp"
#include "kernels/range.hpp"
#include "layers/unet_tape.hpp"

namespace tweedie {
namespace {

// Of a network with its classes, with and without a way back, and of a last batch that is smaller.
constexpr std::size_t most_passes = 8;

}  // namespace

bool UNet::Replay::can(const Tape* tape) const {
  const Context& context = unet_.context_;
  // The guards of a guarded pool are looked at by the host, and so is what a probe sees.
  return context.queue.on_cuda() && context.replay && !context.pool.guarded() && !unet_.probe_ &&
         !(tape && tape->training) && (!tenant_->tape || tenant_->tape == tape);
}

std::shared_ptr<UNet::Replay::Pass> UNet::Replay::pass_for(const Shape& image, bool gradient) {
  Context& context = unet_.context_;
  const Queue& q = context.queue;
  const auto found = std::find_if(passes_.begin(), passes_.end(), [&](const std::shared_ptr<Pass>& pass) {
    const Work& w = pass->work;
    return w.image == image && w.gradient == gradient && w.precision == q.precision() &&
           w.multiplied == q.multiplied() && w.checkpoint == context.checkpoint && w.labels == unet_.labels_;
  });
  if (found != passes_.end()) return *found;
  if (passes_.size() == most_passes) passes_.pop_front();
  auto pass = std::make_shared<Pass>(
      Work{image, gradient, q.precision(), q.multiplied(), context.checkpoint, unet_.labels_});
  pass->x = context.planar(image);
  pass->times = context.planar({image.N, 1, 1, 1});
  if (gradient) pass->dout = context.planar(image);
  return passes_.emplace_back(std::move(pass));
}

// Both ways at once, before either is replayed: where one can't be recorded, neither is.
void UNet::Replay::record(Pass& pass, Tape* tape) {
  Queue& q = unet_.context_.queue;
  const Pool::Reserve::Inside inside(memory_);
  try {
    pass.forward = Recorded(q, [&] { pass.out = unet_.run(pass.x, pass.times, tape).view(); });
    if (tape)
      pass.backward = Recorded(q, [&] { pass.dx = unet_.backward(pass.dout, *tape, nullptr, true).view(); });
  } catch (const Error& error) {
    pass.forward = pass.backward = {};
    pass.refused = true;
    std::fprintf(stderr, "tweedie: the network's passes are not replayed as CUDA graphs: %s\n", error.what());
  }
  if (tape) tape->clear();
}

Prediction UNet::Replay::forward(const Tensor& x, float time, Tape* tape) {
  Context& context = unet_.context_;
  Queue& q = context.queue;
  if (tape) tape->clear();
  const std::shared_ptr<Pass> pass = pass_for(x.shape(), tape != nullptr);
  if (pass->settled && !pass->refused && !pass->forward) record(*pass, tape);
  fill(q, pass->times, time);
  Prediction prediction;
  if (pass->forward) {
    const Range range("U-Net, replayed");
    copy(q, pass->x, x);
    pass->forward.run(q);
    ++unet_.replays_;
    prediction = unet_.split(pass->out);
  } else {
    const std::size_t before = q.meter().calls;
    Tensor out;
    {
      const Pool::Reserve::Inside inside(memory_);
      out = unet_.run(x, pass->times, tape);
    }
    pass->settled = q.meter().calls == before;
    prediction = unet_.split(out.view());
  }
  if (tape) {
    tape->pass = pass;
    tape->lease = tenant_;
    tenant_->tape = tape;
  }
  return prediction;
}

Tensor UNet::Replay::backward(const Tensor& dout, Tape& tape) {
  Context& context = unet_.context_;
  Queue& q = context.queue;
  Pass& pass = *tape.pass;
  require(dout.shape() == pass.work.image, "U-Net: cotangent ", dout.shape(), " of the noise in images ",
          pass.work.image);
  Tensor dx = context.planar(pass.work.image);
  if (pass.forward) {
    const Range range("U-Net, backward, replayed");
    copy(q, pass.dout, dout);
    pass.backward.run(q);
    ++unet_.replays_;
    copy(q, dx, pass.dx);
  } else {
    const std::size_t before = q.meter().calls;
    const Pool::Reserve::Inside inside(memory_);
    copy(q, dx, unet_.backward(dout, tape, nullptr, true));
    pass.settled = pass.settled && q.meter().calls == before;
  }
  tape.leave();
  return dx;
}

}  // namespace tweedie

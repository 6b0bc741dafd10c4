// A U-Net's passes as CUDA graphs: two calls of the host a step instead of hundreds. Private to layers/unet*.
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/recorded.hpp"
#include "layers/unet.hpp"

namespace tweedie {

/// Passes of the same shapes are the same kernels on the same memory. Each is run as it is until it asks the
/// driver for nothing more, and from then on is recorded and replayed, to the same bits. What differs from
/// step to step, the image, the timestep and the cotangent, is written to where the graphs read it. All share
/// memory that belongs to them alone, of which one state at a time lives in; a second one is an ordinary
/// pass.
class UNet::Replay {
 public:
  /// Whose state lies in the memory; null: nobody's.
  struct Tenant {
    Tape* tape = nullptr;
  };
  /// What makes two passes the same work.
  struct Work {
    Shape image;
    bool gradient;
    Precision precision, multiplied;
    bool checkpoint;
    std::vector<int> labels;
  };
  struct Pass {
    explicit Pass(Work of) : work(std::move(of)) {}

    Work work;
    Tensor x, times, dout;      ///< what the graphs read
    View<const float> out, dx;  ///< what they write
    bool settled = false;       ///< its last run asked for no memory
    bool refused = false;       ///< it could not be recorded
    Recorded forward, backward;
  };

  explicit Replay(UNet& unet) : unet_(unet), memory_(unet.context_.pool) {}

  /// Whether a pass that leaves its state on `tape` (null: none) can be replayed now.
  bool can(const Tape* tape) const;
  /// The prediction for x at this time (scaled), the same for all samples. `tape` null: no way back.
  Prediction forward(const Tensor& x, float time, Tape* tape);
  /// The gradient with respect to x of a pass that `forward` ran.
  Tensor backward(const Tensor& dout, Tape& tape);

 private:
  std::shared_ptr<Pass> pass_for(const Shape& image, bool gradient);
  void record(Pass& pass, Tape* tape);

  UNet& unet_;
  Pool::Reserve memory_;
  std::shared_ptr<Tenant> tenant_ = std::make_shared<Tenant>();
  std::deque<std::shared_ptr<Pass>> passes_;
};

}  // namespace tweedie

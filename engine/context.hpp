// The state a computation runs in: device queue, memory pool, random stream.
#pragma once

#include <complex>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/feature.hpp"
#include "engine/pool.hpp"
#include "engine/tensor.hpp"
#include "kernels/queue.hpp"

namespace tweedie {

class Context;

/// One double a sample on the host, for decisions that are made there. The context keeps the memory: from the
/// second time on nothing is allocated.
class Scalars {
 public:
  Scalars(Context& context, int samples, double value = 0);
  Scalars(Scalars&& from) noexcept = default;
  Scalars& operator=(Scalars&& from) noexcept;
  ~Scalars();
  std::size_t size() const { return values_.size(); }
  double& operator[](std::size_t n) { return values_[n]; }
  double operator[](std::size_t n) const { return values_[n]; }
  double* data() { return values_.data(); }
  auto begin() { return values_.begin(); }
  auto end() { return values_.end(); }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  Context* context_;
  std::vector<double> values_;
};

/// Everything that lives as long as a program's work on one device. Used by one thread at a time.
class Context {
 public:
  explicit Context(Device device, std::uint64_t seed = 0, bool guarded = false);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  Queue queue;
  Pool pool;
  /// Gradient checkpointing: networks keep less of a forward pass, and make the rest again, to the same bits,
  /// on the way back.
  bool checkpoint = false;
  /// On CUDA, networks record what they queue for a pass and replay it from then on, to the same bits.
  bool replay = true;

  Device device() const { return queue.device(); }
  /// An uninitialised planar tensor: images, measurements, everything outside networks.
  Tensor planar(Shape shape) { return Tensor(pool, shape, 1); }
  /// An uninitialised feature map in the layout this device convolves fastest in; C a multiple of 16.
  Tensor features(Shape shape);
  /// The same, stored so.
  Feature feature(Shape shape, Storage storage);
  /// x as a map that is kept, stored as the queue's precision says: itself, or rounded.
  Feature keep(const Tensor& x);
  /// A map that is kept as fp32: itself, or a copy.
  Tensor wide(const Feature& x);
  TensorOf<std::complex<float>> spectrum(Shape shape) { return {pool, shape, 1}; }
  /// One double a sample, for reductions.
  TensorOf<double> per_sample(int samples) { return {pool, {samples, 1, 1, 1}, 1}; }

  Tensor upload(Shape shape, std::span<const float> planar_values);
  /// Planar values of a tensor of any layout.
  std::vector<float> download(const Tensor& x);
  /// The same into `values`, whose memory is used again where it suffices.
  void download(std::vector<float>& values, const Tensor& x);
  std::vector<double> download(const TensorOf<double>& x);
  void download(Scalars& values, const TensorOf<double>& x);

  /// Fills with the next standard normals / uniforms in [0, 1) of this context's stream: the same seed and
  /// the same order of draws give the same numbers on every device.
  void normal(View<float> x);
  void uniform(View<float> x);
  Tensor normal(Shape shape);
  std::uint64_t seed() const { return seed_; }
  /// Continues with stream k of the same seed (0: where a new context starts). Streams do not overlap: what
  /// is drawn for one sample does not depend on how much was drawn for another.
  void start_stream(std::uint64_t k) { offset_ = k << 40; }
  /// Where in its streams it is, and back there later.
  std::uint64_t position() const { return offset_; }
  void go_to(std::uint64_t position) { offset_ = position; }

 private:
  friend class Scalars;
  std::uint64_t seed_;
  std::uint64_t offset_ = 0;
  std::vector<std::vector<double>> spare_;  ///< what `Scalars` were given back
};

}  // namespace tweedie

#include "engine/context.hpp"

#include "kernels/concat.hpp"
#include "kernels/convolution.hpp"
#include "kernels/layout.hpp"
#include "kernels/narrow.hpp"
#include "kernels/random.hpp"

namespace tweedie {

Scalars::Scalars(Context& context, int samples, double value) : context_(&context) {
  if (!context.spare_.empty()) {
    values_ = std::move(context.spare_.back());
    context.spare_.pop_back();
  }
  values_.assign(std::size_t(samples), value);
}

Scalars& Scalars::operator=(Scalars&& from) noexcept {
  std::swap(context_, from.context_);
  values_.swap(from.values_);
  return *this;
}

Scalars::~Scalars() {
  if (values_.capacity() > 0) context_->spare_.push_back(std::move(values_));
}

Context::Context(Device device, std::uint64_t seed, bool guarded)
    : queue(device), pool(queue, guarded), seed_(seed) {}

Tensor Context::features(Shape shape) { return Tensor(pool, shape, convolution_block(device(), shape.C)); }

Feature Context::feature(Shape shape, Storage storage) {
  if (storage == Storage::fp32) return features(shape);
  return TensorOf<bf16>(pool, shape, convolution_block(device(), shape.C));
}

Feature Context::keep(const Tensor& x) {
  if (queue.storage() == Storage::fp32) return x;
  TensorOf<bf16> kept(pool, x.shape(), x.b());
  narrow(queue, kept, x);
  return kept;
}

Tensor Context::wide(const Feature& x) {
  if (const Tensor* tensor = x.tensor()) return *tensor;
  Tensor map(pool, x.shape(), x.b());
  concat_channels(queue, map, x, {});
  return map;
}

Tensor Context::upload(Shape shape, std::span<const float> values) {
  require(std::int64_t(values.size()) == shape.size(), "upload: ", values.size(), " values for shape ",
          shape);
  Tensor x = planar(shape);
  copy_from_host(queue, x.data(), values.data(), values.size_bytes());
  return x;
}

std::vector<float> Context::download(const Tensor& x) {
  std::vector<float> values;
  download(values, x);
  return values;
}

void Context::download(std::vector<float>& values, const Tensor& x) {
  values.resize(std::size_t(x.shape().size()));
  Tensor planar_copy;
  const float* from = x.data();
  if (x.b() != 1) {
    planar_copy = planar(x.shape());
    convert_layout(queue, planar_copy, x);
    from = planar_copy.data();
  }
  copy_to_host(queue, values.data(), from, values.size() * sizeof(float));
}

std::vector<double> Context::download(const TensorOf<double>& x) {
  std::vector<double> values(std::size_t(x.shape().size()));
  copy_to_host(queue, values.data(), x.data(), values.size() * sizeof(double));
  return values;
}

void Context::download(Scalars& values, const TensorOf<double>& x) {
  require(std::int64_t(values.size()) == x.shape().size(), "download: ", x.shape(), " into ", values.size(),
          " values");
  copy_to_host(queue, values.data(), x.data(), values.size() * sizeof(double));
}

void Context::normal(View<float> x) {
  tweedie::normal(queue, x, seed_, offset_);
  offset_ += random_counters(x.size());
}

void Context::uniform(View<float> x) {
  tweedie::uniform(queue, x, seed_, offset_);
  offset_ += random_counters(x.size());
}

Tensor Context::normal(Shape shape) {
  Tensor x = planar(shape);
  normal(x.view());
  return x;
}

}  // namespace tweedie

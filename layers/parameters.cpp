#include "layers/parameters.hpp"

#include <algorithm>
#include <limits>

#include "kernels/elementwise.hpp"

namespace tweedie {
namespace {

constexpr std::int64_t alignment = 16;  // floats: whole vectors for every library

std::int64_t aligned(std::int64_t count) { return (count + alignment - 1) / alignment * alignment; }

// The extents of convolution weights as stored: padded channels, square kernels. Rank 3 has one tap.
std::int64_t taps_of(const Extents& e) { return e.size() == 4 ? e[2] * e[3] : e[2]; }

}  // namespace

Parameters::Parameters(Context& context, std::vector<Parameter> list)
    : context_(context), list_(std::move(list)) {
  std::int64_t size = 0;
  for (const Parameter& each : list_) {
    offsets_.push_back(size);
    size += aligned(each.storage->shape().size());
  }
  require(size <= std::numeric_limits<int>::max(), "parameters: ", size, " are more than fit into an arena");
  values_ = context.planar({1, 1, 1, int(size)});
  fill(context.queue, values_, 0);
  for (std::size_t i = 0; i < list_.size(); ++i) {
    Tensor& old = *list_[i].storage;
    Tensor place = values_.part(offsets_[i], old.shape());
    copy(context.queue, place, old);
    old = std::move(place);
  }
  context.queue.synchronize();
}

Tensor Parameters::make_arena() const {
  Tensor arena = context_.planar(values_.shape());
  fill(context_.queue, arena, 0);
  return arena;
}

std::int64_t Parameters::learned() const {
  std::int64_t sum = 0;
  for (const Parameter& each : list_) sum += element_count(each.extents);
  return sum;
}

std::int64_t Parameters::stored(std::size_t i) const { return list_[i].storage->shape().size(); }

std::vector<float> Parameters::read(const Tensor& arena, std::size_t i) const {
  const Parameter& p = list_[i];
  const Tensor place = arena.part(offsets_[i], list_[i].storage->shape());
  const std::size_t wanted = std::size_t(element_count(p.extents));
  if (!p.packed) {
    std::vector<float> values = context_.download(place);
    values.resize(wanted);  // a bias may be padded
    return values;
  }
  std::vector<float> padded(std::size_t(stored(i))), values(wanted);
  convolution_unpack(context_.queue, padded.data(), place, *p.packed);
  const std::int64_t row = p.extents[1] * taps_of(p.extents);
  const std::int64_t padded_row = std::int64_t(p.packed->in) * taps_of(p.extents);
  for (std::int64_t o = 0; o < p.extents[0]; ++o)
    std::copy_n(padded.begin() + o * padded_row, row, values.begin() + o * row);
  return values;
}

void Parameters::write(Tensor& arena, std::size_t i, std::span<const float> values) const {
  const Parameter& p = list_[i];
  require(std::int64_t(values.size()) == element_count(p.extents), p.name, ": ", values.size(),
          " values, expected ", to_string(p.extents));
  std::vector<float> padded(std::size_t(stored(i)), 0.f);
  Tensor place = arena.part(offsets_[i], list_[i].storage->shape());
  if (!p.packed) {
    std::copy(values.begin(), values.end(), padded.begin());
    copy_from_host(context_.queue, place.data(), padded.data(), padded.size() * sizeof(float));
    return;
  }
  const std::int64_t row = p.extents[1] * taps_of(p.extents);
  const std::int64_t padded_row = std::int64_t(p.packed->in) * taps_of(p.extents);
  for (std::int64_t o = 0; o < p.extents[0]; ++o)
    std::copy_n(values.begin() + o * row, row, padded.begin() + o * padded_row);
  convolution_pack(context_.queue, place, padded.data(), *p.packed);
}

View<float> Gradients::of(const Tensor& parameter) {
  const std::int64_t offset = parameter.data() - base_;
  require(offset >= 0 && offset + parameter.shape().size() <= values_.shape().size(),
          "gradients: the tensor ", parameter.shape(), " is none of these parameters");
  return {values_.data() + offset, parameter.shape()};
}

}  // namespace tweedie

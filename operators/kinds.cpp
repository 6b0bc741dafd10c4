#include "operators/kinds.hpp"

#include <algorithm>

namespace tweedie {

Tensor OperatorData::at(const std::string& name) const {
  const auto found = arrays.find(name);
  return found == arrays.end() ? Tensor() : found->second;
}

std::vector<const OperatorDescription*> OperatorDescription::leaves() const {
  if (!kind->of_many) return {this};
  std::vector<const OperatorDescription*> all;
  for (const OperatorDescription& part : parts)
    for (const OperatorDescription* leaf : part.leaves()) all.push_back(leaf);
  return all;
}

Shows OperatorDescription::shows() const {
  Shows shows = Shows::picture;
  for (const OperatorDescription* leaf : leaves())
    if (leaf->kind->shows != Shows::picture) shows = leaf->kind->shows;
  return shows;
}

int OperatorDescription::measured_channels() const {
  int channels = 0;
  for (const OperatorDescription* leaf : leaves())
    if (leaf->kind->measured_channels) channels = leaf->kind->measured_channels;
  return channels;
}

int OperatorDescription::image_channels() const {
  int channels = 0;
  for (const OperatorDescription* leaf : leaves())
    if (leaf->kind->image_channels) channels = leaf->kind->image_channels;
  return channels;
}

int OperatorDescription::restarts() const {
  int restarts = 1;
  for (const OperatorDescription* leaf : leaves()) restarts = std::max(restarts, leaf->kind->restarts);
  return restarts;
}

Shape OperatorDescription::image_shape(const Shape& measured) const {
  Shape shape = measured;
  const auto all = leaves();
  for (auto leaf = all.rbegin(); leaf != all.rend(); ++leaf)
    if ((*leaf)->kind->image_shape) shape = (*leaf)->kind->image_shape((*leaf)->settings, shape);
  if (const int channels = image_channels()) shape.C = channels;
  return shape;
}

void OperatorDescription::state_seeds(std::uint64_t seed) {
  for (OperatorDescription& part : parts) part.state_seeds(seed);
  for (const Setting& row : kind->settings)
    if (row.kind == Setting::Kind::seed && !settings.stated(row.name)) settings.set(row.name, seed);
}

}  // namespace tweedie

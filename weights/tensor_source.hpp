// Named tensors for a network's constructor: where they come from is the source's business, what is asked
// for (name, shape) is the network's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tweedie {

/// Extents of a stored tensor, outermost first; empty for a single number.
using Extents = std::vector<std::int64_t>;

/// "(64, 3, 3, 3)", "(64)", "()".
std::string to_string(const Extents& extents);

/// Product of the extents; throws `Error` on a negative extent or when it exceeds 2^62.
std::int64_t element_count(const Extents& extents);

/// A set of tensors by full key ("input_blocks.0.0.weight").
class TensorSource {
 public:
  virtual ~TensorSource() = default;

  /// Whether a tensor of that key is there.
  virtual bool has(const std::string& key) const = 0;

  /// The tensor's values, row-major, all finite. Throws `Error` naming the key when it is missing, when its
  /// shape differs (both shapes are named) or when a value is NaN or infinite (its index is named).
  virtual std::vector<float> read(const std::string& key, const Extents& expected) = 0;

  /// Throws `Error` naming the first tensor that nobody has read, if any: a network that leaves some of its
  /// weights behind is not the network they were trained in.
  virtual void require_all_used() const = 0;
};

/// A cheap handle on the tensors under a prefix; layers get one and never see full keys.
/// The source must outlive it.
class WeightScope {
 public:
  explicit WeightScope(TensorSource& source, std::string prefix = "")
      : source_(&source), prefix_(std::move(prefix)) {}

  /// The scope below: `scope.sub("input_blocks.0").sub("1")`.
  WeightScope sub(std::string_view name) const { return WeightScope(*source_, key(name)); }

  /// Full key of a name in this scope.
  std::string key(std::string_view name) const {
    return prefix_.empty() ? std::string(name) : prefix_ + "." + std::string(name);
  }

  /// As `TensorSource::has`, with the name completed by the prefix.
  bool has(std::string_view name) const { return source_->has(key(name)); }

  /// As `TensorSource::read`, with the name completed by the prefix.
  std::vector<float> read(std::string_view name, const Extents& expected) const {
    return source_->read(key(name), expected);
  }

  const std::string& prefix() const { return prefix_; }

 private:
  TensorSource* source_;
  std::string prefix_;
};

}  // namespace tweedie

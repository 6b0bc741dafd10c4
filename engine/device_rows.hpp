// A sparse matrix along one image axis, in device memory.
#pragma once

#include "engine/context.hpp"
#include "kernels/axis_filter.hpp"

namespace tweedie {

/// Owns what a SparseRowsView borrows.
class DeviceRows {
 public:
  DeviceRows() = default;
  DeviceRows(Context& context, const SparseRows& m)
      : rows_(m.rows),
        columns_(m.columns),
        start_(integers(context, m.start)),
        index_(integers(context, m.index)),
        weight_(context.upload({1, 1, 1, int(m.weight.size())}, m.weight)) {}
  SparseRowsView view() const { return {rows_, columns_, start_.data(), index_.data(), weight_.data()}; }
  int rows() const { return rows_; }

 private:
  static TensorOf<int> integers(Context& context, const std::vector<int>& values) {
    TensorOf<int> x(context.pool, {1, 1, 1, int(values.size())});
    copy_from_host(context.queue, x.data(), values.data(), values.size() * sizeof(int));
    return x;
  }
  int rows_ = 0, columns_ = 0;
  TensorOf<int> start_, index_;
  Tensor weight_;
};

}  // namespace tweedie

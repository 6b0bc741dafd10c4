// A sparse linear map along one image axis: blurs, resizes and their adjoints are all of this form.
#pragma once

#include <vector>

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// A sparse matrix (rows x columns) in compressed rows, on the host. Boundary rules are folded into it.
struct SparseRows {
  int rows = 0, columns = 0;
  std::vector<int> start;     ///< rows + 1 offsets into index and weight
  std::vector<int> index;     ///< column of each entry
  std::vector<float> weight;  ///< its value
  /// The transpose; within a row entries come by increasing column.
  SparseRows transposed() const;
};

/// The same matrix borrowed from device memory.
struct SparseRowsView {
  int rows = 0, columns = 0;
  const int* start = nullptr;
  const int* index = nullptr;
  const float* weight = nullptr;
};

enum class Axis { rows, columns };  ///< along H, along W

/// y[n, c, o, w] = sum_k weight[k] x[n, c, index[k], w] along H (or the same along W), planar (b = 1):
/// the filtered axis has m.rows pixels in y and m.columns in x, the other one is unchanged. A row without
/// entries gives 0. Entries are summed in their order with fused multiply-adds: the same bits on every
/// backend. The adjoint is the filter of `m.transposed()`. y may not overlap x.
void axis_filter(Queue& q, View<float> y, View<const float> x, const SparseRowsView& m, Axis axis);

// The CUDA body; arguments are already checked.
namespace cuda {
void axis_filter(Queue& q, View<float> y, View<const float> x, const SparseRowsView& m, Axis axis);
}  // namespace cuda

}  // namespace tweedie

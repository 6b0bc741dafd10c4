// Operators as recordings of other programs' solvers name them.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "operators/factory.hpp"

namespace tweedie {

/// The operator of a solver trajectory's `task.operator`: every name of `make_operator`, and besides
///   denoising, sr_averagepooling {scale_factor}, colorization {weights}: DDRM's names;
///   sr_bicubic {scale_factor, a, zero}, deblur_separable {taps, sigma, zero, singular_order}:
///   `TruncatedSeparable`; gaussian_blur_circular, super_resolution_circular {scale_factor}: by true
///   convolution with the array `kernel`.
/// `order` is the dataset `perm` of `singular_order: compat`. What such a table only remarks (padding,
/// taps_used, how a mask was drawn) is passed over. Errors: as of `make_operator`; an order or array that is
/// missing.
std::unique_ptr<ForwardOperator> make_recorded_operator(Context& context, const nlohmann::json& table,
                                                        const OperatorData& data, const Shape& image,
                                                        const std::vector<int>& order = {});

}  // namespace tweedie

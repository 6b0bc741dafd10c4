// Maps rounded to what they are stored as.
#pragma once

#include "kernels/map.hpp"
#include "kernels/queue.hpp"

namespace tweedie {

/// y = x, rounded to nearest; the same shape and layout.
void narrow(Queue& q, View<bf16> y, View<const float> x);

namespace cuda {
void narrow(Queue& q, View<bf16> y, View<const float> x);
}  // namespace cuda

}  // namespace tweedie

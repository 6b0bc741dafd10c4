// Images continued beyond their edges, for what looks at neighbours: the rules, as rows of one entry or none.
#pragma once

#include <functional>
#include <string>

#include "operators/separable.hpp"

namespace tweedie {

/// How an image goes on beyond its edges. zero: with 0; reflect: mirrored without repeating the edge;
/// replicate: the edge again and again; circular: the image again; valid: not at all, so that a kernel stays
/// inside and results are smaller.
enum class Padding { zero, reflect, replicate, circular, valid };

/// The rule by its name. Errors: an unknown one (the known ones are listed).
Padding parse_padding(const std::string& name);

/// Index of pixel i (any integer) in an axis of n pixels under a rule; -1: there is 0.
int continued_index(int i, int n, Padding padding);

/// The next even number from n on that has no prime factor above 7: what FFTs are fast for.
int fast_length(int n);

/// A matrix (rows x pixels) whose first `used` rows have a 1 in column(row), or nothing where that is -1; its
/// other rows are empty.
SparseRows picked_rows(int rows, int pixels, int used, const std::function<int(int)>& column);

/// Brings a kernel's axis into one of `pixels`: tap j comes to j - (taps - 1)/2, before 0 around the end.
/// Errors of what is returned: more taps than pixels.
std::function<SparseRows(int taps)> wrapped_in(int pixels);

}  // namespace tweedie

// The path of a shaken camera, and its picture.
#pragma once

#include <cstdint>
#include <vector>

#include "operators/kinds.hpp"

namespace tweedie {

/// A `size` x `size` kernel of a shaken camera, non-negative with sum 1, from a seeded random walk: a path
/// whose length grows with the intensity, of short steps with Beta(1, 30) lengths and slowly turning angles,
/// centred, turned at random, drawn as a thin line and softened by a Gaussian of about size / 75
/// pixels. Intensity 0 is near a straight line, 1 a scribble. The same family of paths as the generator
/// the DPS repository uses (github.com/LeviBorodenko/motionblur), not its numbers: those depend on the
/// drawing routines of an imaging library and its 8-bit images. The middle of an even size is size / 2, the
/// later one of the two. Errors: a size below 3; an
/// intensity outside [0, 1].
std::vector<float> motion_kernel(int size, double intensity, std::uint64_t seed);

extern const OperatorKind motion_blur_kind;

}  // namespace tweedie

// The displacement field of turbulent air.
#pragma once

#include <cstdint>
#include <vector>

namespace tweedie {

/// A tilt map (2, height, width), row-major, from a seed: how far each pixel's view is displaced, in pixels;
/// channel 0 across the columns, channel 1 down the rows. The sum of 500 patches of 64 x 64 pixels (for 256 x
/// 256) at random places inside: standard normal values smoothed by a 7 x 7 Gaussian of sigma 1, times an
/// amplitude of 0.1 to 0.4 (the generator of BlindDPS, Chung et al., CVPR 2023, after Chan & Chimitt), held
/// to
/// +-2.5 pixels. In maps of another size there are as many patches over a pixel, and below 128 pixels they
/// are half as wide as the map. Inside, its standard deviation is about 0.56 pixels. Throws `Error` for sides
/// below 8.
std::vector<float> tilt_map(int height, int width, std::uint64_t seed);

}  // namespace tweedie

// Displacements of pixels as turbulent air makes them: random, smooth over a pixel or two.
#pragma once

#include <cstdint>
#include <vector>

namespace tweedie {

struct TiltMapOptions {
  int patches = 0;                        ///< 0: as many over a pixel as in a published map, 500 at 256 x 256
  double weakest = 0.1, strongest = 0.4;  ///< a patch's strength is uniform between these
  double clip = 2.5;                      ///< displacements are limited to +-clip pixels
};

/// A random map of displacements in pixels, planar (2, H, W), channel 0 to the right and channel 1 downwards,
/// from a seed: the sum of patches of 64 x 64 independent standard normals, each smoothed by a Gaussian of
/// standard deviation 1 over 7 x 7 pixels with 0 outside the patch, and multiplied by its strength; the two
/// channels are drawn apart, the place is uniform. (The generator of BlindDPS, Chung et al., CVPR 2023, after
/// Chan & Chimitt.) Where H and W are at least 128, patches lie inside the map, as published, and the borders
/// move less than the middle. On smaller maps they may hang over the edges, so that every pixel moves alike;
/// the published generator makes none of 64 pixels or fewer. The middle's standard deviation is 0.56 pixels.
/// Errors: sides below 1, negative options, or a weakest above the strongest.
std::vector<float> tilt_map(int H, int W, std::uint64_t seed, const TiltMapOptions& options = {});

}  // namespace tweedie

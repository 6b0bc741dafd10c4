// A window of a stored picture, reduced with antialiasing, and the changes that make one sample many.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "tools/train/data.hpp"
#include "tools/train/draws.hpp"

namespace tweedie {

/// A picture and its halves: each level is the one before, averaged over 2 x 2 pixels. A window that is
/// reduced by f from 4 on is read from the level that leaves a reduction of 2 to 4: its cost does not grow
/// with f, and what the plain averages let through is above what the last reduction keeps.
template <class T>
struct Pyramid {
  struct Level {
    int height, width;
    std::vector<T> data;  ///< planar
  };
  int channels = 0;
  std::vector<Level> levels;
};

/// Bytes (0 is -1, 255 is 1) or values in [-1, 1].
using StoredPicture = std::variant<Pyramid<std::uint8_t>, Pyramid<float>>;

/// A stored picture of planar samples (channels, height, width), with halves as far as a window of `size`
/// pixels reduced by up to `max_shrink` needs them.
StoredPicture store(int channels, int height, int width, std::vector<std::uint8_t> samples,
                    double max_shrink);
StoredPicture store(int channels, int height, int width, std::vector<float> samples, double max_shrink);

int channels_of(const StoredPicture& picture);
int height_of(const StoredPicture& picture);
int width_of(const StoredPicture& picture);
/// In memory, all levels.
std::size_t bytes_of(const StoredPicture& picture);

/// Fills `x` (options.channels, size, size) with a random window of the picture as the options say: reduced,
/// mirrored, its colours changed, held to [-1, 1]. Where the window is larger than the picture, `pad` says
/// what happens: true: the picture lies in its middle, with -1 around it; false: the window shrinks to the
/// picture's smaller side, which must be at least `size`.
void draw_window(std::span<float> x, const StoredPicture& picture, const DataOptions& options, bool pad,
                 Draws& draws);

}  // namespace tweedie

// Measurements as pictures.
#pragma once

#include "tools/restore/problem.hpp"

namespace tweedie {

/// `op` is on images of the picture's own size.
Views view_measurement(Context& context, ForwardOperator& op, const Measurement& measurement);

/// The image in so many channels; 0: as it is.
Image as_channels(const Image& image, int channels);

/// The same; where colours are lost by it, `notes` says so of the file `path`.
Image as_channels(const Image& image, int channels, const std::string& path, std::vector<std::string>& notes);

/// The nearest pixels of x on a grid of another size.
Image resized(const Image& x, int height, int width);

}  // namespace tweedie

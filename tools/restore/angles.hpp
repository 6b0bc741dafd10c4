// Angles of a measurement as a command line states them: a number of them, a range, or a file.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tweedie {

/// `count` angles at equal distances from `first` on, in degrees; `last` is not among them.
struct AngleRange {
  double first, last;
  int count;
};

/// "START:STOP:N"; nothing where the text has no colon. `option` begins messages. Errors: no three numbers,
/// START and STOP that are equal or more than a turn apart, N below 1 or above 100000.
std::optional<AngleRange> parse_angle_range(const std::string& text, const std::string& option);

/// Degrees from a file: a .npy, .npz or HDF5 array, or a text of numbers with spaces, commas or line ends
/// between them ('#' begins a comment). Errors: no such file; no numbers; one that is not finite.
std::vector<float> read_angles(const std::string& path, const std::string& option);

}  // namespace tweedie

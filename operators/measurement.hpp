// A measurement with all that is needed to restore it again.
#pragma once

#include <optional>
#include <vector>

#include "operators/factory.hpp"
#include "operators/noise.hpp"

namespace tweedie {

struct Measurement {
  Tensor y;     ///< N = 1
  Shape image;  ///< N = 1: of what was measured
  std::optional<OperatorDescription> op;
  std::optional<Noise> noise;  ///< where it is known
  OperatorData data;
};

/// What a file of another program holds.
struct ForeignMeasurement {
  Measurement measurement;
  std::optional<std::vector<float>> truth;  ///< of the image's shape in [-1, 1], where the file has it
  std::vector<std::string> notes;           ///< about what was supposed in reading it
};

}  // namespace tweedie

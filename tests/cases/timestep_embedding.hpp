// Rows of timestep_embedding. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct EmbeddingCase {
  int N, D;
};
inline constexpr EmbeddingCase embeddings_small[] = {{1, 2}, {3, 6}, {5, 128}, {2, 256}, {0, 8}};
inline constexpr EmbeddingCase embeddings_unet[] = {{1, 128}, {1, 256}, {16, 256}};

}  // namespace tweedie::cases

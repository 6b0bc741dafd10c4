#include "tools/restore/method.hpp"

#include <algorithm>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

struct Row {
  const char* name;
  bool classical;
  const char* what;
};

constexpr Row rows[] = {
    {"dps", false,
     "diffusion posterior sampling: the gradient of |y - A x0_hat|; with Poisson noise, weighted"},
    {"ps+", false, "the same, averaged over perturbed estimates"},
    {"mcg", false, "a gradient step, then projection onto the images of that measurement"},
    {"projection", false, "the measured part of the state replaced by the re-noised measurement"},
    {"ilvr", false, "low frequencies of the state replaced by the measurement's"},
    {"noisy-gradient", false, "the gradient of |y - A x_t|, which fails: to compare with"},
    {"zero-filled", true, "A^+ y, or the adjoint A^T y where there is no A^+ (linear)"},
    {"wiener", true, "the exact posterior mean under the spectrum prior (linear)"},
    {"admm-tv", true, "least squares with total variation (linear)"},
    {"fbp", true, "filtered backprojection (ct)"},
    {"er", true, "error reduction (phase_retrieval)"},
    {"hio", true, "hybrid input-output (phase_retrieval)"},
    {"oss", true, "oversampling smoothness (phase_retrieval)"},
};

}  // namespace

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const Row& row : rows) names.push_back(row.name);
  return names;
}

std::string describe_methods() {
  std::string text = "Methods:";
  for (const Row& row : rows)
    text += message("\n  ", row.name, std::string(20 - std::string(row.name).size(), ' '), row.what);
  return text;
}

bool is_classical(const std::string& method) {
  return std::any_of(std::begin(rows), std::end(rows),
                     [&](const Row& row) { return method == row.name && row.classical; });
}

}  // namespace tweedie

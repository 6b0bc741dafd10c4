// What tweedie-verify excuses beside a kink, and what it does not.
#include "tools/verify/checks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "operators/factory.hpp"
#include "tests/support/support.hpp"
#include "tests/tools/files_for_tests.hpp"
#include "weights/hdf5_writer.hpp"

namespace tweedie::test {
namespace {

constexpr Shape image{1, 1, 4, 4};
const std::string description = R"({"name": "phase_retrieval", "oversample": 0})";

/// A file of phase retrieval of `x`, whose recorded gradient is ours times `scale`, its first element `first`
/// where that is not 0; and how it is judged.
verify::Check check_of_gradient(const std::vector<float>& x, float scale, float first) {
  const TemporaryFolder folder;
  const std::string path = folder / "recorded.h5";
  Context context(Device::cpu, 1);
  const auto op = make_operator(context, nlohmann::json::parse(description), {});
  const std::vector<float> cotangent = random_values(image.size(), 2);
  const std::unique_ptr<Saved> saved = op->make_saved();
  const std::vector<float> y = context.download(op->forward(context.upload(image, x), saved.get()));
  std::vector<float> vjp = context.download(op->backward(context.upload(image, cotangent), *saved));
  for (float& value : vjp) value *= scale;
  if (first != 0) vjp[0] = first;
  const Extents extents{image.N, image.C, image.H, image.W};
  Hdf5Writer file(path);
  file.text("operator", description);
  file.array("x", extents, x);
  file.array("cotangent", extents, cotangent);
  file.array("y", extents, y);
  file.array("vjp", extents, vjp);
  file.commit();
  verify::Setup setup{.context = context, .operator_weights = ""};
  return verify::check_operator(setup, ArrayFile(path)).at(1);
}

}  // namespace

TEST_CASE("verify: a recorded gradient that is not finite disagrees") {
  const std::vector<float> x = random_values(image.size(), 1);
  CHECK(check_of_gradient(x, 1, 0).passed());
  for (const float wrong : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const verify::Check check = check_of_gradient(x, 1, wrong);
    CHECK(!check.passed());
    CHECK(check.note == "");
  }
}

// All frequencies of a constant but one are 0 up to rounding errors, which give them their phases: another
// rounding moves the gradient by its own size.
TEST_CASE("verify: no kink excuses a gradient that is wrong by half") {
  const std::vector<float> constant(std::size_t(image.size()), 0.3f);
  CHECK(!check_of_gradient(constant, 1.5f, 0).passed());
}

}  // namespace tweedie::test

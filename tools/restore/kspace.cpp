#include "tools/restore/kspace.hpp"

#include <algorithm>

#include "kernels/elementwise.hpp"
#include "operators/fastmri.hpp"
#include "weights/array_file.hpp"

namespace tweedie {

bool is_kspace(const std::string& path) { return ArrayFile(path).has("kspace"); }

KSpace read_kspace(Context& context, const std::string& path, int index, const nlohmann::json& settings,
                   bool stated) {
  require(!settings.value("complex", false), path,
          ": a slice is restored as a real image; 'complex' is stated");
  const FastMriSlice slice = read_fastmri(path, index);
  require(std::any_of(slice.kspace.begin(), slice.kspace.end(), [](float v) { return v != 0; }), path,
          ": slice ", index, " is empty");
  const Shape image{1, 1, slice.H, slice.W}, columns{1, 1, 1, slice.W};
  const bool full = slice.mask.empty();
  require(full || !stated, path,
          ": has a mask of its own; a pattern, acceleration, centre or seed means nothing to it");
  KSpace result;
  Measurement& m = result.measurement;
  m.image = image;
  m.data["sensitivity"] = slice.sensitivity.empty()
                              ? estimate_sensitivity(context, slice)
                              : context.upload({slice.coils, 2, slice.H, slice.W}, slice.sensitivity);
  // The image of what the file has.
  OperatorData all = m.data;
  all["mask"] = context.upload(columns, full ? std::vector<float>(std::size_t(slice.W), 1.f) : slice.mask);
  const nlohmann::json given{{"name", "mri"}};
  const auto reference = make_operator(context, given, all);
  const Tensor whole = context.upload({1, 2 * slice.coils, slice.H, slice.W}, slice.kspace);
  std::vector<float> seen = context.download(dynamic_cast<LinearOperator&>(*reference).adjoint(whole, image));
  const float largest = *std::max_element(seen.begin(), seen.end());
  require(largest > 0, path, ": the image of slice ", index, " is nowhere positive");

  m.settings = full ? settings : given;
  if (!full) m.data["mask"] = all["mask"];
  const auto op = make_operator(context, m.settings, m.data);
  Tensor ones = context.planar(image);
  fill(context.queue, ones, 1.f);
  m.y = context.planar(whole.shape());
  axpby(context.queue, m.y, 2 / largest, whole, -1.f, op->forward(ones));
  op->discard_unmeasured(m.y);
  if (full) {
    for (float& v : seen) v = 2 * v / largest - 1;
    result.original = Image{1, slice.H, slice.W, std::move(seen)};
  }
  return result;
}

}  // namespace tweedie

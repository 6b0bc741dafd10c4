#include "tools/restore/kspace.hpp"

#include <algorithm>

#include "kernels/elementwise.hpp"
#include "operators/fastmri.hpp"
#include "weights/array_file.hpp"

namespace tweedie {

bool is_kspace(const std::string& path) { return ArrayFile(path).has("kspace"); }

KSpace read_kspace(Context& context, const std::string& path, const TaskOptions& o, std::uint64_t seed) {
  require(o.settings.size() <= 1, path,
          ": k-space is sampled as the command line says (--pattern, "
          "--acceleration, --centre), not by a task file's settings: leave them out of it");
  const FastMriSlice slice = read_fastmri(path, o.slice);
  require(std::any_of(slice.kspace.begin(), slice.kspace.end(), [](float v) { return v != 0; }), path,
          ": slice ", o.slice, " is empty");
  const Shape image{1, 1, slice.H, slice.W};
  KSpace result;
  Measurement& m = result.measurement;
  m.settings = {{"name", "mri"}};
  m.image = image;
  m.data.sensitivity = slice.sensitivity.empty()
                           ? estimate_sensitivity(context, slice)
                           : context.upload({slice.coils, 2, slice.H, slice.W}, slice.sensitivity);
  const bool full = slice.mask.empty();
  std::vector<float> mask(std::size_t(image.plane()), 1.f);
  if (full) {
    Sampling sampling = o.sampling;
    sampling.seed = seed;
    mask = sampling_mask(slice.H, slice.W, sampling);
  } else {
    for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = slice.mask[i % std::size_t(slice.W)];
  }
  const Tensor whole = context.upload({1, 2 * slice.coils, slice.H, slice.W}, slice.kspace);
  const auto scan = [&](const std::vector<float>& observed) {
    OperatorData data = m.data;
    data.mask = context.upload({1, 1, slice.H, slice.W}, observed);
    return make_operator(context, m.settings, data);
  };
  // The image of what the file has.
  const auto reference = full ? scan(std::vector<float>(mask.size(), 1.f)) : scan(mask);
  std::vector<float> seen = context.download(dynamic_cast<LinearOperator&>(*reference).adjoint(whole, image));
  const float largest = *std::max_element(seen.begin(), seen.end());
  require(largest > 0, path, ": the image of slice ", o.slice, " is nowhere positive");

  m.data.mask = context.upload({1, 1, slice.H, slice.W}, mask);
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

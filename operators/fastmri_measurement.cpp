#include "operators/fastmri_measurement.hpp"

#include <algorithm>

#include "kernels/elementwise.hpp"
#include "operators/fastmri.hpp"
#include "operators/mri.hpp"
#include "weights/array_file.hpp"
#include "weights/hdf5_read.hpp"

namespace tweedie {
namespace {

/// W zeros and ones: columns that are 0 in all rows of all coils, and the others.
std::vector<float> columns_with_values(const FastMriSlice& slice) {
  std::vector<float> columns(std::size_t(slice.W), 0.f);
  for (std::size_t i = 0; i < slice.kspace.size(); ++i)
    if (slice.kspace[i] != 0) columns[i % columns.size()] = 1;
  return columns;
}

/// The columns of a file that states no mask: all, unless zeros lie between others. Empty: all.
std::vector<float> implied_mask(const FastMriSlice& slice, const std::string& path,
                                std::vector<std::string>& notes) {
  const std::vector<float> columns = columns_with_values(slice);
  const auto first = std::find(columns.begin(), columns.end(), 1.f);
  const auto last = std::find(columns.rbegin(), columns.rend(), 1.f).base();
  if (std::find(first, last, 0.f) == last) return {};
  const auto measured = std::count(columns.begin(), columns.end(), 1.f);
  notes.push_back(message(path, ": has no mask, and ", std::ptrdiff_t(columns.size()) - measured, " of ",
                          columns.size(),
                          " columns of k-space are 0 in all coils: these are taken as not measured"));
  return columns;
}

}  // namespace

bool is_fastmri(const std::string& path) {
  return holds_kspace_npy(path) || (holds_hdf5(path) && ArrayFile(path).has("kspace"));
}

ForeignMeasurement fastmri_measurement(Context& context, const std::string& path, int index,
                                       const OperatorDescription& asked, std::uint64_t seed) {
  require(!asked.settings.flag("complex"), path,
          ": a slice is restored as a real image; 'complex' is stated");
  const FastMriSlice slice = read_fastmri(path, index);
  require(std::any_of(slice.kspace.begin(), slice.kspace.end(), [](float v) { return v != 0; }), path,
          ": slice ", index, " is empty");
  const Shape image{1, 1, slice.H, slice.W};
  ForeignMeasurement result;
  const std::vector<float> mask = slice.mask.empty() ? implied_mask(slice, path, result.notes) : slice.mask;
  const bool full = mask.empty();
  require(full || !states_sampling(asked.settings), path,
          ": has a mask of its own; a pattern, acceleration, centre or seed means nothing to it");
  Measurement& m = result.measurement;
  m.image = image;
  m.data["sensitivity"] = slice.sensitivity.empty()
                              ? estimate_sensitivity(context, slice)
                              : context.upload({slice.coils, 2, slice.H, slice.W}, slice.sensitivity);
  // The image of what the file has.
  OperatorData all = m.data;
  all["mask"] =
      context.upload({1, 1, 1, slice.W}, full ? std::vector<float>(std::size_t(slice.W), 1.f) : mask);
  const OperatorDescription given{asked.kind, Settings(asked.settings.what(), asked.kind->settings)};
  const auto reference = make_operator(context, given, all);
  const Tensor whole = context.upload({1, 2 * slice.coils, slice.H, slice.W}, slice.kspace);
  std::vector<float> seen = context.download(dynamic_cast<LinearOperator&>(*reference).adjoint(whole, image));
  const float largest = *std::max_element(seen.begin(), seen.end());
  require(largest > 0, path, ": the image of slice ", index, " is nowhere positive");

  m.op = full ? asked : given;
  if (full) {
    m.op->settings.state_defaults();
    m.op->state_seeds(seed);
  } else {
    m.data["mask"] = all["mask"];
  }
  const auto op = make_operator(context, *m.op, m.data);
  Tensor ones = context.planar(image);
  fill(context.queue, ones, 1.f);
  m.y = context.planar(whole.shape());
  axpby(context.queue, m.y, 2 / largest, whole, -1.f, op->forward(ones));
  op->discard_unmeasured(m.y);
  if (full) {
    for (float& v : seen) v = 2 * v / largest - 1;
    result.truth = std::move(seen);
  }
  return result;
}

}  // namespace tweedie

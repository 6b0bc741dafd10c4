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

/// The columns that the file's mask has and that hold something: scanners pad k-space with zeros, and a mask
/// may count them. Errors: a column of the rest was measured in part only.
std::vector<float> stated_mask(const FastMriSlice& slice, const std::string& path,
                               std::vector<std::string>& notes) {
  std::vector<float> mask = slice.mask;
  const std::vector<float> columns = columns_with_values(slice);
  std::size_t empty = 0;
  for (std::size_t w = 0; w < mask.size(); ++w)
    if (mask[w] == 1 && columns[w] == 0) mask[w] = 0, ++empty;
  if (empty > 0)
    notes.push_back(message(path, ": ", empty,
                            " of the columns in its mask are 0 in all coils: these are taken "
                            "as not measured"));
  return mask;
}

/// Errors: entries between others, in columns with values, are 0 in all coils: what was not measured is not
/// whole columns.
void require_whole_columns(const FastMriSlice& slice, const std::string& path) {
  const auto H = std::size_t(slice.H), W = std::size_t(slice.W);
  std::vector<bool> has(H * W, false);
  for (std::size_t i = 0; i < slice.kspace.size(); ++i)
    if (slice.kspace[i] != 0) has[i % (H * W)] = true;
  std::vector<bool> rows(H, false), columns(W, false);
  for (std::size_t i = 0; i < has.size(); ++i)
    if (has[i]) rows[i / W] = columns[i % W] = true;
  const auto first = std::size_t(std::find(rows.begin(), rows.end(), true) - rows.begin());
  const auto last = H - std::size_t(std::find(rows.rbegin(), rows.rend(), true) - rows.rbegin());
  std::size_t empty = 0, all = 0;
  for (std::size_t h = first; h < last; ++h)
    for (std::size_t w = 0; w < W; ++w) {
      all += columns[w];
      empty += columns[w] && !has[h * W + w];
    }
  require(
      100 * empty <= all, path, ": ", empty, " of ", all,
      " entries of k-space are 0 in all coils between "
      "others; only whole columns may be missing (of an array with missing rows, swap the last two axes)");
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
  require_whole_columns(slice, path);
  const std::vector<float> mask =
      slice.mask.empty() ? implied_mask(slice, path, result.notes) : stated_mask(slice, path, result.notes);
  const bool full = mask.empty();
  require(full || !states_sampling(asked.settings), path,
          slice.mask.empty() ? ": was measured in part: columns of k-space are 0 in all coils"
                             : ": has a mask of its own",
          "; a pattern, acceleration, centre or seed means nothing to it");
  if (full && !states_sampling(asked.settings))
    result.notes.push_back(message(path,
                                   ": k-space is complete; a part of it is taken, as --acceleration and its "
                                   "kin say by default (--acceleration 1: all of it)"));
  Measurement& m = result.measurement;
  m.image = image;
  m.data["sensitivity"] = slice.sensitivity.empty()
                              ? estimate_sensitivity(context, slice, path)
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

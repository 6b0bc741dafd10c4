#include "tools/verify/metrics.hpp"

#include <cmath>
#include <functional>

#include "tools/metrics/distributions.hpp"
#include "tools/metrics/similarity.hpp"

namespace tweedie::verify {
namespace {

using metrics::Matrix;
using metrics::Planes;

double number(const ArrayFile& file, const std::string& name) { return file.doubles(name).at(0); }

// The largest of error(i), and where it is.
Check largest(const std::string& name, const std::vector<double>& ours, const std::vector<double>& theirs,
              double tolerance, const std::function<double(std::size_t)>& error) {
  require(ours.size() == theirs.size(), name, ": ", ours.size(), " values, the reference has ",
          theirs.size());
  Check check{name, 0, 0, 0, 0, tolerance};
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double e = ours[i] == theirs[i] ? 0 : error(i);
    if (i > 0 && e <= check.error) continue;
    check.error = e;
    check.worst = i;
    check.ours = ours[i];
    check.theirs = theirs[i];
    if (std::isnan(e)) break;
  }
  return check;
}

// ---- PSNR and SSIM --------------------------------------------------------------------------------------

Planes planes(const ArrayFile& file, const std::string& name, double peak, std::size_t pair = 0) {
  const Extents e = file.extents(name);
  require(e.size() == 3 || e.size() == 4, file.path(), ": ", name, " has shape ", to_string(e));
  const std::size_t axis = e.size() - 3;
  Planes p{int(e[axis]), int(e[axis + 1]), int(e[axis + 2]), {}};
  const std::vector<double> values = file.doubles(name);
  const std::size_t count = std::size_t(p.channels) * p.plane();
  for (std::size_t i = 0; i < count; ++i) p.data.push_back(values.at(pair * count + i) / peak);
  return p;
}

struct Name {
  const char *recorded, *ours;
};
constexpr Name ssims[] = {{"skimage_uniform7", "ssim-uniform7"},
                          {"skimage_uniform7_nosample", "ssim-uniform7-population"},
                          {"skimage_uniform11", "ssim-uniform11"},
                          {"skimage_gaussian", "ssim"},
                          {"skimage_gaussian_sample", "ssim-gaussian-sample"},
                          {"torchmetrics", "ssim-torchmetrics"},
                          {"torchmetrics_range_none", "ssim-torchmetrics-range"},
                          {"torchmetrics_uniform11", "ssim-torchmetrics-uniform11"},
                          {"piq", "ssim-piq"},
                          {"piq_nodownsample", "ssim-piq-full"}};
constexpr Name psnrs[] = {{"skimage", "psnr"},
                          {"skimage_uint8", "psnr"},
                          {"torchmetrics", "psnr"},
                          {"piq", "psnr-piq"},
                          {"piq_greyscale", "psnr-piq-gray"}};

double psnr_named(const std::string& name, const Planes& x, const Planes& y) {
  for (const metrics::PsnrVariant& v : metrics::psnr_variants())
    if (name == v.name) return metrics::psnr(x, y, v);
  throw Error(message("there is no PSNR named ", name));
}

// In double SSIM and PSNR are exact to 1e-9; torchmetrics' logarithm has a constant in float32.
void check_pair(std::vector<Check>& checks, const ArrayFile& file, const std::string& group) {
  const bool fractions = file.has(group + "/b_float");
  const Planes a = planes(file, group + "/a", 255);
  const Planes b = planes(file, group + (fractions ? "/b_float" : "/b"), fractions ? 1 : 255);
  const Planes held_a = metrics::clipped(a), held_b = metrics::clipped(b);
  for (const Name& n : psnrs) {
    const std::string name = group + "/psnr/" + n.recorded;
    if (!file.has(name) || std::isnan(number(file, name))) continue;  // not applicable
    const bool piq = std::string(n.ours) != "psnr", single = std::string(n.recorded) == "torchmetrics";
    const double ours = psnr_named(n.ours, piq ? held_a : a, piq ? held_b : b);
    checks.push_back(single ? close(name, ours, number(file, name), 1e-6)
                            : near(name, ours, number(file, name), 1e-9));
  }
  for (const Name& n : ssims) {
    const std::string name = group + "/ssim/" + n.recorded,
                      channels = group + "/ssim_per_channel/" + n.recorded;
    const bool piq = std::string(n.recorded).starts_with("piq");
    const metrics::SsimVariant& variant = metrics::ssim_variant(n.ours);
    // A variance is the difference of moments of about 1, each off by some 2^-53, and stands beside C2.
    const double c2 = 0.03 * metrics::data_range(a, b, variant), tolerance = 1e-9 + 8 * 0x1p-53 / (c2 * c2);
    if (file.has(name) && !std::isnan(number(file, name)))
      checks.push_back(near(name, metrics::ssim(piq ? held_a : a, piq ? held_b : b, variant),
                            number(file, name), tolerance));
    if (file.has(channels))
      checks.push_back(
          near(channels, metrics::ssim_per_channel(a, b, variant), file.doubles(channels), 1e-9));
  }
  checks.push_back(
      close(group + "/mse", metrics::mean_squared_error(a, b), number(file, group + "/mse"), 1e-12));
  checks.push_back(close(group + "/mse_clipped", metrics::mean_squared_error(held_a, held_b),
                         number(file, group + "/mse_clipped"), 1e-12));
}

// Two pairs: piq gives a number each, torchmetrics pools the squares.
void check_batch(std::vector<Check>& checks, const ArrayFile& file, const std::string& group) {
  std::vector<double> psnr, ssim;
  double mse = 0, mean = 0;
  const auto pairs = std::size_t(file.extents(group + "/a").at(0));
  for (std::size_t k = 0; k < pairs; ++k) {
    const Planes a = planes(file, group + "/a", 255, k), b = planes(file, group + "/b", 255, k);
    psnr.push_back(psnr_named("psnr-piq", a, b));
    ssim.push_back(metrics::ssim(a, b, metrics::ssim_variant("ssim-piq")));
    mse += metrics::mean_squared_error(a, b) / double(pairs);
    mean += metrics::ssim(a, b, metrics::ssim_variant("ssim-torchmetrics")) / double(pairs);
  }
  checks.push_back(near(group + "/psnr/piq_each", psnr, file.doubles(group + "/psnr/piq_each"), 1e-9));
  checks.push_back(near(group + "/ssim/piq_each", ssim, file.doubles(group + "/ssim/piq_each"), 1e-9));
  checks.push_back(close(group + "/psnr/torchmetrics_pooled", metrics::decibels(mse),
                         number(file, group + "/psnr/torchmetrics_pooled"), 1e-6));
  checks.push_back(
      near(group + "/ssim/torchmetrics_mean", mean, number(file, group + "/ssim/torchmetrics_mean"), 1e-9));
}

// ---- Frechet and kernel distances -----------------------------------------------------------------------

Matrix matrix(const ArrayFile& file, const std::string& name) {
  const Extents e = file.extents(name);
  require(e.size() == 2 && e[0] < (1 << 20) && e[1] < (1 << 20), file.path(), ": ", name, " has shape ",
          to_string(e), ", expected a matrix");
  Matrix m = Matrix(int(e[0]), int(e[1]));
  m.data = file.doubles(name);
  return m;
}

// Row `side` of subset s of a dataset (S, 2, m).
std::vector<int> subset(const std::vector<std::int64_t>& all, std::int64_t m, std::int64_t s,
                        std::int64_t side) {
  std::vector<int> rows;
  for (std::int64_t k = 0; k < m; ++k) rows.push_back(int(all.at(std::size_t((2 * s + side) * m + k))));
  return rows;
}

std::vector<double> kernel_distances(const ArrayFile& file, const std::string& subsets, const Matrix& x,
                                     const Matrix& y, bool y_first) {
  const Extents e = file.extents(subsets);
  require(e.size() == 3 && e[1] == 2, file.path(), ": ", subsets, " has shape ", to_string(e));
  const std::vector<std::int64_t> all = file.integers(subsets);
  std::vector<double> values;
  for (std::int64_t s = 0; s < e[0]; ++s)
    values.push_back(
        metrics::kernel_distance(x, y, subset(all, e[2], s, y_first), subset(all, e[2], s, !y_first)));
  return values;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / double(values.size());
}

double deviation_of(const std::vector<double>& values) {
  const double mean = mean_of(values);
  std::vector<double> squares;
  for (const double value : values) squares.push_back((value - mean) * (value - mean));
  return std::sqrt(mean_of(squares));
}

void check_kernel_distances(std::vector<Check>& checks, const ArrayFile& file, const std::string& group,
                            const Matrix& x, const Matrix& y) {
  const std::string kid = group + "/kid/";
  const std::vector<double> values = kernel_distances(file, kid + "subsets", x, y, false);
  checks.push_back(each_close(kid + "mmd", values, file.doubles(kid + "mmd"), 1e-9));
  if (file.has(kid + "torchmetrics_mmd"))
    checks.push_back(
        each_close(kid + "torchmetrics_mmd", values, file.doubles(kid + "torchmetrics_mmd"), 1e-9));
  checks.push_back(close(kid + "mean", mean_of(values), number(file, kid + "mean"), 1e-9));
  checks.push_back(close(kid + "std", deviation_of(values), number(file, kid + "std"), 1e-9));
  checks.push_back(close(kid + "clean_fid",
                         mean_of(kernel_distances(file, kid + "clean_fid_subsets", x, y, true)),
                         number(file, kid + "clean_fid"), 1e-9));
  std::vector<int> first;
  for (int i = 0; i < std::min(x.rows, y.rows); ++i) first.push_back(i);
  checks.push_back(close(kid + "full_equal_n", metrics::kernel_distance(x, y, first, first),
                         number(file, kid + "full_equal_n"), 1e-9));
}

void check_frechet(std::vector<Check>& checks, const ArrayFile& file, const std::string& group,
                   const Matrix& x, const Matrix& y) {
  const metrics::FeatureStatistics of_x = metrics::statistics_of(x), of_y = metrics::statistics_of(y);
  const double exact = number(file, group + "/exact");
  const auto compare_to = [&](const std::string& form, double ours, double theirs, double tolerance) {
    // Equal sets: all forms end within rounding of 0.
    checks.push_back(std::abs(exact) < 1e-6 ? near(group + form, ours, theirs, tolerance)
                                            : close(group + form, ours, theirs, tolerance));
  };
  // Statistics of fewer samples than features are singular; their roots take rounding errors for eigenvalues,
  // as those of constant features do.
  const bool full_rank = group.starts_with("well") || group.starts_with("ill") || std::abs(exact) < 1e-6;
  const double of_statistics = full_rank ? 1e-9 : 1e-6;
  const bool few = std::min(x.rows, y.rows) < x.columns;
  compare_to("/exact, of samples", metrics::frechet_distance(x, y), exact, few ? 1e-9 : of_statistics);
  compare_to("/exact, of samples and statistics", metrics::frechet_distance(x, of_y), exact, of_statistics);
  if (x.columns < 1000)  // two decompositions of 2048 x 2048 would take their time
    compare_to("/exact, of statistics", metrics::frechet_distance(of_x, of_y), exact, of_statistics);
  // pytorch-fid, clean-fid and torch-fidelity average float32 features in float32; all take roots of singular
  // matrices where samples are few.
  for (const char* package : {"pytorch_fid", "clean_fid", "torch_fidelity", "torchmetrics"})
    if (const std::string name = std::string("/") + package; file.has(group + name))
      compare_to(name, metrics::frechet_distance(x, y), number(file, group + name), 1e-6);
  if (!file.has(group + "/sigma_x")) return;
  // pytorch-fid's means of float32 features are of float32.
  checks.push_back(compare<double>(group + "/mu_x", of_x.mean, file.doubles(group + "/mu_x"), 1e-6));
  checks.push_back(compare<double>(group + "/mu_y", of_y.mean, file.doubles(group + "/mu_y"), 1e-6));
  const std::vector<double> sigma_x = file.doubles(group + "/sigma_x"),
                            sigma_y = file.doubles(group + "/sigma_y");
  checks.push_back(compare<double>(group + "/sigma_x", of_x.covariance.data, sigma_x, 1e-9));
  checks.push_back(compare<double>(group + "/sigma_y", of_y.covariance.data, sigma_y, 1e-9));
}

}  // namespace

Check close(const std::string& name, double ours, double theirs, double tolerance) {
  return each_close(name, {ours}, {theirs}, tolerance);
}

Check near(const std::string& name, double ours, double theirs, double tolerance) {
  return near(name, std::vector{ours}, std::vector{theirs}, tolerance);
}

Check near(const std::string& name, const std::vector<double>& ours, const std::vector<double>& theirs,
           double tolerance) {
  Check check =
      largest(name, ours, theirs, tolerance, [&](std::size_t i) { return std::abs(ours[i] - theirs[i]); });
  check.absolute = true;
  return check;
}

Check each_close(const std::string& name, const std::vector<double>& ours, const std::vector<double>& theirs,
                 double tolerance) {
  return largest(name, ours, theirs, tolerance,
                 [&](std::size_t i) { return std::abs(ours[i] - theirs[i]) / std::abs(theirs[i]); });
}

std::string recorded_kind(const ArrayFile& file) {
  return file.has_attribute("kind") ? file.text_attribute("kind") : "";
}

std::vector<Check> check_similarity(const ArrayFile& file) {
  std::vector<Check> checks;
  for (const std::string& group : file.names())
    file.has(group + "/psnr/piq_each") ? check_batch(checks, file, group) : check_pair(checks, file, group);
  return checks;
}

std::vector<Check> check_distributions(const ArrayFile& file) {
  std::vector<Check> checks;
  for (const std::string& group : file.names()) {
    const Matrix x = matrix(file, group + "/x"), y = matrix(file, group + "/y");
    check_frechet(checks, file, group, x, y);
    if (file.has(group + "/kid/subsets")) check_kernel_distances(checks, file, group, x, y);
  }
  return checks;
}

}  // namespace tweedie::verify

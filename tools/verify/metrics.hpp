// Recorded values of metrics: PSNR and SSIM, Frechet and kernel distances, LPIPS, Inception. The recordings
// were made with weights by a formula (`FilledSource`), so that no trained ones are needed. Each value has a
// tolerance of its own: double arithmetic to 1e-9, networks to what float32 allows.
#pragma once

#include "tools/verify/checks.hpp"

namespace tweedie::verify {

/// PSNR and SSIM of pairs of images, by every tool.
std::vector<Check> check_similarity(const ArrayFile& file);
/// Frechet and kernel distances of recorded features.
std::vector<Check> check_distributions(const ArrayFile& file);
/// LPIPS with three networks, its layers and gradients.
std::vector<Check> check_lpips(const Setup& setup, const ArrayFile& file);
/// Inception's features of the photographs named in the file, and the resizers before it. Reads them from
/// `setup.images`, or from the folder `images` beside the file's own.
std::vector<Check> check_inception(const Setup& setup, const ArrayFile& file);

/// The kind that a file says it is of: its root attribute `kind`, or nothing.
std::string recorded_kind(const ArrayFile& file);

// ---- comparisons ----------------------------------------------------------------------------------------

/// One number; equal infinities agree.
Check close(const std::string& name, double ours, double theirs, double tolerance);
/// As above, by |ours - theirs|.
Check near(const std::string& name, double ours, double theirs, double tolerance);
/// Many, by the largest |ours - theirs|.
Check near(const std::string& name, const std::vector<double>& ours, const std::vector<double>& theirs,
           double tolerance);
/// Many, by the largest |ours - theirs| / |theirs|.
Check each_close(const std::string& name, const std::vector<double>& ours, const std::vector<double>& theirs,
                 double tolerance);

}  // namespace tweedie::verify

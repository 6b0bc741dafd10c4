// Which entries of Cartesian k-space are measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tweedie {

/// Which entries of k-space are measured.
struct Sampling {
  /// "uniform1d", "gaussian1d", "equispaced1d": whole columns; "uniform2d", "gaussian2d": single entries.
  /// Uniform: all alike; Gaussian: drawn one after another without replacement, with odds that fall off from
  /// frequency 0 like a Gaussian of standard deviation 1/6 of the side; equispaced: evenly spread over what
  /// the centre leaves (as if it were cut out), beginning at random.
  std::string pattern = "uniform1d";
  double acceleration = 4;  ///< how many times fewer entries than k-space has
  /// Fraction of the columns, of 2-D patterns of rows and of columns, about frequency 0, that is always
  /// measured; rounded to a whole number of them.
  double centre = 0.08;
  std::uint64_t seed = 0;
};

/// The mask of H W zeros and ones, frequency 0 at (H/2, W/2): W / acceleration columns, or H W / acceleration
/// entries, rounded to the nearest number and met exactly, the centre's among them. The same for the same
/// seed. Errors: an unknown pattern; an acceleration below 1; a centre outside [0, 1] or larger than what the
/// acceleration leaves; nothing measured at all.
std::vector<float> sampling_mask(int H, int W, const Sampling& sampling);

}  // namespace tweedie

// What group norm requires of its arguments, for both backends. Included by group_norm.cpp alone.
#pragma once

#include "kernels/group_norm.hpp"

namespace tweedie::group_norm_cpu {

inline void check(const Shape& x, int b, const View<const float>& stats, const GroupNormParameters& p) {
  require(b > 0 && x.C % b == 0, "group_norm: block ", b, " does not divide the ", x.C, " channels");
  require(p.groups > 0 && x.C % p.groups == 0, "group_norm: ", p.groups, " groups do not divide the ", x.C,
          " channels");
  require(p.resample != Resample::down || (x.H % 2 == 0 && x.W % 2 == 0), "group_norm: ", x,
          " cannot be halved");
  const Shape expected{x.N, p.groups, 1, 2};
  require(stats.shape == expected && stats.b == 1, "group_norm: stats are ", stats.shape, " b=", stats.b,
          ", expected ", expected, " b=1");
}

// The two make up `whole`, whose block is b.
inline void check_parts(const char* op, const Queue& q, const Shape& whole, int b, const MapView& first,
                        const MapView& second) {
  const auto pixels_match = [&](const Shape& s) {
    return s.N == whole.N && s.H == whole.H && s.W == whole.W;
  };
  require(pixels_match(first.shape) && (!second || pixels_match(second.shape)) &&
              first.C() + second.C() == whole.C,
          op, ": ", first.shape, " and ", second.shape, " do not make up ", whole);
  const bool equal = first.b == b && (!second || second.b == b) && first.C() % b == 0;
  const bool channels_last = b == whole.C && first.b == first.C() && second.b == second.C();
  require(equal || (q.on_cuda() && channels_last), op, ": blocks ", first.b, " and ", second.b,
          " do not go into blocks of ", b);
}

// A map's shape and layout alone.
inline View<const float> geometry(const MapView& x) { return {nullptr, x.shape, x.b}; }

// x, `b` its block, as what goes with it has to lie: y and dy are of its sides resampled.
inline void check_map(const char* op, const Queue& q, const SplitMap& x, const MapView& y,
                      const GroupNormParameters& p) {
  const Shape shape = x.shape();
  require(y.storage == Storage::fp32 || (!q.on_cuda() && x.first.storage == Storage::bf16), op,
          ": what a norm makes is stored as bf16 only on the CPU, and of such a map");
  if (!x.second)
    return require_alike(op, geometry(y),
                         View<const float>(nullptr, resampled(p.resample, shape), x.first.b));
  require(x.first.storage == x.second.storage, op, ": two parts that are stored differently");
  require(p.resample == Resample::none, op, ": a map in two parts, of a norm that resamples");
  check_parts(op, q, y.shape, y.b, x.first, x.second);
}

}  // namespace tweedie::group_norm_cpu

// Conjugate gradients on a batch: one system a sample.
#pragma once

#include <functional>
#include <vector>

#include "engine/context.hpp"

namespace tweedie {

/// Called after each iteration with its number, from 1, and how far the worst sample is from what it is to
/// be (what that means is said where it is passed); false ends the work, and what is reached is returned.
using SolverProgress = std::function<bool(int iteration, double residual)>;

/// A linear map of batches, sample by sample.
using LinearMap = std::function<Tensor(const Tensor&)>;

/// A linear map B that M, given p, leaves B p of. What is taken of p for x is taken of B p, too: B x costs
/// nothing more.
struct Alongside {
  const Tensor& of_p;  ///< B p of M's last argument
  Tensor& of_x;        ///< alike; of x = 0 at the start
};

/// How far `conjugate_gradients` came.
struct Solved {
  int iterations = 0;
  Scalars residual;  ///< |b - M x| / |b| of each sample by the recurrence, 0 where b is 0
};

/// Solves M x = b for symmetric positive semidefinite M that keep samples apart (Hestenes & Stiefel 1952):
/// x is where to start and becomes the solution, alike b; an empty one starts from 0, which saves a call of
/// M. `P`, positive definite, is near M's inverse, the nearer the faster; none stands for 1. Norms are |r|^2
/// = r^T P r. Scalars and sums are in double, one a sample; each sample stops by itself once |b - M x| <=
/// tolerance |b|, or where M has no more to give (b need not be in M's range). The residual is kept up by its
/// recurrence, which in float drifts away from what b - M x is by some 1e-7 of M's condition: a caller to
/// whom that matters refines (see `wiener`). At most `cap` iterations. Progress: the largest relative
/// residual.
Solved conjugate_gradients(Context& context, Tensor& x, const LinearMap& M, const Tensor& b, double tolerance,
                           int cap, const SolverProgress& progress = {}, const LinearMap& P = {},
                           const Alongside* alongside = nullptr);

}  // namespace tweedie

// Sampling from the score: the reverse SDE, the probability-flow ODE, Langevin dynamics; why they run the way
// they do, and what a step of each computes.
//
// Forward, in the time tau = -log abar, a variance-preserving diffusion is the Ornstein-Uhlenbeck process
//   dx = f dtau + g dw ,  f = -x / 2 ,  g = 1 ,
// (in the time t of the literature tau' = beta(t)), which carries N(m, S) at tau = 0 to
//   p_tau = N(sqrt(abar) m, v) ,  v(tau) = abar S + 1 - abar ,  score = -(x - sqrt(abar) m) / v .
//
// Backwards, the density obeys the Fokker-Planck equation read the other way. With s = T - tau:
//   dp/dtau = -div(f p) + g^2/2 Laplace p   =>   dp/ds = div(f p) - g^2/2 Laplace p .
// The last term has the wrong sign for a diffusion. As Laplace p = div(p score), g^2 of it moves into the
// drift:
//   dp/ds = -div((-f + g^2 score) p) + g^2/2 Laplace p ,
// which is the equation of a diffusion with drift -f + g^2 score in the time s that increases:
//   dx = (-f + g^2 score) ds + g dw ,   the same as   dx = (f - g^2 score) dtau + g dw  with dtau < 0
// (Anderson 1982; Song et al., ICLR 2021, Eq. 6). The minus sign in the second form belongs to the negative
// dtau: per positive ds the score is *added*, and pulls towards the data. Moving all of g^2/2 Laplace p into
// the drift instead leaves no noise: the probability flow dx = (-f + g^2/2 score) ds (their Eq. 13).
//
// It contracts. Reversing f alone gives dx = x/2 ds + dw, an unstable process: two of its paths with the same
// noise part as e^{s/2}, its variance grows as e^s. With the score, of a Gaussian, two paths approach as
//   d(delta)/ds = (1/2 - 1/v) delta :
// v = 1 for unit variance, delta falls as e^{-s/2}, forwards and backwards alike; it falls where v < 2, that
// is everywhere for data narrower than noise, and for wider data (S > 2) all but the last log(S - 1) of the
// way. Over the whole way
//   delta(tau = 0) = sqrt(abar_T) S / (abar_T S + 1 - abar_T) delta(T) ,
// the regression of x_0 on x_T: an error in x_T is forgotten as S e^{-T/2}, and the variance ends at S
// whatever it began with, up to the square of that. (tests/engine/score_sde.cpp runs just this.) The flow
// forgets nothing: delta(0) = sqrt(S / v(T)) delta(T). The price of the noise: Euler-Maruyama is of first
// order, Heun on the flow of second.
//
// The variance-exploding form is the same process in other coordinates: x_ve = x / sqrt(abar) has f = 0 and
// noise of variance sigma^2 = (1 - abar) / abar,
//   dx_ve = sqrt(d sigma^2) z ,  score_ve = sqrt(abar) score = -eps / sigma ,  dx_ve / dsigma = eps (flow),
// from the same denoiser. The results agree as the steps shrink and differ before: of an exact posterior, 50
// steps of the reverse SDE miss the mean by 0.6 standard deviations in x_t, by 0.0003 in x_ve. All states a
// caller sees (Step::x, the returned one, what guidance gets) stay x_t; only the step in between is taken in
// x_ve.
//
// Everywhere score = -eps / sqrt(1 - abar), with eps = (x_t - sqrt(abar) x0_hat) / sqrt(1 - abar) re-derived
// from the x0_hat that options may clip, as DDIM does.
#pragma once

#include "engine/sampler.hpp"

namespace tweedie {

/// Euler-Maruyama on the reverse SDE, abar -> abar' (z: `noise`, alike; none at index 0):
///   vp: next = x + beta (x / 2 + score) + sqrt(beta) z ,  beta = 1 - abar / abar' for the length dtau of the
///       step (the same to first order, and never above 1, however coarse the schedule);
///   ve: x_ve' = x_ve + (sigma^2 - sigma'^2) score_ve + sqrt(sigma^2 - sigma'^2) z .
/// The last ve step is x0_hat; the last vp step is sqrt(abar) x0_hat + beta x / 2.
void reverse_sde_step(const Step& step, View<float> next, View<const float> noise);

/// Euler on the probability flow:
///   vp: next = x + dtau (x + score) / 2 ,  dtau = log(abar' / abar) ;
///   ve: x_ve' = x_ve + (sigma' - sigma) eps , which is deterministic DDIM.
void probability_flow_step(const Step& step, View<float> next);

/// Heun's second half (Karras et al., NeurIPS 2022, Algorithm 1, without churn): adds half a step times the
/// difference of the slopes at `next` and at x, with one more evaluation of the denoiser, at `next`. Not for
/// the last step, which has no score at its end. A guided `next` is one that guidance has moved already.
void heun_correction(Step& step, Denoiser& denoiser, Tensor& next);

/// One update at a fixed noise level, x + e score + sqrt(2 e) z, z a standard normal that is used up:
///   pc: e = 2 (r |z| / |score|)^2 for each sample, times 1 - beta in vp (Song et al., ICLR 2021, Algorithms
///       4 and 5; here the corrections come before the predictor of the same level);
///   langevin: e = 2 r^2 (1 - abar), proportional to the variance of the noise (Song & Ermon, NeurIPS 2019,
///       Algorithm 1, whose step size on CIFAR-10 is r = 0.22).
/// Where the data are much narrower than the noise the two agree; elsewhere pc's is, for white data of
/// variance S, (abar S + 1 - abar) / (1 - abar) times as large. The second is the same in vp and ve. Langevin
/// alone has to follow the noise down: of the spectrum prior's finest mode (variance 2e-3) 1000 levels
/// leave 4.2 times the variance with one update at r = 0.16, 1.2 times with three at r = 0.4.
Tensor langevin_update(const Step& step, Tensor z);

/// Annealed Langevin's way to the next level: x_ve is taken over as it is, in either parameterisation.
/// (Taking over x_t would leave the growth of sqrt(abar) x_0 to the updates, which are slow in wide modes.)
/// The last level ends with x0_hat instead (Jolicoeur-Martineau et al., ICLR 2021).
Tensor carried_over(const Step& step);

}  // namespace tweedie

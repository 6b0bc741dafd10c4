// Multistep integrators of the probability flow: second and third order for one evaluation a step.
#pragma once

#include "engine/sampler.hpp"

namespace tweedie {

/// The probability flow in lambda = log(sqrt(abar) / sqrt(1 - abar)), whose linear part is solved exactly,
///   x' = sqrt((1 - abar') / (1 - abar)) x + sqrt(1 - abar') int_lambda^lambda' e^l x0_hat(l) dl ,
/// x0_hat(l) by the polynomial through the estimates of this step and the last ones: two for dpmpp2, three
/// for dpmpp3, fewer as long as there are not so many (exponential Adams-Bashforth; DPM-Solver++'s multistep
/// form, Lu et al., 2022, with the integrals of the polynomial exact). No noise. Of one estimate it is
/// deterministic DDIM, which the last step is. Keeps the estimate for the next steps; writes `next`.
void multistep(Step& step, View<float> next);

}  // namespace tweedie

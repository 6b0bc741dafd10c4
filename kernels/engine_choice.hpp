// Which of cuDNN's engines a convolution runs on: chosen by the clock once, and remembered. Included only
// where CUDA is on.
#pragma once

#include "kernels/choices.hpp"
#include "kernels/cudnn.hpp"

namespace tweedie::cudnn {

/// The plan that convolutions of this problem run. On its first use on a device the engines' times are
/// measured, on memory of their own, and the fastest is taken that needs no more workspace than a sixteenth
/// of the device's memory; an engine that fails, or finds no memory, is passed over, and one that cuDNN
/// expects to be slower has to win by more than the clock's noise. What was chosen is kept in
/// `engine_choices` by device, cuDNN version and problem, and later processes neither measure it nor change
/// its bits: results repeat from run to run as long as that file stays, on machines that share it, and within
/// a process always. An engine cuDNN no longer offers is chosen anew. Where there is no memory to measure on,
/// it is cuDNN's own estimate that chooses, which is not kept. Errors: cuDNN has no engine.
ConvolutionPlan chosen_plan(Queue& q, cudnnHandle_t handle, const ConvolutionProblem& problem);

/// Seconds of the fastest engine of all, whatever workspace it takes, each timed `repeats` times; infinity
/// where all fail. Errors: cuDNN has no engine, no memory for the tensors.
double fastest_seconds(Queue& q, cudnnHandle_t handle, const ConvolutionProblem& problem, Order order,
                       int repeats);

/// This process's choices, kept in the file of `engine_cache_path`.
Choices& engine_choices();

}  // namespace tweedie::cudnn

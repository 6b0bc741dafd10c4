// Self-attention of a map's pixels, in blocks: the (T, T) matrix of weights never exists as a whole.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// How the channels of qkv are divided.
struct AttentionForm {
  int heads = 1;           ///< of c = C / heads channels each
  bool new_order = false;  ///< all q, all k, all v; else [q, k, v] of each head in turn
};

/// y = softmax(q k^T / sqrt(c)) v for each sample and head over its T = H*W pixels; q, k, v (T, c) are rows
/// of qkv (N, 3C, H, W), y (N, C, H, W) has the heads side by side; both channels-last. (Vaswani et al. 2017;
/// guided-diffusion's QKVAttentionLegacy and QKVAttention.) The row maximum is subtracted first: large logits
/// do not overflow, NaN makes its row NaN. Scratch: on the CPU rows of weights, 512 KiB a thread or 64 rows
/// of T; on CUDA none. (On CUDA blocks of 32 x 32 with a running maximum: Milakov & Gimelshein 2018; Dao et
/// al. 2022.) y may not overlap qkv.
/// Errors: y and qkv not of such shapes and layouts, heads that do not divide C.
void attention(Queue& q, View<float> y, View<const float> qkv, const AttentionForm& form);

/// dqkv = J^T dy, laid out as qkv; the weights are formed again, by blocks. With `y` what `attention` gives
/// is formed again, too. Bits do not depend on the number of threads. Scratch: on the CPU that of `attention`
/// twice, and a head's dk and dv up to 31 times; on CUDA a few floats a pixel and head. dqkv and y overlap
/// neither dy nor qkv.
/// Errors: as `attention`; dy not as y, dqkv not as qkv.
void attention_backward(Queue& q, View<float> dqkv, View<const float> dy, View<const float> qkv,
                        const AttentionForm& form, View<float> y = {});

namespace cuda {
void attention(Queue& q, View<float> y, View<const float> qkv, const AttentionForm& form);
void attention_backward(Queue& q, View<float> dqkv, View<const float> dy, View<const float> qkv,
                        const AttentionForm& form, View<float> y);
}  // namespace cuda

}  // namespace tweedie

// The shapes each op is tested and timed with, as plain data: tests run the `_small` rows, the bench runs the
// `_unet` rows. Add an op's rows here and both see them.
//
// Small rows are the awkward ones: odd H*W, one pixel, batch 3, H != W, one group, b = 1, 16 and C, and a
// batch of none. The others are what occurs around and inside the two published 256x256 guided-diffusion
// U-Nets: FFHQ (128 channels, one residual block per level, 64 per head, attention at 16x16 and 8x8) and
// ImageNet (256 channels, two blocks, attention at 32x32, 16x16 and 8x8).
#pragma once

#include "kernels/axis_filter.hpp"
#include "kernels/convolution.hpp"
#include "kernels/view.hpp"

namespace tweedie::cases {

/// As a row's b: the block convolutions of the backend want for that many channels.
inline constexpr int backend_block = 0;
inline int block(Device device, int b, int channels) {
  return b == backend_block ? convolution_block(device, channels) : b;
}

// ---- maps over elements: elementwise, random, reduce -----------------------------------------------------
struct MapCase {
  Shape shape;
  int b = 1;
};
inline constexpr MapCase maps_small[] = {
    {{1, 1, 1, 1}},        {{3, 5, 7, 3}},       {{2, 3, 17, 11}},    {{2, 32, 5, 3}, 16},
    {{3, 48, 1, 1}, 16},   {{1, 24, 9, 5}, 24},  {{2, 6, 3, 3}, 3},   {{1, 4, 64, 64}},
    {{2, 64, 33, 31}, 16}, {{3, 20, 13, 7}, 20}, {{0, 16, 4, 4}, 16},
};
inline constexpr MapCase maps_unet[] = {
    {{1, 3, 256, 256}},
    {{16, 3, 256, 256}},
    {{1, 128, 256, 256}, backend_block},
    {{1, 256, 256, 256}, backend_block},
    {{1, 256, 64, 64}, backend_block},
    {{1, 1024, 8, 8}, backend_block},
};

// ---- multiply by a mask whose N and C may be 1 -----------------------------------------------------------
struct MaskCase {
  Shape x, mask;
};
inline constexpr MaskCase masks_small[] = {
    {{1, 1, 1, 1}, {1, 1, 1, 1}}, {{3, 3, 7, 5}, {1, 1, 7, 5}}, {{3, 3, 7, 5}, {3, 1, 7, 5}},
    {{2, 3, 8, 4}, {1, 3, 8, 4}}, {{2, 3, 8, 4}, {2, 3, 8, 4}}, {{0, 3, 4, 4}, {1, 1, 4, 4}},
};
inline constexpr MaskCase masks_unet[] = {
    {{1, 3, 256, 256}, {1, 1, 256, 256}},
    {{16, 3, 256, 256}, {1, 1, 256, 256}},
};

// ---- group_norm ------------------------------------------------------------------------------------------
struct GroupNormCase {
  Shape shape;
  int b, groups;
  bool modulated, silu;
};
inline constexpr GroupNormCase group_norms_small[] = {
    {{1, 1, 1, 1}, 1, 1, false, false},     {{3, 6, 5, 7}, 1, 3, false, true},
    {{3, 32, 5, 3}, 16, 32, true, true},    {{2, 64, 3, 5}, 16, 1, true, true},
    {{1, 96, 7, 9}, 16, 32, false, false},  {{2, 64, 1, 1}, 64, 32, true, true},
    {{3, 128, 3, 3}, 128, 32, false, true}, {{2, 48, 4, 6}, 48, 4, true, false},
    {{1, 512, 8, 8}, 16, 32, true, true},   {{2, 32, 33, 17}, 32, 32, true, true},
    {{0, 32, 4, 4}, 16, 32, false, true},
};
inline constexpr GroupNormCase group_norms_unet[] = {
    {{1, 128, 256, 256}, backend_block, 32, false, true},
    {{1, 128, 256, 256}, backend_block, 32, true, true},
    {{1, 256, 256, 256}, backend_block, 32, true, true},
    {{1, 512, 256, 256}, backend_block, 32, false, true},
    {{1, 256, 64, 64}, backend_block, 32, true, true},
    {{1, 512, 16, 16}, backend_block, 32, false, false},
    {{1, 1024, 8, 8}, backend_block, 32, true, true},
    {{4, 128, 256, 256}, backend_block, 32, true, true},
};

// ---- convolution -----------------------------------------------------------------------------------------
struct ConvolutionCase {
  int N, H, W;  ///< of the input
  ConvolutionGeometry geometry;
};
inline constexpr ConvolutionCase convolutions_small[] = {
    {1, 1, 1, {16, 16, 3, 1, 1}},
    {3, 5, 7, {16, 32, 3, 1, 1}},
    {2, 9, 4, {32, 16, 1, 1, 0}},
    {2, 8, 6, {48, 32, 3, 2, 1}},
    {1, 7, 5, {16, 16, 3, 2, 1}},
    {1, 11, 3, {64, 96, 3, 1, 1}},
    {2, 6, 10, {16, 16, 4, 2, 1}},
    {1, 6, 5, {32, 128, 1, 1, 0}},
    {1, 12, 12, {16, 16, 7, 1, 3}},
    {0, 4, 4, {16, 16, 3, 1, 1}},
    {1, 6, 5, {32, 32, 3, 1, 0}},
    {1, 7, 11, {16, 16, 4, 2, 1}},
    // Enough 4x4 tiles for Winograd, where the library has it.
    {1, 34, 40, {64, 48, 3, 1, 1}},
    {3, 21, 19, {32, 32, 3, 1, 1}},
    {1, 33, 35, {16, 32, 3, 1, 1}},
};
inline constexpr ConvolutionCase convolutions_unet[] = {
    // FFHQ
    {1, 256, 256, {16, 128, 3, 1, 1}},
    {1, 256, 256, {128, 16, 3, 1, 1}},
    {1, 256, 256, {128, 128, 3, 1, 1}},
    {1, 256, 256, {256, 128, 3, 1, 1}},
    {1, 256, 256, {256, 128, 1, 1, 0}},
    {1, 128, 128, {128, 128, 3, 1, 1}},
    {1, 64, 64, {128, 256, 3, 1, 1}},
    {1, 64, 64, {256, 256, 3, 1, 1}},
    {1, 64, 64, {512, 256, 3, 1, 1}},
    {1, 32, 32, {256, 256, 3, 1, 1}},
    {1, 16, 16, {512, 512, 3, 1, 1}},
    {1, 16, 16, {512, 1536, 1, 1, 0}},
    {1, 8, 8, {512, 512, 3, 1, 1}},
    {1, 8, 8, {1024, 512, 3, 1, 1}},
    // ImageNet
    {1, 256, 256, {256, 256, 3, 1, 1}},
    {1, 256, 256, {512, 256, 3, 1, 1}},
    {1, 128, 128, {512, 256, 3, 1, 1}},
    {1, 64, 64, {512, 512, 3, 1, 1}},
    {1, 32, 32, {1024, 512, 3, 1, 1}},
    {1, 16, 16, {1024, 1024, 3, 1, 1}},
    {1, 16, 16, {2048, 1024, 3, 1, 1}},
    {1, 8, 8, {2048, 1024, 3, 1, 1}},
    // a batch
    {4, 256, 256, {128, 128, 3, 1, 1}},
    {4, 16, 16, {512, 512, 3, 1, 1}},
};

// ---- matmul: c (m, n) = op(a) op(b), inner size k --------------------------------------------------------
struct MatmulCase {
  int batch, m, n, k;
  bool a_transposed, b_transposed;
};
inline constexpr MatmulCase matmuls_small[] = {
    {1, 1, 1, 1, false, false},   {1, 3, 5, 7, false, false}, {3, 5, 4, 9, true, false},
    {2, 17, 3, 33, false, true},  {3, 6, 11, 2, true, true},  {1, 1, 40, 24, false, true},
    {4, 16, 16, 64, true, false},
};
inline constexpr MatmulCase matmuls_unet[] = {
    {1, 1, 512, 128, false, true},   {1, 1, 1024, 512, false, true},   {16, 1, 1024, 512, false, true},
    {1, 1, 2048, 1024, false, true}, {8, 256, 256, 64, false, true},   {8, 256, 64, 256, false, false},
    {8, 64, 64, 64, false, true},    {8, 1024, 1024, 64, false, true}, {8, 1024, 64, 1024, false, false},
    {16, 256, 256, 64, false, true}, {16, 256, 64, 256, false, false},
};

// ---- softmax over W --------------------------------------------------------------------------------------
inline constexpr Shape softmaxes_small[] = {
    {1, 1, 1, 1}, {3, 2, 5, 7}, {2, 1, 3, 33}, {1, 3, 2, 257}, {1, 1, 1, 1025}, {2, 2, 4, 64}, {0, 1, 4, 8},
};
inline constexpr Shape softmaxes_unet[] = {
    {1, 8, 256, 256}, {1, 8, 64, 64}, {1, 8, 1024, 1024}, {1, 16, 256, 256}, {4, 8, 256, 256},
};

// ---- resample: the smaller of the two shapes -------------------------------------------------------------
inline constexpr MapCase resamples_small[] = {
    {{1, 1, 1, 1}},      {{3, 2, 3, 5}},    {{2, 32, 5, 3}, 16}, {{1, 48, 1, 4}, 16},
    {{2, 24, 3, 2}, 24}, {{1, 6, 7, 9}, 3}, {{0, 16, 2, 2}, 16}, {{2, 16, 4, 8}, 16},
};
inline constexpr MapCase resamples_unet[] = {
    {{1, 128, 128, 128}, backend_block}, {{1, 128, 64, 64}, backend_block}, {{1, 256, 32, 32}, backend_block},
    {{1, 256, 128, 128}, backend_block}, {{1, 512, 8, 8}, backend_block},
};

// ---- pixel_shuffle2: channels of the larger one ----------------------------------------------------------
struct PixelShuffleCase {
  Shape small;
  int channels;
  int small_b, large_b;
};
// Exact quarters and more channels than that; planar, blocks, channels-last, and different ones; the last has
// enough for threads.
inline constexpr PixelShuffleCase pixel_shuffles_small[] = {
    {{1, 4, 1, 1}, 1, 1, 1},     {{3, 8, 3, 5}, 2, 1, 1},       {{2, 32, 3, 2}, 16, 16, 16},
    {{2, 64, 5, 3}, 16, 16, 16}, {{1, 48, 2, 3}, 16, 48, 16},   {{1, 32, 4, 3}, 32, 8, 32},
    {{0, 16, 2, 2}, 16, 16, 16}, {{1, 64, 33, 20}, 16, 16, 16},
};
inline constexpr PixelShuffleCase pixel_shuffles_unet[] = {
    // of KernelWizard
    {{1, 256, 64, 64}, 64, backend_block, backend_block},
    {{1, 256, 128, 128}, 64, backend_block, backend_block},
};

// ---- concat_channels: b = backend_block means each view's own --------------------------------------------
struct ConcatCase {
  int N, C_a, C_b, H, W;
  int b;
};
inline constexpr ConcatCase concats_small[] = {
    {1, 1, 1, 1, 1, 1},    {3, 2, 5, 3, 7, 1}, {2, 32, 16, 5, 3, 16},
    {1, 16, 48, 1, 1, 16}, {2, 6, 9, 3, 5, 3}, {3, 32, 16, 3, 3, backend_block},
    {0, 16, 16, 2, 2, 16},
};
inline constexpr ConcatCase concats_unet[] = {
    {1, 128, 128, 256, 256, backend_block}, {1, 256, 128, 128, 128, backend_block},
    {1, 256, 256, 64, 64, backend_block},   {1, 512, 512, 8, 8, backend_block},
    {1, 256, 256, 256, 256, backend_block},
};

// ---- fft -------------------------------------------------------------------------------------------------
inline constexpr Shape ffts_small[] = {
    {1, 1, 1, 1}, {2, 3, 4, 8}, {1, 2, 5, 7}, {3, 1, 6, 9}, {1, 1, 12, 10}, {1, 1, 1, 16}, {1, 1, 13, 1},
};
inline constexpr Shape ffts_unet[] = {
    {1, 3, 256, 256}, {1, 3, 320, 320},  // 256 pixels and a kernel of 61
    {1, 3, 384, 384}, {4, 3, 384, 384}, {1, 3, 512, 512},
};

// ---- complex planes, and the image in their middle -------------------------------------------------------
struct FrameCase {
  Shape inner, outer;
};
// Odd and even differences, one pixel, a single row, no padding at all, more rows than columns; the last has
// enough for threads.
inline constexpr FrameCase frames_small[] = {
    {{1, 1, 1, 1}, {1, 1, 3, 4}}, {{3, 2, 5, 4}, {3, 2, 8, 7}}, {{2, 1, 1, 6}, {2, 1, 1, 9}},
    {{1, 3, 7, 5}, {1, 3, 7, 5}}, {{0, 3, 2, 2}, {0, 3, 4, 4}}, {{1, 3, 90, 70}, {1, 3, 121, 96}},
};
inline constexpr FrameCase frames_unet[] = {
    {{1, 3, 256, 256}, {1, 3, 384, 384}},
    {{4, 3, 256, 256}, {4, 3, 384, 384}},
};

// ---- total_variation -------------------------------------------------------------------------------------
// One pixel, one row, one column, odd sides, a batch of none; the last has enough for threads.
inline constexpr Shape differences_small[] = {
    {1, 1, 1, 1}, {2, 3, 1, 7}, {1, 2, 6, 1}, {3, 2, 5, 7}, {2, 1, 8, 4}, {0, 3, 4, 4}, {2, 3, 90, 71},
};
inline constexpr Shape differences_unet[] = {{1, 3, 256, 256}, {16, 3, 256, 256}};

// ---- convert_layout --------------------------------------------------------------------------------------
struct LayoutCase {
  int N, C_from, C_to, H, W;
  int b_from, b_to;
};
inline constexpr LayoutCase layouts_small[] = {
    {1, 1, 1, 1, 1, 1, 1},     {3, 32, 32, 5, 7, 1, 16}, {2, 32, 32, 3, 5, 16, 1}, {2, 48, 48, 3, 3, 16, 48},
    {2, 48, 48, 3, 3, 48, 16}, {1, 24, 24, 5, 3, 24, 1}, {3, 3, 16, 7, 5, 1, 16},  {3, 16, 6, 5, 7, 16, 1},
    {2, 16, 3, 4, 4, 16, 1},   {2, 3, 32, 9, 2, 1, 32},  {1, 32, 6, 1, 3, 32, 1},  {2, 6, 6, 33, 17, 3, 2},
    {0, 16, 16, 2, 2, 1, 16},
};
inline constexpr LayoutCase layouts_unet[] = {
    {1, 3, 16, 256, 256, 1, backend_block},  {1, 16, 6, 256, 256, backend_block, 1},
    {1, 512, 512, 16, 16, backend_block, 1}, {1, 512, 512, 16, 16, 1, backend_block},
    {1, 512, 512, 32, 32, backend_block, 1},
};

// ---- axis_filter: `taps` entries per output pixel, `out` pixels along the axis ---------------------
struct AxisFilterCase {
  Shape x;
  int out, taps;
  Axis axis;
};
inline constexpr AxisFilterCase axis_filters_small[] = {
    {{1, 1, 1, 1}, 1, 1, Axis::rows},        {{1, 1, 1, 1}, 1, 1, Axis::columns},
    {{3, 2, 7, 5}, 7, 3, Axis::rows},        {{3, 2, 7, 5}, 5, 3, Axis::columns},
    {{2, 3, 16, 9}, 4, 8, Axis::rows},       {{2, 3, 9, 16}, 4, 8, Axis::columns},
    {{1, 3, 5, 130}, 13, 4, Axis::rows},     {{1, 1, 37, 6}, 19, 5, Axis::columns},
    {{2, 1, 11, 67}, 11, 11, Axis::columns}, {{1, 2, 40, 33}, 80, 2, Axis::rows},
    {{1, 2, 6, 47}, 4, 3, Axis::rows},       {{0, 3, 8, 8}, 4, 2, Axis::rows},
    {{0, 3, 8, 8}, 4, 2, Axis::columns},
};
inline constexpr AxisFilterCase axis_filters_unet[] = {
    {{1, 3, 256, 256}, 256, 25, Axis::rows},  {{1, 3, 256, 256}, 256, 25, Axis::columns},
    {{1, 3, 256, 256}, 64, 16, Axis::rows},   {{1, 3, 256, 256}, 64, 16, Axis::columns},
    {{1, 3, 64, 64}, 256, 4, Axis::rows},     {{1, 3, 64, 64}, 256, 4, Axis::columns},
    {{16, 3, 256, 256}, 256, 61, Axis::rows}, {{16, 3, 256, 256}, 256, 61, Axis::columns},
};

// ---- correlate: `taps` scattered over `reach` pixels on all sides ----------------------------------------
struct CorrelateCase {
  Shape x;
  int taps, reach;
};
inline constexpr CorrelateCase correlates_small[] = {
    {{1, 1, 1, 1}, 1, 0},   {{3, 2, 7, 5}, 9, 2},    {{1, 3, 5, 67}, 12, 9}, {{2, 1, 33, 40}, 25, 12},
    {{1, 1, 3, 2}, 20, 30}, {{1, 2, 12, 128}, 4, 1}, {{1, 1, 4, 4}, 0, 1},   {{0, 3, 8, 8}, 5, 2},
};
inline constexpr CorrelateCase correlates_unet[] = {
    {{1, 3, 256, 256}, 9, 1},
    {{1, 3, 320, 320}, 25, 30},
    {{1, 3, 320, 320}, 100, 30},
    {{1, 3, 320, 320}, 400, 30},
};

// ---- radon: angles spread over half a turn ---------------------------------------------------------------
struct RadonCase {
  Shape x;
  int angles, detectors;
};
inline constexpr RadonCase radons_small[] = {
    {{1, 1, 1, 1}, 1, 1},    {{3, 2, 7, 5}, 4, 9},     {{1, 1, 16, 16}, 12, 24}, {{2, 1, 9, 31}, 7, 33},
    {{1, 3, 29, 12}, 8, 17}, {{1, 1, 40, 37}, 23, 57}, {{0, 1, 8, 8}, 3, 12},    {{2, 2, 1, 6}, 5, 4},
};
inline constexpr RadonCase radons_unet[] = {
    {{1, 1, 256, 256}, 180, 364},
    {{1, 1, 256, 256}, 23, 364},
    {{1, 3, 256, 256}, 60, 364},
    {{1, 1, 512, 512}, 360, 726},
};

// ---- timestep_embedding ----------------------------------------------------------------------------------
struct EmbeddingCase {
  int N, D;
};
inline constexpr EmbeddingCase embeddings_small[] = {{1, 2}, {3, 6}, {5, 128}, {2, 256}, {0, 8}};
inline constexpr EmbeddingCase embeddings_unet[] = {{1, 128}, {1, 256}, {16, 256}};

}  // namespace tweedie::cases

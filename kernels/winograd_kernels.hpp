// The inner loops of Winograd's F(4x4, 3x3), one set for each vector width. For kernels/winograd.cpp.
//
// The loops know nothing but pointers and sizes. Each set is compiled for its own instruction set
// (winograd_avx2.cpp, winograd_avx512.cpp) and must run nowhere else, so this header includes nothing whose
// inline functions those files could emit for others to link.
#pragma once

#include <cstdint>

namespace tweedie::winograd {

/// Values of a tile in the transform's domain: 6 x 6 of the input make 4 x 4 of the output.
inline constexpr int points = 36;

/// Maps of N samples, and the tiles that cover them. Tile t is number t of all samples, row by row.
struct Maps {
  int N = 0, H = 0, W = 0;
  [[gnu::always_inline]] int rows() const { return (H + 3) / 4; }
  [[gnu::always_inline]] int columns() const { return (W + 3) / 4; }
  [[gnu::always_inline]] int tiles() const { return N * rows() * columns(); }
};

/// Where the loops find things. `lanes` channels make a block, and `plane` floats lie between two points.
struct Kernels {
  const char* name;  ///< of the instruction set, as oneDNN writes it
  int lanes;         ///< floats in a vector; the channel block of all maps

  /// v[point * plane + t * lanes + c] = the transformed input of tile `first` + t, 0 <= t < tiles, for
  /// channel block `block` of x's `blocks`. Pixels outside of the map are 0.
  void (*transform_input)(float* v, std::int64_t plane, const float* x, const Maps& maps, int blocks,
                          int block, int first, int tiles);
  /// The same of an x stored as bfloat16, by its bits.
  void (*transform_bf16_input)(float* v, std::int64_t plane, const std::uint16_t* x, const Maps& maps,
                               int blocks, int block, int first, int tiles);

  /// u[point * plane + (s * vectors + k) * lanes + r] = the transformed weights from source channel s of one
  /// block to result channel r of block k; `weights[k]` is the packed block (9 taps, lanes x lanes) of the
  /// two. `transposed`: the packed block holds results by rows and sources by columns, and its taps are to be
  /// rotated by 180 degrees, as the backward needs it; otherwise the block after `weights[k]` is asked for in
  /// advance.
  void (*transform_weights)(float* u, std::int64_t plane, const float* const* weights, int vectors,
                            bool transposed);

  /// m[(k * tiles + t) * lanes + r] = (before, when `adding`, +) the sum over source channels s of
  /// u[(s * vectors + k) * lanes + r] * v[(s / lanes * tiles + t) * lanes + s % lanes].
  /// `vectors` is 1 or 2. The sum is made first, over s in order, whatever the other sizes.
  void (*multiply)(float* m, const float* v, const float* u, int source_blocks, int tiles, int vectors,
                   bool adding);

  /// to (9 taps, lanes x lanes) = a packed block with rows and columns exchanged and the taps rotated by 180
  /// degrees: the weights of the backward.
  void (*turn_weights)(float* to, const float* weights);

  /// Products of all points with weights that are transformed in registers, again for every few tiles, and
  /// kept nowhere: m[point * m_plane + t * lanes + r] = (before, when `adding`, +) the sum over source
  /// channels s of (the transformed weight from s to r) * v[point * v_plane + (s / lanes * tiles + t) * lanes
  /// + s % lanes]. `weights`: `source_blocks` packed (or turned) blocks in a row. The same bits as
  /// `transform_weights` and `multiply` give. `next`: the first of as many packed blocks, `next_step` floats
  /// apart, that are asked for in advance. Null where there are too few registers for it to pay.
  void (*multiply_forming)(float* m, std::int64_t m_plane, const float* v, std::int64_t v_plane,
                           const float* weights, int source_blocks, int tiles, bool adding, const float* next,
                           std::int64_t next_step);

  /// The tiles `first` + t, 0 <= t < tiles, of y's channel block `block` (of `blocks`) = the transform of
  /// m[point * plane + t * lanes + r] + bias (`lanes` floats or null) (+ y before the call, when `adding`).
  /// Pixels outside of the map are left out.
  void (*transform_output)(float* y, const float* m, std::int64_t plane, const float* bias, const Maps& maps,
                           int blocks, int block, int first, int tiles, bool adding);
};

/// The loops for AVX2 with FMA, and for AVX-512 F. Null where the compiler was not told to use it.
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();

}  // namespace tweedie::winograd

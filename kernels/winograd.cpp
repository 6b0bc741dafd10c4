#include "kernels/winograd.hpp"

#include <omp.h>
#include <unistd.h>

#include <algorithm>

namespace tweedie::winograd {
namespace {

constexpr int group_size = 2;  // blocks of result channels that are summed together

int divided(int a, int b) { return (a + b - 1) / b; }

// Floats of the weights between two blocks of channels.
std::int64_t packed_block(const Kernels& k) { return 9 * k.lanes * k.lanes; }

// Floats from one point to the next of an array with `count` floats a point: an odd number of cache lines, as
// 36 writes a power of two apart would all fall into one set of the cache.
std::int64_t spaced(std::int64_t count) { return ((count + 15) / 16 | 1) * 16; }

// How a convolution is divided. There are three ways, by what is made once and shared, and by what is made
// where it is used.
//
// Weights shared: each thread takes a block of tiles and transforms all their sources. For one group of
// results after the other it makes the 36 products and transforms them back, while the group's weights stream
// through the cache.
//
// Sources shared: each thread takes a group of results and transforms their weights by and by, as many as
// stay in the cache beside the products, while the sources stream through. Weights are transformed again for
// every block of tiles, so blocks are large. Where threads outnumber groups, several blocks are shared at
// once.
//
// Weights formed: sources shared, and weights transformed in registers, for a few tiles at a time, every time
// they are used. Nothing of them is stored.
//
// The third way is for so few tiles that storing weights costs more. The second is faster where few tiles
// make few uses of a transformed weight, where there are so many sources that few tiles of all of them fit
// into the cache, and where there are so many weights that they come from memory. Elsewhere it is slower.
// Where the one ends and the other begins was found by timing both. `tweedie-bench --filter convolution`
// times the choice of `divide`.
//
// So many sources are summed in a row before their sum is added to others: a sum of K values in a row errs as
// sqrt(K), and adding up sums of 128 keeps the error of 1024 at that of 128: 1.0e-6 of the result's root mean
// square instead of 2.7e-6. Where transformed weights are held a step at a time, 64 leave more of the cache
// to the rest. Shapes alone decide on both, and not the batch on the sums, so that the bits depend neither on
// threads nor on what is computed beside an image.
enum class Way { weights_shared, sources_shared, weights_formed };

struct Division {
  int sources, results, groups;  ///< blocks of channels, and groups of blocks of results
  Maps maps;
  Way way;
  int tiles;      ///< in a block of tiles
  int at_a_time;  ///< blocks of tiles whose sources are shared at once
  int step;       ///< blocks of sources whose transformed weights are held at a time
  int summed;     ///< blocks of sources that are summed before they are added to others
  std::int64_t v_plane, u_plane, m_plane;  ///< floats between two points: sources, weights, products
  std::int64_t shared, own;                ///< floats of workspace: for all threads together, and for each
};

// Floats of transformed sources that a thread holds: half of its second-level cache. Weights stream through
// the other half.
int held_sources() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  static const long bytes = ::sysconf(_SC_LEVEL2_CACHE_SIZE);  // 0 or -1 where the system does not say
#else
  static const long bytes = 0;
#endif
  constexpr long least = 1 << 19, most = 1 << 21;
  return int(std::clamp(bytes > 0 ? bytes : most, least, most) / 2 / long(sizeof(float)));
}

bool forms_weights(const Kernels& k, const ConvolutionProblem& p) {
  return k.multiply_forming && Maps{p.x.N, p.x.H, p.x.W}.tiles() <= 8;
}

Division divide(const Kernels& k, const ConvolutionProblem& p, int threads) {
  constexpr int few_tiles = 256, many_sources = 512, many_pairs = 256 * 512;
  constexpr int large_block = 192, small_block = 16;
  Division d;
  d.sources = (p.backward ? p.g.out : p.g.in) / k.lanes;
  d.results = (p.backward ? p.g.in : p.g.out) / k.lanes;
  d.groups = divided(d.results, group_size);
  d.maps = {p.x.N, p.x.H, p.x.W};
  const int all = d.maps.tiles();
  const int sources = d.sources * k.lanes, results = d.results * k.lanes;
  d.way = forms_weights(k, p) ? Way::weights_formed
          : all <= few_tiles || sources >= many_sources || sources * results >= many_pairs
              ? Way::sources_shared
              : Way::weights_shared;
  d.at_a_time = 1;
  const bool few =
      Maps{1, p.x.H, p.x.W}.tiles() <= few_tiles;  // of one image: it has the same bits in a batch
  d.summed = (few || sources >= many_sources || sources * results >= many_pairs ? 64 : 128) / k.lanes;
  d.step = std::min(d.summed, d.sources);
  if (d.way == Way::weights_formed) {
    d.tiles = all;
  } else if (d.way == Way::sources_shared) {
    const int together = divided(all, divided(all, large_block));
    d.tiles = std::max(divided(together, divided(threads, d.groups)), std::min(together, small_block));
    d.at_a_time = divided(together, d.tiles);
  } else {
    const int most = std::max(1, held_sources() / (points * k.lanes * d.sources));
    d.tiles = divided(all, divided(divided(all, most), threads) * threads);  // as many blocks for each thread
    d.step = d.sources;
  }
  d.v_plane = spaced(std::int64_t(d.sources) * d.tiles * k.lanes);
  d.u_plane = spaced(std::int64_t(d.step) * k.lanes * group_size * k.lanes);
  d.m_plane = spaced(std::int64_t(group_size) * d.tiles * k.lanes);
  const std::int64_t v = points * d.v_plane, u = points * d.u_plane, m = points * d.m_plane;
  const std::int64_t turned = p.backward ? d.step * packed_block(k) : 0;
  d.shared = d.way == Way::weights_shared ? d.groups * u : d.at_a_time * v;
  d.own = m + (d.way == Way::weights_shared ? v : d.way == Way::sources_shared ? u : turned);
  return d;
}

class Run {
 public:
  Run(const Kernels& kernels, const ConvolutionProblem& problem, const Division& division, float* to,
      float* second, int first_channels, const void* from, const float* packed, const float* bias)
      : k_(kernels),
        p_(problem),
        d_(division),
        to_(to),
        second_(second),
        first_(second ? first_channels / kernels.lanes : division.results),
        from_(from),
        packed_(packed),
        bias_(bias) {}

  void with_weights_shared(float* shared, float* own) const {
#pragma omp for
    for (int group = 0; group < d_.groups; ++group)
      weights(shared + group * points * d_.u_plane, group, 0, d_.sources);
    float* const m = own + points * d_.v_plane;
    const int all = d_.maps.tiles();
#pragma omp for schedule(dynamic)
    for (int first = 0; first < all; first += d_.tiles) {
      const int tiles = std::min(d_.tiles, all - first);
      for (int block = 0; block < d_.sources; ++block)
        sources(own + std::int64_t(block) * tiles * k_.lanes, block, first, tiles);
      for (int group = 0; group < d_.groups; ++group) {
        products(m, own, shared + group * points * d_.u_plane, group, 0, d_.sources, tiles);
        output(m, group, first, tiles);
      }
    }
  }

  void with_sources_shared(float* shared, float* own) const {
    float* const m = own + points * d_.u_plane;
    const int all = d_.maps.tiles();
    for (int begin = 0; begin < all; begin += d_.at_a_time * d_.tiles) {
#pragma omp for collapse(2)
      for (int part = 0; part < d_.at_a_time; ++part)
        for (int block = 0; block < d_.sources; ++block) {
          const int first = begin + part * d_.tiles, tiles = std::min(d_.tiles, all - first);
          if (tiles <= 0) continue;
          sources(shared + part * points * d_.v_plane + std::int64_t(block) * tiles * k_.lanes, block, first,
                  tiles);
        }
#pragma omp for collapse(2) schedule(dynamic)
      for (int group = 0; group < d_.groups; ++group)
        for (int part = 0; part < d_.at_a_time; ++part) {
          const int first = begin + part * d_.tiles, tiles = std::min(d_.tiles, all - first);
          if (tiles <= 0) continue;
          const float* const v = shared + part * points * d_.v_plane;
          for (int source = 0; source < d_.sources; source += d_.step) {
            const int count = std::min(d_.step, d_.sources - source);
            weights(own, group, source, count);
            products(m, v + std::int64_t(source) * tiles * k_.lanes, own, group, source, count, tiles);
          }
          output(m, group, first, tiles);
        }
    }
  }

  void with_weights_formed(float* shared, float* own) const {
    float* const turned = own + points * d_.m_plane;
#pragma omp for
    for (int block = 0; block < d_.sources; ++block)
      sources(shared + std::int64_t(block) * d_.tiles * k_.lanes, block, 0, d_.tiles);
#pragma omp for schedule(dynamic)
    for (int block = 0; block < d_.results; ++block) {
      for (int source = 0; source < d_.sources; source += d_.step) {
        const int count = std::min(d_.step, d_.sources - source);
        const float* weights = packed(source, block);
        if (p_.backward) {
          for (int i = 0; i < count; ++i)
            k_.turn_weights(turned + i * packed_block(k_), packed(source + i, block));
          weights = turned;
        }
        const bool last = source + count == d_.sources;
        k_.multiply_forming(own, d_.m_plane, shared + std::int64_t(source) * d_.tiles * k_.lanes, d_.v_plane,
                            weights, count, d_.tiles, source > 0,
                            packed(last ? 0 : source + count, last ? block + 1 : block), packed_step());
      }
      output_block(own, block, 0, d_.tiles);
    }
  }

 private:
  int vectors(int group) const { return std::min(group_size, d_.results - group * group_size); }

  /// The packed weights from one block of channels to another.
  const float* packed(int source, int result) const {
    const int out = p_.backward ? source : result, in = p_.backward ? result : source;
    return packed_ + (std::int64_t(out) * (p_.g.in / k_.lanes) + in) * packed_block(k_);
  }
  /// Floats from one block of sources to the next.
  std::int64_t packed_step() const { return (p_.backward ? p_.g.in / k_.lanes : 1) * packed_block(k_); }

  // v = the transformed tiles of a block of sources.
  void sources(float* v, int block, int first, int tiles) const {
    if (p_.operand == Storage::bf16)
      k_.transform_bf16_input(v, d_.v_plane, static_cast<const std::uint16_t*>(from_), d_.maps, d_.sources,
                              block, first, tiles);
    else
      k_.transform_input(v, d_.v_plane, static_cast<const float*>(from_), d_.maps, d_.sources, block, first,
                         tiles);
  }

  // u = the transformed weights from `count` blocks of sources, the first of them `first`, to a group.
  void weights(float* u, int group, int first, int count) const {
    for (int source = first; source < first + count; ++source) {
      const float* from[group_size] = {};
      for (int v = 0; v < vectors(group); ++v) from[v] = packed(source, group * group_size + v);
      k_.transform_weights(u + std::int64_t(source - first) * k_.lanes * vectors(group) * k_.lanes,
                           d_.u_plane, from, vectors(group), p_.backward);
    }
  }

  // m (+)= the products of all points, by `count` blocks of sources, the first of them `first`.
  void products(float* m, const float* v, const float* u, int group, int first, int count, int tiles) const {
    const int width = vectors(group);
    for (int point = 0; point < points; ++point)
      for (int source = 0; source < count; source += d_.summed)
        k_.multiply(m + point * d_.m_plane, v + point * d_.v_plane + std::int64_t(source) * tiles * k_.lanes,
                    u + point * d_.u_plane + std::int64_t(source) * k_.lanes * width * k_.lanes,
                    std::min(d_.summed, count - source), tiles, width, first + source > 0);
  }

  void output(const float* m, int group, int first, int tiles) const {
    for (int v = 0; v < vectors(group); ++v)
      output_block(m + std::int64_t(v) * tiles * k_.lanes, group * group_size + v, first, tiles);
  }
  void output_block(const float* m, int block, int first, int tiles) const {
    const bool second = block >= first_;
    k_.transform_output(second ? second_ : to_, m, d_.m_plane, bias_ ? bias_ + block * k_.lanes : nullptr,
                        d_.maps, second ? d_.results - first_ : first_, second ? block - first_ : block,
                        first, tiles, p_.accumulate);
  }

  const Kernels& k_;
  const ConvolutionProblem& p_;
  const Division& d_;
  float *to_, *second_;
  int first_;  ///< blocks of results that go to `to_`; the others go to `second_`
  const void* from_;
  const float *packed_, *bias_;
};

}  // namespace

const Kernels* kernels_for(int channel_block) {
#if defined(__x86_64__)
  // What the files of the loops are compiled for in kernels/CMakeLists.txt, and no more.
  if (channel_block == 16 && __builtin_cpu_supports("avx512f")) return avx512_kernels();
  if (channel_block == 8 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return avx2_kernels();
#endif
  (void)channel_block;
  return nullptr;
}

// Two fits to timings of ours against oneDNN's direct method, in outputs of the latter for each pair of
// blocks of channels. Transforming stored weights costs what 9 tiles cost, and a tile what 6.5 outputs cost,
// by which 12x12 pixels are enough and 10x10 (9 tiles, not full) are too few. Forming weights for each four
// tiles costs 10 outputs, and a tile 6: 4x4 and 6x6 pixels are enough and 5x5 are too few. Where neither
// tiles nor channels are many, calls are so short that what they begin with counts.
bool pays(const Kernels& kernels, const ConvolutionProblem& p) {
  const std::int64_t pixels = p.x.N * p.x.plane(), tiles = Maps{p.x.N, p.x.H, p.x.W}.tiles();
  const int channels = p.g.in + p.g.out;
  if (forms_weights(kernels, p)) return pixels >= 10 * divided(int(tiles), 4) + 6 * tiles && channels >= 128;
  return 2 * pixels >= 13 * (tiles + 9) && (tiles >= 64 || channels >= 64);
}

bool fits(const Kernels& kernels, const ConvolutionProblem& p) {
  return p.g.kernel == 3 && p.g.stride == 1 && p.g.pad == 1 && p.precision == Precision::fp32 && !p.weights &&
         p.x.size() > 0 && p.g.in % kernels.lanes == 0 && p.g.out % kernels.lanes == 0;
}

std::size_t workspace_bytes(const Kernels& kernels, const ConvolutionProblem& problem, int threads) {
  const Division d = divide(kernels, problem, threads);
  return std::size_t(d.shared + threads * d.own) * sizeof(float);
}

void convolution(const Kernels& kernels, const ConvolutionProblem& problem, float* to, const void* from,
                 const float* packed, const float* bias, void* workspace, int threads, float* second,
                 int first_channels) {
  const Division d = divide(kernels, problem, threads);
  const Run run(kernels, problem, d, to, second, first_channels, from, packed, problem.bias ? bias : nullptr);
  float* const shared = static_cast<float*>(workspace);
#pragma omp parallel num_threads(threads)
  {
    float* const own = shared + d.shared + omp_get_thread_num() * d.own;
    if (d.way == Way::weights_formed)
      run.with_weights_formed(shared, own);
    else if (d.way == Way::sources_shared)
      run.with_sources_shared(shared, own);
    else
      run.with_weights_shared(shared, own);
  }
}

}  // namespace tweedie::winograd

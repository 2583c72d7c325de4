#include "kernels/convolution_loops.hpp"

#include <cstring>

#include "kernels/cloned.hpp"

namespace vae_dist::kernels {
namespace {

template <int Lanes>
struct VectorOf {
  // May be read at any address of a float.
  using Type
      [[gnu::vector_size(Lanes * sizeof(float)), gnu::aligned(sizeof(float)), gnu::may_alias]] =
          float;
};
template <int Lanes>
using Vector = typename VectorOf<Lanes>::Type;

template <int Lanes>
VAE_DIST_INLINED void load(Vector<Lanes>& to, const float* from) {
  to = *reinterpret_cast<const Vector<Lanes>*>(from);
}

template <int Lanes>
VAE_DIST_INLINED void store(float* to, const Vector<Lanes>& from) {
  *reinterpret_cast<Vector<Lanes>*>(to) = from;
}

template <int Lanes, int Rows, int Vectors>
VAE_DIST_INLINED void gather(const GatherBlock& block) {
  Vector<Lanes> sum[Rows][Vectors];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v)
      load<Lanes>(sum[r][v],
                  (block.start ? block.start : block.out[r] + block.first_column) + v * Lanes);
  for (std::int64_t t = 0; t < block.taps; ++t) {
    const float* row[Rows];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r)
      row[r] = block.source[t * block.source_stride + r] + block.first_channel;
    const float* weight = block.weight[t];
    for (std::int64_t k = 0; k < block.channels; ++k, weight += Vectors * Lanes) {
      Vector<Lanes> w[Vectors];
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) load<Lanes>(w[v], weight + v * Lanes);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        const float value = row[r][k];
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) sum[r][v] += w[v] * value;
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v)
      store<Lanes>(block.out[r] + block.first_column + v * Lanes, sum[r][v]);
}

template <int Lanes, int Rows, int Vectors>
VAE_DIST_INLINED void outer(const OuterBlock& block) {
  Vector<Lanes> sum[Rows][Vectors];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v)
      if (block.adds)
        load<Lanes>(sum[r][v], block.out + r * block.out_stride + v * Lanes);
      else
        sum[r][v] = Vector<Lanes>{};
  for (std::int64_t s = 0; s < block.count; ++s) {
    const float *a = block.segments[s].a, *b = block.segments[s].b;
    for (std::int64_t p = block.segments[s].count; p > 0;
         --p, a += block.a_stride, b += block.b_stride) {
      Vector<Lanes> columns[Vectors];
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) load<Lanes>(columns[v], b + v * Lanes);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        const float value = a[r];
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) sum[r][v] += columns[v] * value;
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v)
      store<Lanes>(block.out + r * block.out_stride + v * Lanes, sum[r][v]);
}

// Adds the values of four vectors: total[i] = sum of the i-th.
template <int Lanes>
VAE_DIST_INLINED void sums_of_four(const Vector<Lanes>& a, const Vector<Lanes>& b,
                                   const Vector<Lanes>& c, const Vector<Lanes>& d, float* total) {
  if constexpr (Lanes > 4) {
    constexpr int kHalf = Lanes / 2;
    Vector<kHalf> half[4], upper[4];
    const Vector<Lanes>* const all[4] = {&a, &b, &c, &d};
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      std::memcpy(&half[i], all[i], sizeof(half[i]));
      std::memcpy(&upper[i], reinterpret_cast<const float*>(all[i]) + kHalf, sizeof(upper[i]));
      half[i] += upper[i];
    }
    sums_of_four<kHalf>(half[0], half[1], half[2], half[3], total);
  } else {
    const Vector<4> ab = __builtin_shufflevector(a, b, 0, 1, 4, 5) +
                         __builtin_shufflevector(a, b, 2, 3, 6, 7),
                    cd = __builtin_shufflevector(c, d, 0, 1, 4, 5) +
                         __builtin_shufflevector(c, d, 2, 3, 6, 7);
    store<4>(total, __builtin_shufflevector(ab, cd, 0, 2, 4, 6) +
                        __builtin_shufflevector(ab, cd, 1, 3, 5, 7));
  }
}

template <int Lanes, int Columns>
VAE_DIST_INLINED void dot(const DotBlock& block) {
  Vector<Lanes> sum[Columns][kDotRows];
#pragma GCC unroll 4
  for (int n = 0; n < Columns; ++n)
#pragma GCC unroll 4
    for (int r = 0; r < kDotRows; ++r) sum[n][r] = Vector<Lanes>{};
  for (std::int64_t t = 0; t < block.taps; ++t) {
    const float* row[kDotRows];
#pragma GCC unroll 4
    for (int r = 0; r < kDotRows; ++r) row[r] = block.source[t * block.source_stride + r];
    const float* const weight = block.weight[t];
    for (std::int64_t k = 0; k < block.channels; k += Lanes) {
      Vector<Lanes> w[Columns];
#pragma GCC unroll 4
      for (int n = 0; n < Columns; ++n) load<Lanes>(w[n], weight + n * block.channels + k);
#pragma GCC unroll 4
      for (int r = 0; r < kDotRows; ++r) {
        Vector<Lanes> x;
        load<Lanes>(x, row[r] + k);
#pragma GCC unroll 4
        for (int n = 0; n < Columns; ++n) sum[n][r] += w[n] * x;
      }
    }
  }
#pragma GCC unroll 4
  for (int n = 0; n < Columns; ++n) {
    float total[kDotRows];
    sums_of_four<Lanes>(sum[n][0], sum[n][1], sum[n][2], sum[n][3], total);
#pragma GCC unroll 4
    for (int r = 0; r < kDotRows; ++r) block.out[r][n] = block.start[n] + total[r];
  }
}

// NOLINTBEGIN(bugprone-macro-parentheses): the arguments are attributes and names
#define VAE_DIST_LOOPS(Name, Target, Lanes, Rows, MoreVectors)                  \
  template <int R, int V>                                                       \
  Target void gather_##Name(const GatherBlock& block) {                         \
    gather<Lanes, R, V>(block);                                                 \
  }                                                                             \
  template <int R, int V>                                                       \
  Target void outer_##Name(const OuterBlock& block) {                           \
    outer<Lanes, R, V>(block);                                                  \
  }                                                                             \
  template <int N>                                                              \
  Target void dot_##Name(const DotBlock& block) {                               \
    dot<Lanes, N>(block);                                                       \
  }                                                                             \
  constexpr ConvolutionLoops k##Name = {                                        \
      Lanes,                                                                    \
      Rows,                                                                     \
      2,                                                                        \
      3,                                                                        \
      MoreVectors,                                                              \
      {VAE_DIST_OF_ROWS(gather_##Name, 1), VAE_DIST_OF_ROWS(gather_##Name, 2),  \
       VAE_DIST_OF_ROWS(gather_##Name, 3), VAE_DIST_OF_ROWS(gather_##Name, 4)}, \
      {VAE_DIST_OF_ROWS(outer_##Name, 1), VAE_DIST_OF_ROWS(outer_##Name, 2),    \
       VAE_DIST_OF_ROWS(outer_##Name, 3), VAE_DIST_OF_ROWS(outer_##Name, 4)},   \
      {dot_##Name<1>, dot_##Name<2>, dot_##Name<3>, dot_##Name<4>}};
#define VAE_DIST_OF_ROWS(Name, V) \
  {Name<1, V>, Name<2, V>, Name<3, V>, Name<4, V>, Name<5, V>, Name<6, V>, Name<7, V>, Name<8, V>}
// NOLINTEND(bugprone-macro-parentheses)

VAE_DIST_LOOPS(Baseline, , 4, 6, 4)
#if defined(__x86_64__) && defined(__GNUC__)
#define VAE_DIST_HAS_X86_LOOPS
VAE_DIST_LOOPS(Avx2, __attribute__((target("avx2,fma"))), 8, 6, 4)
VAE_DIST_LOOPS(Avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), 16,
               8, 4)
#endif

}  // namespace

const ConvolutionLoops& convolution_loops(InstructionSet set) {
#if defined(VAE_DIST_HAS_X86_LOOPS)
  if (set == InstructionSet::avx512) return kAvx512;
  if (set == InstructionSet::avx2) return kAvx2;
#endif
  return kBaseline;
}

}  // namespace vae_dist::kernels

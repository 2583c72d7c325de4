#include "kernels/convolution_loops.hpp"

#include <cstring>
#include <stdexcept>
#include <type_traits>

#include "kernels/cloned.hpp"

namespace vae_dist::kernels {
namespace {

template <int Lanes, typename Value>
struct VectorOf {
  // May be read at any address of a value.
  using Type
      [[gnu::vector_size(Lanes * sizeof(Value)), gnu::aligned(sizeof(Value)), gnu::may_alias]] =
          Value;
};
template <int Lanes>
using Vector = typename VectorOf<Lanes, float>::Type;

template <int Lanes>
VAE_DIST_INLINED void load(Vector<Lanes>& to, const float* from) {
  to = *reinterpret_cast<const Vector<Lanes>*>(from);
}

template <int Lanes>
VAE_DIST_INLINED void store(float* to, const Vector<Lanes>& from) {
  *reinterpret_cast<Vector<Lanes>*>(to) = from;
}

// A vector of units as the instructions take it: Pairs as the bits of one integer each.
template <typename Unit>
using Bits = std::conditional_t<std::is_same_v<Unit, float>, float, std::int32_t>;
template <int Lanes, typename Unit>
using Units = typename VectorOf<Lanes, Bits<Unit>>::Type;

template <int Lanes, typename Unit>
VAE_DIST_INLINED void load_units(Units<Lanes, Unit>& to, const Unit* from) {
  to = *reinterpret_cast<const Units<Lanes, Unit>*>(from);
}

template <int Lanes, typename Unit>
VAE_DIST_INLINED void spread(Units<Lanes, Unit>& to, const Unit* from) {
  using One [[gnu::may_alias]] = Bits<Unit>;
  to = *reinterpret_cast<const One*>(from) - Units<Lanes, Unit>{};
}

// sum += a * b
template <int Lanes>
VAE_DIST_INLINED void add_product(Vector<Lanes>& sum, const Vector<Lanes>& a,
                                  const Vector<Lanes>& b) {
  sum += a * b;
}

#if defined(__x86_64__) && defined(__GNUC__)
#define VAE_DIST_HAS_X86_LOOPS
// The two products of each lane, added to its sum. Not by the compiler's function for it, which
// can only be called where all surrounding functions are compiled for AVX512_BF16.
template <int Lanes>
VAE_DIST_INLINED void add_product(Vector<Lanes>& sum, const Units<Lanes, Pair>& a,
                                  const Units<Lanes, Pair>& b) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
}

template <int Lanes>
VAE_DIST_INLINED void store_rounded(c10::BFloat16* to, const Vector<Lanes>& sum) {
  using Rounded = typename VectorOf<Lanes, std::int16_t>::Type;
  Rounded rounded;
  asm("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(sum));
  *reinterpret_cast<Rounded*>(to) = rounded;
}
#endif

template <typename Unit, int Lanes, int Rows, int Vectors>
VAE_DIST_INLINED void gather(const GatherBlock<Unit>& block) {
  Vector<Lanes> sum[Rows][Vectors];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v)
      load<Lanes>(sum[r][v], (block.start ? block.start : block.out[r]) + v * Lanes);
  for (std::int64_t t = 0; t < block.taps; ++t) {
    const Unit* row[Rows];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r)
      row[r] = block.source[t * block.source_stride + r] + block.first_channel;
    const Unit* weight = block.weight[t];
    for (std::int64_t k = 0; k < block.channels; ++k, weight += Vectors * Lanes) {
      Units<Lanes, Unit> w[Vectors];
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) load_units<Lanes>(w[v], weight + v * Lanes);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        Units<Lanes, Unit> value;
        spread<Lanes>(value, row[r] + k);
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) add_product<Lanes>(sum[r][v], w[v], value);
      }
    }
  }
  if constexpr (std::is_same_v<Unit, Pair>)
    if (block.rounded) {
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v)
          store_rounded<Lanes>(block.rounded[r] + block.first_column + v * Lanes, sum[r][v]);
      return;
    }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) store<Lanes>(block.out[r] + v * Lanes, sum[r][v]);
}

template <typename Unit, int Lanes, int Rows, int Vectors>
VAE_DIST_INLINED void outer(const OuterBlock<Unit>& block) {
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
    const Unit *a = block.segments[s].a, *b = block.segments[s].b;
    for (std::int64_t p = block.segments[s].count; p > 0;
         --p, a += block.a_stride, b += block.b_stride) {
      Units<Lanes, Unit> columns[Vectors];
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) load_units<Lanes>(columns[v], b + v * Lanes);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        Units<Lanes, Unit> value;
        spread<Lanes>(value, a + r);
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) add_product<Lanes>(sum[r][v], columns[v], value);
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

template <typename Unit, int Lanes, int Columns>
VAE_DIST_INLINED void dot(const DotBlock<Unit>& block) {
  Vector<Lanes> sum[Columns][kDotRows];
#pragma GCC unroll 4
  for (int n = 0; n < Columns; ++n)
#pragma GCC unroll 4
    for (int r = 0; r < kDotRows; ++r) sum[n][r] = Vector<Lanes>{};
  for (std::int64_t t = 0; t < block.taps; ++t) {
    const Unit* row[kDotRows];
#pragma GCC unroll 4
    for (int r = 0; r < kDotRows; ++r) row[r] = block.source[t * block.source_stride + r];
    const Unit* const weight = block.weight[t];
    for (std::int64_t k = 0; k < block.channels; k += Lanes) {
      Units<Lanes, Unit> w[Columns];
#pragma GCC unroll 4
      for (int n = 0; n < Columns; ++n) load_units<Lanes>(w[n], weight + n * block.channels + k);
#pragma GCC unroll 4
      for (int r = 0; r < kDotRows; ++r) {
        Units<Lanes, Unit> x;
        load_units<Lanes>(x, row[r] + k);
#pragma GCC unroll 4
        for (int n = 0; n < Columns; ++n) add_product<Lanes>(sum[n][r], w[n], x);
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

#define VAE_DIST_LOOPS(Name, Unit, Target, Lanes, Vectors, ...)                 \
  template <int R, int V>                                                       \
  Target void gather_##Name(const GatherBlock<Unit>& block) {                   \
    gather<Unit, Lanes, R, V>(block);                                           \
  }                                                                             \
  template <int R, int V>                                                       \
  Target void outer_##Name(const OuterBlock<Unit>& block) {                     \
    outer<Unit, Lanes, R, V>(block);                                            \
  }                                                                             \
  template <int N>                                                              \
  Target void dot_##Name(const DotBlock<Unit>& block) {                         \
    dot<Unit, Lanes, N>(block);                                                 \
  }                                                                             \
  constexpr ConvolutionLoops<Unit> k##Name = {                                  \
      Lanes,                                                                    \
      Vectors,                                                                  \
      3,                                                                        \
      4,                                                                        \
      {__VA_ARGS__},                                                            \
      {VAE_DIST_OF_ROWS(gather_##Name, 1), VAE_DIST_OF_ROWS(gather_##Name, 2),  \
       VAE_DIST_OF_ROWS(gather_##Name, 3), VAE_DIST_OF_ROWS(gather_##Name, 4)}, \
      {VAE_DIST_OF_ROWS(outer_##Name, 1), VAE_DIST_OF_ROWS(outer_##Name, 2),    \
       VAE_DIST_OF_ROWS(outer_##Name, 3), VAE_DIST_OF_ROWS(outer_##Name, 4)},   \
      {dot_##Name<1>, dot_##Name<2>, dot_##Name<3>, dot_##Name<4>}};
#define VAE_DIST_OF_ROWS(Name, V) \
  {Name<1, V>, Name<2, V>, Name<3, V>, Name<4, V>, Name<5, V>, Name<6, V>, Name<7, V>, Name<8, V>}

// The most rows with one vector, with two, three and four, beside which registers are left.
VAE_DIST_LOOPS(Baseline, float, , 4, 2, 6, 6, 4, 3)
#if defined(VAE_DIST_HAS_X86_LOOPS)
VAE_DIST_LOOPS(Avx2, float, __attribute__((target("avx2,fma"))), 8, 2, 6, 6, 4, 3)
VAE_DIST_LOOPS(Avx512, float,
               __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), 16, 4, 8, 8,
               8, 6)

VAE_DIST_LOOPS(Avx512Bf16, Pair,
               __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), 16, 4, 8, 8,
               8, 6)
#endif

}  // namespace

template <>
const ConvolutionLoops<float>& convolution_loops<float>(InstructionSet set) {
#if defined(VAE_DIST_HAS_X86_LOOPS)
  if (set == InstructionSet::avx512) return kAvx512;
  if (set == InstructionSet::avx2) return kAvx2;
#endif
  return kBaseline;
}

template <>
const ConvolutionLoops<Pair>& convolution_loops<Pair>(InstructionSet) {
#if defined(VAE_DIST_HAS_X86_LOOPS)
  return kAvx512Bf16;
#else
  throw std::logic_error("this CPU has no products of pairs of bfloat16");
#endif
}

}  // namespace vae_dist::kernels

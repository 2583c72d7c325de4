// The innermost loops of the convolutions of our own, compiled for each instruction set.
//
// Both keep a block of results in registers: each step multiplies one value of each of a few rows,
// spread over a vector, by a few vectors (Goto, van de Geijn 2008, "Anatomy of High-Performance
// Matrix Multiplication"). No patches are made: the first loop finds the rows that a kernel's taps
// read through pointers (Dukhan 2019, "The Indirect Convolution Algorithm", arXiv:1907.02129).
//
// What they multiply is a unit: a value of fp32, or two neighbouring values of bfloat16, whose
// products with two others are both added to one sum of fp32. "Channels" and "positions" below
// count units.
#pragma once

#include <cstdint>

#include "kernels/convolution_units.hpp"
#include "kernels/instruction_set.hpp"

namespace vae_dist::kernels {

/// out[r][n] = start[n] + sum over taps t and channels k of source[t][r][k] * weight[t][k][n], for
/// a few rows r and the columns n of one panel.
template <typename Unit>
struct GatherBlock {
  std::int64_t taps, channels;
  const Unit* const* source;  ///< [taps, source_stride]: pointers to the rows' channels
  std::int64_t source_stride, first_channel;
  const Unit* const* weight;  ///< [taps]: pointers to [channels, columns]
  float* const* out;          ///< [rows]: pointers to the first column
  const float* start;         ///< [columns]; null: add to what `out` holds
  /// [rows]: where results are stored rounded, from `first_column` on, and not in `out`; null: in
  /// `out`. Of Pairs alone.
  c10::BFloat16* const* rounded;
  std::int64_t first_column;
};

/// Positions that follow one another: rows of `a` and of `b` with a constant distance.
template <typename Unit>
struct OuterSegment {
  const Unit *a, *b;
  std::int64_t count;
};

/// out[r][n] (+)= sum over all positions of a[r] * b[n].
template <typename Unit>
struct OuterBlock {
  const OuterSegment<Unit>* segments;
  std::int64_t count, a_stride, b_stride;  ///< units from one position to the next
  float* out;
  std::int64_t out_stride;
  bool adds;
};

/// out[r][n] = start[n] + sum over taps t and channels k of source[t][r][k] * weight[t][n][k], for
/// kDotRows rows and a few columns: for so few columns that they do not fill a vector. The number
/// of channels is a multiple of `lanes`.
template <typename Unit>
struct DotBlock {
  std::int64_t taps, channels;
  const Unit* const* source;  ///< [taps, source_stride]
  std::int64_t source_stride;
  const Unit* const* weight;  ///< [taps]: pointers to [columns, channels]
  float* const* out;          ///< [kDotRows]
  const float* start;         ///< [columns]
};

constexpr int kMostRows = 8, kMostVectors = 4, kDotRows = 4, kMostDotColumns = 4;

template <typename Unit>
struct ConvolutionLoops {
  int lanes;                   ///< units in a vector
  int vectors;                 ///< most vectors of a panel
  int few_rows, more_vectors;  ///< of blocks of few rows
  int rows[kMostVectors];      ///< [vectors - 1]: most rows of a block that stays in the registers
  void (*gather[kMostVectors][kMostRows])(const GatherBlock<Unit>&);  ///< [vectors - 1][rows - 1]
  void (*outer[kMostVectors][kMostRows])(const OuterBlock<Unit>&);
  void (*dot[kMostDotColumns])(const DotBlock<Unit>&);  ///< [columns - 1]
};

/// Unit: float, or Pair if the CPU has AVX512_BF16 (bfloat16_products()).
template <typename Unit>
const ConvolutionLoops<Unit>& convolution_loops(InstructionSet set);

}  // namespace vae_dist::kernels

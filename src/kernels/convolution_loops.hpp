// The innermost loops of the convolutions of our own, compiled for each instruction set.
//
// Both keep a block of results in registers: each step multiplies one value of each of a few rows,
// spread over a vector, by a few vectors (Goto, van de Geijn 2008, "Anatomy of High-Performance
// Matrix Multiplication"). No patches are made: the first loop finds the rows that a kernel's taps
// read through pointers (Dukhan 2019, "The Indirect Convolution Algorithm", arXiv:1907.02129).
#pragma once

#include <cstdint>

#include "kernels/instruction_set.hpp"

namespace vae_dist::kernels {

/// out[r][n] = start[n] + sum over taps t and channels k of source[t][r][k] * weight[t][k][n], for
/// a few rows r and the columns n of one panel.
struct GatherBlock {
  std::int64_t taps, channels;
  const float* const* source;  ///< [taps, source_stride]: pointers to the rows' channels
  std::int64_t source_stride, first_channel;
  const float* const* weight;  ///< [taps]: pointers to [channels, columns]
  float* const* out;           ///< [rows]: pointers to the first column
  std::int64_t first_column;
  const float* start;  ///< [columns]; null: add to what `out` holds
};

/// Positions that follow one another: rows of `a` and of `b` with a constant distance.
struct OuterSegment {
  const float *a, *b;
  std::int64_t count;
};

/// out[r][n] (+)= sum over all positions of a[r] * b[n].
struct OuterBlock {
  const OuterSegment* segments;
  std::int64_t count, a_stride, b_stride;  ///< values from one position to the next
  float* out;
  std::int64_t out_stride;
  bool adds;
};

/// out[r][n] = start[n] + sum over taps t and channels k of source[t][r][k] * weight[t][n][k], for
/// kDotRows rows and a few columns: for so few columns that they do not fill a vector. The number
/// of channels is a multiple of `lanes`.
struct DotBlock {
  std::int64_t taps, channels;
  const float* const* source;  ///< [taps, source_stride]
  std::int64_t source_stride;
  const float* const* weight;  ///< [taps]: pointers to [columns, channels]
  float* const* out;           ///< [kDotRows]
  const float* start;          ///< [columns]
};

constexpr int kMostRows = 8, kMostVectors = 4, kDotRows = 4, kMostDotColumns = 4;

struct ConvolutionLoops {
  int lanes;    ///< values in a vector
  int rows;     ///< most rows of a block that stays in the registers, with `vectors` vectors
  int vectors;  ///< vectors of a panel
  int few_rows, more_vectors;  ///< a block of few rows has room for more vectors
  void (*gather[kMostVectors][kMostRows])(const GatherBlock&);  ///< [vectors - 1][rows - 1]
  void (*outer[kMostVectors][kMostRows])(const OuterBlock&);
  void (*dot[kMostDotColumns])(const DotBlock&);  ///< [columns - 1]
};

const ConvolutionLoops& convolution_loops(InstructionSet set);

}  // namespace vae_dist::kernels

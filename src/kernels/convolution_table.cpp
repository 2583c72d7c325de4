// Which way computes a convolution fastest on one thread: made from the measurements of
// tests/bench/convolution_ways.cpp, whose figures stand in tests/bench/README.md.
//
// AVX-512: measured on an AMD EPYC (family 25, model 17). AVX2: on the same CPU with LibTorch,
// oneDNN and our loops limited to AVX2 (ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2). Where
// two ways differ by less than 5 %, the simpler condition decides. A matrix product of patches was
// nowhere the fastest there.
#include <limits>
#include <span>

#include "kernels/convolution_choice.hpp"

namespace vae_dist::kernels {
namespace {

struct Range {
  std::int64_t least = 0, most = std::numeric_limits<std::int64_t>::max();

  bool has(std::int64_t value) const { return value >= least && value <= most; }
};

enum class Kind { any, conv, transposed };

// A rule; the first that fits decides. What is left out fits everything.
struct Row {
  Kind kind = Kind::any;
  Range in_channels = {}, out_channels = {}, kernel = {}, stride = {};
  Range positions = {};  ///< of the small image: height * width
  ConvolutionWay way;

  bool fits(const ConvolutionShape& shape) const {
    const bool transposed = shape.geometry.transposed;
    return (kind == Kind::any || (kind == Kind::transposed) == transposed) &&
           in_channels.has(shape.in_channels) && out_channels.has(shape.out_channels) &&
           kernel.has(shape.kernel) && stride.has(shape.geometry.stride) &&
           positions.has(transposed ? shape.in_height * shape.in_width
                                    : shape.out_height() * shape.out_width());
  }
};

constexpr auto kOnednn = ConvolutionWay::onednn, kDirect = ConvolutionWay::direct;
constexpr Range kFew = {0, 4}, kUpTo32 = {0, 32}, kLarge = {65};

// Both instruction sets prefer the same here.
constexpr Row kForward[] = {
    {.kind = Kind::conv, .in_channels = kFew, .way = kOnednn},
    {.kind = Kind::conv, .out_channels = kFew, .way = kDirect},
    {.kind = Kind::conv, .in_channels = kUpTo32, .positions = kLarge, .way = kOnednn},
    {.kind = Kind::conv, .kernel = {2}, .stride = {1, 1}, .positions = kLarge, .way = kOnednn},
    {.way = kDirect},
};

constexpr Row kInputGradientAvx512[] = {
    {.kind = Kind::conv, .out_channels = kFew, .way = kOnednn},
    {.kind = Kind::conv, .kernel = {2}, .stride = {1, 1}, .positions = kLarge, .way = kOnednn},
    {.kind = Kind::transposed,
     .in_channels = {33},
     .out_channels = kUpTo32,
     .positions = kLarge,
     .way = kOnednn},
    {.way = kDirect},
};

constexpr Row kInputGradientAvx2[] = {
    {.kind = Kind::conv, .out_channels = kFew, .way = kOnednn},
    {.kind = Kind::conv, .in_channels = kUpTo32, .positions = kLarge, .way = kOnednn},
    {.kind = Kind::conv, .stride = {1, 1}, .positions = kLarge, .way = kOnednn},
    {.kind = Kind::transposed, .out_channels = kUpTo32, .positions = kLarge, .way = kOnednn},
    {.way = kDirect},
};

// Both instruction sets prefer the same here.
constexpr Row kWeightGradient[] = {
    {.kind = Kind::conv, .in_channels = kFew, .way = kOnednn},
    {.in_channels = kUpTo32, .kernel = {1, 1}, .way = kOnednn},
    {.way = kDirect},
};

std::span<const Row> rows_of(InstructionSet set, ConvolutionDirection direction) {
  if (set == InstructionSet::baseline) return {};  // not measured
  switch (direction) {
    case ConvolutionDirection::forward:
      return kForward;
    case ConvolutionDirection::input_gradient:
      return set == InstructionSet::avx512 ? std::span<const Row>(kInputGradientAvx512)
                                           : kInputGradientAvx2;
    case ConvolutionDirection::weight_gradient:
      return kWeightGradient;
  }
  return {};
}

// In bfloat16, rounded and multiplied as fp32: what is not ours converts whole tensors.
constexpr Row kForwardRounded[] = {
    {.kind = Kind::conv, .in_channels = kFew, .way = kOnednn},
    {.way = kDirect},
};

constexpr Row kInputGradientRounded[] = {
    {.kind = Kind::conv, .out_channels = kFew, .way = kOnednn},
    {.way = kDirect},
};

constexpr Row kWeightGradientRounded[] = {
    {.kind = Kind::conv, .in_channels = kFew, .way = kOnednn},
    {.way = kDirect},
};

// In bfloat16 by AVX512_BF16.
constexpr Row kForwardByPairs[] = {
    {.kind = Kind::conv, .in_channels = kFew, .way = kOnednn},
    {.kind = Kind::conv, .out_channels = kFew, .way = kDirect},
    {.kind = Kind::conv, .in_channels = kUpTo32, .positions = kLarge, .way = kOnednn},
    {.kind = Kind::conv, .stride = {1, 1}, .positions = kLarge, .way = kOnednn},
    {.way = kDirect},
};

constexpr Row kInputGradientByPairs[] = {
    {.kind = Kind::conv, .out_channels = kFew, .way = kOnednn},
    {.kind = Kind::conv, .stride = {1, 1}, .positions = kLarge, .way = kOnednn},
    {.kind = Kind::transposed, .out_channels = kUpTo32, .positions = kLarge, .way = kOnednn},
    {.way = kDirect},
};

constexpr auto& kWeightGradientByPairs = kWeightGradientRounded;

std::span<const Row> rows_of(Bfloat16Products products, InstructionSet set,
                             ConvolutionDirection direction) {
  const bool rounded = products == Bfloat16Products::rounded && set != InstructionSet::baseline;
  if (!rounded && products != Bfloat16Products::vectors) return {};  // not measured
  switch (direction) {
    case ConvolutionDirection::forward:
      return rounded ? std::span<const Row>(kForwardRounded) : kForwardByPairs;
    case ConvolutionDirection::input_gradient:
      return rounded ? std::span<const Row>(kInputGradientRounded) : kInputGradientByPairs;
    case ConvolutionDirection::weight_gradient:
      return rounded ? std::span<const Row>(kWeightGradientRounded) : kWeightGradientByPairs;
  }
  return {};
}

}  // namespace

// The number of threads decides nothing yet: no machine with many cores was measured.
ConvolutionWays ways_from_table(const ConvolutionShape& shape, at::ScalarType type,
                                InstructionSet set, int /*threads*/, Bfloat16Products bfloat16) {
  ConvolutionWays out;
  for (const ConvolutionDirection direction : kConvolutionDirections)
    for (const Row& row :
         type == at::kBFloat16 ? rows_of(bfloat16, set, direction) : rows_of(set, direction)) {
      if (!row.fits(shape)) continue;
      if (can_serve(row.way, direction, shape, type)) out.of(direction) = row.way;
      break;
    }
  return out;
}

}  // namespace vae_dist::kernels

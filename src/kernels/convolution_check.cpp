#include "kernels/convolution_check.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace vae_dist::kernels {
namespace {

// A second or two of one core.
constexpr double kMostOperations = 1e11;

// Sums of 10^6 products of fp32 differ by some 10^-5 of the largest, and by one step of bfloat16
// (2^-8 to 2^-7 of the value) where they are rounded to it; a wrong tap or a value that was left
// out changes whole values.
double rounding(at::ScalarType type) { return type == at::kBFloat16 ? 1e-2 : 1e-3; }

double error_of(const at::Tensor& ours, const at::Tensor& theirs) {
  const at::Tensor wide = theirs.to(at::kFloat);
  return ((ours.to(at::kFloat) - wide).abs().max() / wide.abs().max()).item<double>();
}

}  // namespace

std::vector<DifferingWay> differing_ways(const ConvolutionChoice::ByShape& ways,
                                         at::ScalarType type, const Convolve& convolve) {
  double operations = 0;
  for (const auto& [shape, of_shape] : ways)
    for (const ConvolutionDirection direction : kConvolutionDirections)
      if (of_shape.of(direction) != ConvolutionWay::onednn) operations += 2 * shape.operations();

  std::vector<DifferingWay> out;
  for (const auto& [shape, of_shape] : ways) {
    if (of_shape == ConvolutionWays{}) continue;
    const TrialConvolution trial(
        with_part_of_the_batch(shape, std::min(1.0, kMostOperations / operations)), type);
    for (const ConvolutionDirection direction : kConvolutionDirections) {
      const ConvolutionWay way = of_shape.of(direction);
      if (way == ConvolutionWay::onednn) continue;
      const double error = error_of(trial.prepared(direction, way, convolve)(),
                                    trial.prepared(direction, ConvolutionWay::onednn, convolve)());
      if (!(error <= rounding(type))) out.push_back({shape, direction, error});
    }
  }
  return out;
}

}  // namespace vae_dist::kernels

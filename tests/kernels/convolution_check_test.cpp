#include "kernels/convolution_check.hpp"

#include <ATen/ATen.h>
#include <ATen/TensorIndexing.h>
#include <gtest/gtest.h>

#include <limits>

namespace vae_dist::kernels {
namespace {

const ConvolutionShape
    kHalving = {{.stride = 2, .padding = 1}, 3, 4, 32, 64, 8, 8},
    kDoubling = {{.transposed = true, .stride = 2, .padding = 1, .output_padding = {1, 1}},
                 3,
                 4,
                 64,
                 32,
                 4,
                 4};
const ConvolutionWays kProducts = {ConvolutionWay::products, ConvolutionWay::products,
                                   ConvolutionWay::products},
                      kDirect = {ConvolutionWay::direct, ConvolutionWay::direct,
                                 ConvolutionWay::direct};

TEST(DifferingWays, AreNoneWhereAllIsRight) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16})
    EXPECT_TRUE(differing_ways({{kHalving, kProducts}, {kDoubling, kDirect}}, type).empty());
}

// A convolution one of whose results is off at a single place, in one direction.
Convolve wrong_by(double value, ConvolutionDirection direction) {
  return [=](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
             const ConvolutionGeometry& geometry, const ConvolutionWays& ways) {
    if (ways.of(direction) == ConvolutionWay::onednn)
      return convolution(x, weight, bias, geometry, ways);
    const auto off = [value](const at::Tensor& right) {
      at::Tensor wrong = right.clone();
      wrong.index_put_({at::indexing::TensorIndex(0), at::indexing::TensorIndex(0),
                        at::indexing::TensorIndex(0), at::indexing::TensorIndex(0)},
                       value);
      return wrong;
    };
    at::Tensor y = convolution(x, weight, bias, geometry, ways);
    if (direction == ConvolutionDirection::forward) return off(y);
    // The gradient of the operand that learns passes through the copy of it.
    const bool of_input = direction == ConvolutionDirection::input_gradient;
    const at::Tensor& leaf = of_input ? x : weight;
    const at::Tensor copy = leaf.view_as(leaf);
    copy.register_hook([off](const at::Tensor& gradient) { return off(gradient); });
    return convolution(of_input ? copy : x, of_input ? weight : copy, bias, geometry, ways);
  };
}

TEST(DifferingWays, AreTheDirectionsWithAWrongValueOrNoNumber) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16})
    for (const double value : {1e4, std::numeric_limits<double>::quiet_NaN()})
      for (const ConvolutionDirection direction : kConvolutionDirections) {
        const std::vector<DifferingWay> found =
            differing_ways({{kHalving, kDirect}, {kDoubling, ConvolutionWays{}}}, type,
                           wrong_by(value, direction));
        ASSERT_EQ(found.size(), 1U) << word(direction);
        EXPECT_EQ(found[0].shape, kHalving);
        EXPECT_EQ(found[0].direction, direction);
        EXPECT_FALSE(found[0].error < 1);
      }
}

}  // namespace
}  // namespace vae_dist::kernels

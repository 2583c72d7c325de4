#include "bench/flop_count.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "kernels/convolution.hpp"

namespace vae_dist::bench {
namespace {

// Expected counts by hand: two operations for each product in the sum of an output value.
constexpr double kLinear = 2.0 * 7 * 3 * 5;

TEST(FlopCount, OfALinearLayerIsThatOfItsProducts) {
  const at::Tensor x = at::rand({7, 3}).requires_grad_(), w = at::rand({5, 3}).requires_grad_(),
                   b = at::rand({5}).requires_grad_();
  const FlopCount count;
  const at::Tensor y = at::linear(x, w, b).sum();
  EXPECT_EQ(count.operations(), kLinear);
  y.backward();  // gradients of the input and of the weight
  EXPECT_EQ(count.operations(), 3 * kLinear);
}

TEST(FlopCount, OfAConvolutionIsThatOfItsTaps) {
  const at::Tensor x = at::rand({2, 3, 9, 9}), w = at::rand({4, 3, 3, 3}).requires_grad_();
  const double forward =
      2.0 * (2 * 4 * 5 * 5) * (3 * 3 * 3);  // 9 x 9 with stride 2 and padding 1 is 5 x 5
  const std::vector<std::int64_t> stride = {2, 2}, padding = {1, 1};
  const FlopCount count;
  const at::Tensor y = at::conv2d(x, w, {}, stride, padding);
  ASSERT_EQ(y.sizes(), (std::vector<std::int64_t>{2, 4, 5, 5}));
  EXPECT_EQ(count.operations(), forward);
  y.sum().backward();  // images need no gradient
  EXPECT_EQ(count.operations(), 2 * forward);
}

TEST(FlopCount, OfATransposedConvolutionIsThatOfItsMirrorImage) {
  const at::Tensor x = at::rand({2, 4, 5, 5}).requires_grad_(),
                   w = at::rand({4, 3, 3, 3}).requires_grad_();
  const double forward = 2.0 * (2 * 4 * 5 * 5) * (3 * 3 * 3);
  const FlopCount count;
  const at::Tensor y = at::conv_transpose2d(x, w, {}, {2, 2}, {1, 1});
  EXPECT_EQ(y.size(2), 9);
  EXPECT_EQ(count.operations(), forward);
  y.sum().backward();
  EXPECT_EQ(count.operations(), 3 * forward);
}

TEST(FlopCount, OfAConvolutionIsTheSameInEveryWay) {
  using kernels::ConvolutionWay;
  for (const auto way : {ConvolutionWay::onednn, ConvolutionWay::products, ConvolutionWay::direct})
    for (const bool transposed : {false, true}) {
      const at::Tensor
          x = at::rand({2, 4, 5, 5}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_(),
          w = at::rand({4, 4, 3, 3}).requires_grad_();
      const FlopCount count;
      kernels::convolution(x, w, {}, {transposed, 2, 1, {0, 0}}, {way, way, way}).sum().backward();
      const double positions = transposed ? 5 * 5 : 3 * 3;
      EXPECT_EQ(count.operations(), 3 * 2.0 * 2 * positions * 9 * 4 * 4)
          << kernels::word(way) << transposed;
    }
}

TEST(FlopCount, CountsNothingOutsideAndOneAtATime) {
  {
    const FlopCount count;
    EXPECT_THROW(FlopCount(), std::logic_error);
  }
  const FlopCount count;
  EXPECT_EQ(count.operations(), 0);
}

}  // namespace
}  // namespace vae_dist::bench

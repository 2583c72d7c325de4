// The operations of layers, counted from their shapes, against counts by hand: two for each product
// in the sum of an output value.
#include "bench/flop_count.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "model/convolution.hpp"
#include "model/linear.hpp"
#include "model/recompute.hpp"
#include "model/residual_network.hpp"
#include "step/make_model.hpp"

namespace vae_dist::bench {
namespace {

at::Tensor learning(at::IntArrayRef sizes) { return at::rand(sizes).requires_grad_(); }

TEST(FlopCount, OfALinearLayerIsThatOfItsProducts) {
  constexpr double kForward = 2.0 * 7 * 3 * 5;
  model::Linear layer(3, 5);
  const model::LayerCalls calls;
  layer(at::rand({7, 3})).sum().backward();  // the first layer: no gradient of the input
  EXPECT_EQ(operations_of(calls.all()), 2 * kForward);
  layer(learning({7, 3})).sum().backward();
  EXPECT_EQ(operations_of(calls.all()), 2 * kForward + 3 * kForward);
  layer->weight.requires_grad_(false);  // frozen
  layer(learning({7, 3})).sum().backward();
  EXPECT_EQ(operations_of(calls.all()), (2 + 3 + 2) * kForward);
  const at::NoGradGuard no_grad;
  layer(learning({7, 3}));
  EXPECT_EQ(operations_of(calls.all()), (2 + 3 + 2 + 1) * kForward);
}

TEST(FlopCount, OfAConvolutionIsThatOfItsTaps) {
  // 9 x 9 with stride 2 and padding 1 is 5 x 5.
  constexpr double kForward = 2.0 * (2 * 4 * 5 * 5) * (3 * 3 * 3);
  model::Convolution layer(model::ConvolutionOptions{
      .in_channels = 3, .out_channels = 4, .kernel = 3, .stride = 2, .padding = 1});
  const model::LayerCalls calls;
  const at::Tensor y = layer(at::rand({2, 3, 9, 9}));
  ASSERT_EQ(y.sizes(), (std::vector<std::int64_t>{2, 4, 5, 5}));
  EXPECT_EQ(operations_of(calls.all()), 2 * kForward);
  layer(learning({2, 3, 9, 9}));
  EXPECT_EQ(operations_of(calls.all()), (2 + 3) * kForward);
}

TEST(FlopCount, OfATransposedConvolutionIsThatOfItsMirrorImage) {
  constexpr double kForward = 2.0 * (2 * 4 * 5 * 5) * (3 * 3 * 3);
  model::TransposedConvolution layer(model::ConvolutionOptions{
      .in_channels = 4, .out_channels = 3, .kernel = 3, .stride = 2, .padding = 1});
  const model::LayerCalls calls;
  EXPECT_EQ(layer(learning({2, 4, 5, 5})).size(2), 9);
  EXPECT_EQ(operations_of(calls.all()), 3 * kForward);
}

TEST(FlopCount, OfSeriesAndVolumesIsThatOfTheirTaps) {
  const auto options = [](std::int64_t in, std::int64_t out, std::size_t dimensions) {
    return model::ConvolutionOptions{.in_channels = in,
                                     .out_channels = out,
                                     .kernel = 3,
                                     .stride = 2,
                                     .padding = 1,
                                     .dimensions = dimensions};
  };
  model::Convolution line(options(3, 4, 1)), volume(options(3, 4, 3));
  model::TransposedConvolution line_back(options(4, 3, 1)), volume_back(options(4, 3, 3));
  {
    const model::LayerCalls calls;
    line_back(line(learning({2, 3, 9})));
    EXPECT_EQ(operations_of(calls.all()), 2 * 3 * 2.0 * (2 * 4 * 5) * (3 * 3));
  }
  const model::LayerCalls calls;
  volume_back(volume(learning({2, 3, 9, 5, 7})));
  EXPECT_EQ(operations_of(calls.all()), 2 * 3 * 2.0 * (2 * 4 * 5 * 3 * 4) * (3 * 27));
}

TEST(FlopCount, OfAttentionIsThatOfItsTwoProducts) {
  // Nine positions of four channels: each query meets each key, and each weight each value. A
  // convolution of 1x1 makes the queries, keys and values, and another one maps the result.
  constexpr double kPositions = 9, kSamples = 2, kChannels = 4;
  constexpr double kAttention = 2 * 2 * kSamples * kPositions * kPositions * kChannels,
                   kConvolutions = 2 * kSamples * kPositions * kChannels * (4 * kChannels);
  model::SpatialAttention layer(4, model::GroupNormWays{});
  const model::LayerCalls calls;
  layer(learning({2, 4, 3, 3}));
  EXPECT_EQ(operations_of(calls.all()), 3 * (kAttention + kConvolutions));
}

// VanillaVAE with two levels on images of 1 x 8 x 8: 8 -> 4 -> 2, latent 3.
TEST(FlopCount, OfANetworkIsThatOfItsLayers) {
  config::Config config;
  config.model.hidden_dims = {4, 6};
  config.model.latent_dim = 3;
  const auto network = step::make_model(config, {1, {8, 8}});
  constexpr double kTaps = 9, kBatch = 5;
  constexpr double kFirst = 2 * kBatch * (4 * 4 * 4) * (1 * kTaps);
  constexpr double kOthers = 2 * kBatch *
                             ((6 * 2 * 2) * (4 * kTaps)    // encoder.1
                              + 2 * (24 * 3)               // fc_mu, fc_var
                              + 3 * 24                     // decoder_input
                              + (6 * 2 * 2) * (4 * kTaps)  // decoder.0
                              + (4 * 4 * 4) * (4 * kTaps)  // final_layer.0
                              + (1 * 8 * 8) * (4 * kTaps)  // final_layer.3
                             );
  for (const bool rounded : {false, true}) {
    network->use_bfloat16(rounded);
    const model::LayerCalls calls;
    network->forward({at::rand({5, 1, 8, 8}), at::randn({5, 3})}).reconstruction.sum().backward();
    EXPECT_EQ(operations_of(calls.all()), 2 * kFirst + 3 * kOthers);
  }
}

TEST(FlopCount, LeavesOutWhatBackwardComputesAgain) {
  std::array<double, 2> counted{};
  for (const bool again : {false, true}) {
    torch::nn::AnyModule block(
        model::ResidualBlock(8, 8, model::Activation::silu, model::GroupNormWays{}));
    const at::Tensor x = learning({2, 8, 4, 4});
    const model::LayerCalls calls;
    (again ? model::recomputed(block, x) : block.forward(x)).sum().backward();
    counted.at(again ? 1 : 0) = operations_of(calls.all());
  }
  EXPECT_GT(counted[0], 0);
  EXPECT_EQ(counted[0], counted[1]);
}

TEST(FlopCount, CountsNothingOutside) {
  model::Linear layer(3, 5);
  layer(at::rand({7, 3}));
  const model::LayerCalls calls;
  {
    const model::LayerCalls inner;
    layer(at::rand({7, 3}));
    EXPECT_EQ(inner.all().size(), 1U);
  }
  EXPECT_EQ(operations_of(calls.all()), 0);
}

}  // namespace
}  // namespace vae_dist::bench

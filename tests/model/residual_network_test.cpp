// Group normalisation with its activation as one operation, in the layers that use it.
#include "model/residual_network.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <vector>

#include "model/autocast.hpp"

namespace vae_dist::model {
namespace {

at::Tensor normal_numbers(at::IntArrayRef sizes, std::uint64_t seed) {
  return at::randn(sizes, at::make_generator<at::CPUGeneratorImpl>(seed), at::kDouble);
}

// The output of a layer, and the gradients of the input and of the parameters.
std::vector<at::Tensor> results_of(torch::nn::AnyModule layer, const at::Tensor& input) {
  const at::Tensor x = input.detach().requires_grad_();
  const at::Tensor y = layer.forward(x);
  y.backward(normal_numbers(y.sizes(), 3).to(y.scalar_type()));
  std::vector<at::Tensor> out = {y.detach(), x.grad()};
  for (const at::Tensor& parameter : layer.ptr()->parameters()) out.push_back(parameter.grad());
  return out;
}

// Parameters of normalisations differ from 1 and 0.
template <typename Layer>
Layer drawn(Layer layer, at::ScalarType type) {
  const at::NoGradGuard no_grad;
  layer->to(type);
  std::uint64_t seed = 10;
  for (const at::Tensor& parameter : layer->parameters())
    parameter.copy_(0.2 * normal_numbers(parameter.sizes(), ++seed) +
                    (parameter.dim() == 1 ? 0.5 : 0));
  return layer;
}

void expect_close_results(const std::vector<at::Tensor>& ours,
                          const std::vector<at::Tensor>& expected, double tolerance) {
  ASSERT_EQ(ours.size(), expected.size());
  for (std::size_t i = 0; i < ours.size(); ++i)
    EXPECT_LT((ours[i].to(at::kDouble) - expected[i].to(at::kDouble)).abs().max().item<double>(),
              tolerance * expected[i].abs().max().item<double>())
        << "result " << i;
}

TEST(FusedGroupNorm, IsTheSameLayerWithEveryActivationAndMemoryFormat) {
  for (const Activation activation : {Activation::silu, Activation::leaky_relu, Activation::relu,
                                      Activation::tanh, Activation::sigmoid, Activation::identity})
    for (const auto format : {at::MemoryFormat::ChannelsLast, at::MemoryFormat::Contiguous}) {
      SCOPED_TRACE(testing::Message() << "activation " << static_cast<int>(activation));
      const at::Tensor x = normal_numbers({3, 12, 7, 5}, 1).contiguous(format);
      const auto layer = [&](bool fused) {
        return drawn(group_norm(12, {.fused = fused}, activation), at::kDouble);
      };
      expect_close_results(results_of(torch::nn::AnyModule(layer(true)), x),
                           results_of(torch::nn::AnyModule(layer(false)), x), 1e-12);
    }
}

// Two channels a group, because a bias before a group of one channel has no gradient.
TEST(FusedGroupNorm, LeavesABlockAsItIs) {
  const at::Tensor x = normal_numbers({2, 8, 9, 6}, 1).contiguous(at::MemoryFormat::ChannelsLast);
  const auto block = [](bool fused) {
    return drawn(ResidualBlock(8, 64, Activation::silu, GroupNormWays{.fused = fused}),
                 at::kDouble);
  };
  const ResidualBlock fused = block(true), plain = block(false);
  expect_close_results(results_of(torch::nn::AnyModule(fused), x),
                       results_of(torch::nn::AnyModule(plain), x), 1e-11);
  EXPECT_EQ(fused->named_parameters().keys(), plain->named_parameters().keys());
}

TEST(FusedGroupNorm, ReadsAndWritesBfloat16UnderAutocast) {
  const at::Tensor x =
      normal_numbers({2, 32, 9, 6}, 1).to(at::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
  const auto run = [&](bool fused) {
    const Autocast autocast(at::kCPU, true);
    return results_of(
        torch::nn::AnyModule(drawn(group_norm(32, {.fused = fused}, Activation::silu), at::kFloat)),
        x);
  };
  const std::vector<at::Tensor> fused = run(true);
  EXPECT_EQ(fused[0].scalar_type(), at::kBFloat16);
  EXPECT_EQ(fused[2].scalar_type(), at::kFloat);
  // LibTorch rounds between normalisation and activation too.
  expect_close_results(fused, run(false), 0.02);
}

}  // namespace
}  // namespace vae_dist::model

// Products of bfloat16 made in fp32, beside LibTorch's own arithmetic in bfloat16 (by the CPU's
// instructions where it has them, else emulated).
#include "kernels/rounded_products.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "kernels/instruction_set.hpp"

namespace vae_dist::kernels {
namespace {

using ComparedProduct =
    std::function<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&)>;

at::Tensor normal_images(at::IntArrayRef sizes, std::uint64_t seed) {
  const at::Tensor out =
      at::randn(sizes, at::make_generator<at::CPUGeneratorImpl>(seed), at::kFloat);
  return out.dim() == 4 ? out.contiguous(at::MemoryFormat::ChannelsLast) : out;
}

// A layer and its operands.
struct ComparedLayer {
  std::string name;
  ComparedProduct product;
  std::vector<at::Tensor> operands;
};

std::vector<ComparedLayer> compared_layers() {
  const auto convolution = [](std::int64_t stride) {
    return [stride](const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) {
      return at::conv2d(x, w, b, stride, 1);
    };
  };
  const ComparedProduct transposed = [](const at::Tensor& x, const at::Tensor& w,
                                        const at::Tensor& b) {
    return at::conv_transpose2d(x, w, b, 2, 1, 1);
  };
  const ComparedProduct linear = [](const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) {
    return at::linear(x, w, b);
  };
  return {
      {"the first convolution",
       convolution(2),
       {normal_images({4, 3, 16, 16}, 1), normal_images({16, 3, 3, 3}, 2), normal_images({16}, 3)}},
      {"a convolution of many channels",
       convolution(2),
       {normal_images({4, 64, 8, 8}, 4), normal_images({128, 64, 3, 3}, 5) / 24,
        normal_images({128}, 6)}},
      {"the last convolution",
       convolution(1),
       {normal_images({4, 32, 16, 16}, 7), normal_images({3, 32, 3, 3}, 8) / 17,
        normal_images({3}, 9)}},
      {"a transposed convolution",
       transposed,
       {normal_images({4, 64, 4, 4}, 10), normal_images({64, 32, 3, 3}, 11) / 12,
        normal_images({32}, 12)}},
      {"a linear layer",
       linear,
       {normal_images({32, 256}, 13), normal_images({64, 256}, 14) / 16, normal_images({64}, 15)}}};
}

std::vector<at::Tensor> as_leaves(const std::vector<at::Tensor>& operands, at::ScalarType type) {
  std::vector<at::Tensor> out;
  for (const at::Tensor& operand : operands)
    out.push_back(operand.to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_());
  return out;
}

// The output, then the gradients of the operands, for a gradient of the output drawn from the seed.
std::vector<at::Tensor> outcome(const at::Tensor& y, const std::vector<at::Tensor>& operands) {
  y.backward(normal_images(y.sizes(), 100).to(y.scalar_type()));
  std::vector<at::Tensor> out = {y.detach()};
  for (const at::Tensor& operand : operands) out.push_back(operand.grad());
  return out;
}

TEST(RoundedProduct, IsLibTorchsInBfloat16ToRounding) {
  // Both add in fp32 and round once, so a value differs only where the order of the sum moves it
  // over a rounding boundary: then by one step of bfloat16, 2^-7 at most.
  constexpr double kStep = 1.0 / 128, kOfLargest = 1e-4, kMostDiffering = 0.02;
  for (const ComparedLayer& layer : compared_layers()) {
    const auto ours_in = as_leaves(layer.operands, at::kBFloat16),
               theirs_in = as_leaves(layer.operands, at::kBFloat16);
    const auto ours =
        outcome(rounded_product(ours_in[0], ours_in[1], ours_in[2], layer.product), ours_in);
    const auto theirs = outcome(layer.product(theirs_in[0], theirs_in[1], theirs_in[2]), theirs_in);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      SCOPED_TRACE(testing::Message() << layer.name << ", tensor " << i);
      ASSERT_EQ(ours[i].scalar_type(), at::kBFloat16);
      ASSERT_EQ(ours[i].sizes(), theirs[i].sizes());
      const at::Tensor a = ours[i].to(at::kFloat), b = theirs[i].to(at::kFloat);
      EXPECT_TRUE(at::allclose(a, b, kStep, kOfLargest * b.abs().max().item<double>()));
      EXPECT_LE(a.ne(b).to(at::kFloat).mean().item<double>(), kMostDiffering);
    }
  }
}

TEST(RoundedProduct, OfAttentionIsLibTorchsInBfloat16ToRounding) {
  // LibTorch rounds the weights of the values to bfloat16 too.
  constexpr double kOfLargest = 0.02;
  const ComparedProduct attend = [](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return at::scaled_dot_product_attention(q, k, v);
  };
  const std::vector<at::Tensor> operands = {normal_images({2, 1, 16, 32}, 1),
                                            normal_images({2, 1, 16, 32}, 2),
                                            normal_images({2, 1, 16, 32}, 3)};
  const auto ours_in = as_leaves(operands, at::kBFloat16),
             theirs_in = as_leaves(operands, at::kBFloat16);
  const auto ours = outcome(rounded_product(ours_in[0], ours_in[1], ours_in[2], attend), ours_in);
  const auto theirs = outcome(attend(theirs_in[0], theirs_in[1], theirs_in[2]), theirs_in);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const at::Tensor a = ours[i].to(at::kFloat), b = theirs[i].to(at::kFloat);
    EXPECT_LE((a - b).abs().max().item<double>(), kOfLargest * b.abs().max().item<double>())
        << "tensor " << i;
  }
}

TEST(RoundedProduct, RoundsOperandsInFp32AndGivesThemGradientsInFp32) {
  const ComparedLayer layer = compared_layers()[1];
  const auto wide = as_leaves(layer.operands, at::kFloat),
             rounded = as_leaves(layer.operands, at::kBFloat16);
  const auto from_wide = outcome(rounded_product(wide[0], wide[1], wide[2], layer.product), wide),
             from_rounded = outcome(
                 rounded_product(rounded[0], rounded[1], rounded[2], layer.product), rounded);
  EXPECT_TRUE(from_wide[0].equal(from_rounded[0]));
  for (std::size_t i = 1; i < from_wide.size(); ++i) {
    EXPECT_EQ(from_wide[i].scalar_type(), at::kFloat);
    EXPECT_TRUE(from_wide[i].equal(from_rounded[i].to(at::kFloat))) << "tensor " << i;
  }
}

TEST(RoundedProduct, ComputesOutsideAutocastAndWithoutABias) {
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  const at::Tensor x = normal_images({2, 3, 8, 8}, 1), w = normal_images({4, 3, 3, 3}, 2);
  EXPECT_EQ(rounds_products(x), !multiplies_bfloat16());
  const at::Tensor y =
      rounded_product(x, w, {}, [](const at::Tensor& a, const at::Tensor& b, const at::Tensor& c) {
        EXPECT_FALSE(c.defined());
        const at::Tensor out = at::conv2d(a, b, c);
        EXPECT_EQ(out.scalar_type(), at::kFloat);
        return out;
      });
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_FALSE(rounds_products(x));
}

}  // namespace
}  // namespace vae_dist::kernels

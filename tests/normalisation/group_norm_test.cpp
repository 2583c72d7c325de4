#include "normalisation/group_norm.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <vector>

#include "random_images.hpp"

namespace vae_dist::normalisation {
namespace {

// A batch, the parameters of the layer, and the gradient of its output.
struct GroupNormCase {
  at::Tensor x, weight, bias, dy;
  std::int64_t groups;
};

// Each channel has a mean of its own, far from zero.
GroupNormCase group_norm_case(at::ScalarType type, at::IntArrayRef sizes, std::int64_t groups,
                              double offset) {
  const at::ScalarType wide = type == at::kDouble ? at::kDouble : at::kFloat;
  const auto nhwc = [&](const at::Tensor& t) {
    return t.to(type).contiguous(at::MemoryFormat::ChannelsLast);
  };
  const std::int64_t channels = sizes[1];
  return {nhwc(normal_double(sizes, 1) * 0.5 + normal_double({1, channels, 1, 1}, 5) + offset),
          (normal_double({channels}, 2) + 1).to(wide), normal_double({channels}, 3).to(wide),
          nhwc(normal_double(sizes, 4)), groups};
}

struct GroupNormOutcome {
  at::Tensor y, dx, d_weight, d_bias;
};

GroupNormOutcome of_kernel(const GroupNormCase& c, GroupNormActivation activation) {
  const GroupNormOutput out = group_norm(c.x, c.groups, c.weight, c.bias, 1e-5, activation);
  const GroupNormGradients d =
      group_norm_backward(c.dy, c.x, c.weight, c.bias, out.mean, out.inverse_deviation, activation);
  return {out.y, d.x, d.weight, d.bias};
}

// The same computed by LibTorch's operations, in double precision.
GroupNormOutcome of_torch(const GroupNormCase& c, GroupNormActivation activation) {
  const at::Tensor x = c.x.to(at::kDouble).requires_grad_(),
                   weight = c.weight.to(at::kDouble).requires_grad_(),
                   bias = c.bias.to(at::kDouble).requires_grad_();
  const at::Tensor z = at::group_norm(x, c.groups, weight, bias, 1e-5);
  const Rectifier* const rectifier = std::get_if<Rectifier>(&activation);
  const at::Tensor y = rectifier ? at::leaky_relu(z, rectifier->slope) : at::silu(z);
  y.backward(c.dy.to(at::kDouble));
  return {y.detach(), x.grad(), weight.grad(), bias.grad()};
}

void expect_close(const GroupNormOutcome& ours, const GroupNormOutcome& expected, double tolerance,
                  double of_activations) {
  EXPECT_LT(error(ours.y, expected.y), of_activations);
  EXPECT_LT(error(ours.dx, expected.dx), of_activations);
  EXPECT_LT(error(ours.d_weight, expected.d_weight), tolerance);
  EXPECT_LT(error(ours.d_bias, expected.d_bias), tolerance);
}

const std::vector<GroupNormActivation> kActivations = {Silu{}, Rectifier{0.01}, Rectifier{0},
                                                       Rectifier{1}};

struct GroupNormLayer {
  std::vector<std::int64_t> sizes;
  std::int64_t groups;
};

// Odd sizes, one channel a group and one group, a single position, and samples of several blocks of
// which the last is not full.
const std::vector<GroupNormLayer> kLayers = {
    {{5, 32, 9, 7}, 32}, {{3, 96, 5, 11}, 32},  {{2, 20, 7, 3}, 5},    {{3, 3, 13, 7}, 1},
    {{2, 64, 1, 1}, 32}, {{1, 64, 67, 33}, 32}, {{1, 512, 12, 13}, 32}};

TEST(GroupNormKernel, IsTorchsGroupNormAndActivation) {
  for (const GroupNormLayer& layer : kLayers)
    for (const GroupNormActivation& activation : kActivations) {
      SCOPED_TRACE(testing::Message() << layer.sizes[1] << " channels in " << layer.groups
                                      << " groups, activation " << activation.index());
      const GroupNormCase c = group_norm_case(at::kDouble, layer.sizes, layer.groups, 3);
      ASSERT_TRUE(has_group_norm_kernel(c.x, c.weight, c.bias, c.groups));
      expect_close(of_kernel(c, activation), of_torch(c, activation), 1e-11, 1e-11);
    }
}

TEST(GroupNormKernel, KeepsTheDigitsOfSinglePrecision) {
  for (const GroupNormActivation& activation : kActivations) {
    const GroupNormCase c = group_norm_case(at::kFloat, {4, 64, 33, 31}, 32, 3);
    expect_close(of_kernel(c, activation), of_torch(c, activation), 3e-6, 3e-6);
  }
}

// The sums use fp32 and fp64; only stored values are rounded, to 8 bits.
TEST(GroupNormKernel, RoundsBfloat16Once) {
  for (const GroupNormActivation& activation : kActivations) {
    const GroupNormCase c = group_norm_case(at::kBFloat16, {4, 64, 33, 31}, 32, 0);
    expect_close(of_kernel(c, activation), of_torch(c, activation), 3e-6, 1.0 / 256);
  }
}

// SiLU of numbers whose exponential leaves the range of the type.
TEST(GroupNormKernel, ActivatesNumbersOfAnySize) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    GroupNormCase c = group_norm_case(type, {1, 32, 8, 9}, 32, 0);
    c.weight.fill_(1e4);
    const GroupNormOutcome ours = of_kernel(c, Silu{}), expected = of_torch(c, Silu{});
    expect_close(ours, expected, 3e-6, 3e-6);
    EXPECT_TRUE(ours.dx.isfinite().all().item<bool>());
  }
}

// With more samples than threads a thread has whole samples; with fewer, threads share them.
TEST(GroupNormKernel, GivesTheSameBitsWithAnyNumberOfThreads) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer does not see how the threads of OpenMP wait for each other";
#endif
  for (const std::int64_t samples : {2, 7}) {
    const GroupNormCase c = group_norm_case(at::kFloat, {samples, 64, 67, 33}, 32, 2);
    const int before = at::get_num_threads();
    at::set_num_threads(1);
    const GroupNormOutcome one = of_kernel(c, Silu{});
    at::set_num_threads(3);
    const GroupNormOutcome three = of_kernel(c, Silu{});
    at::set_num_threads(before);
    EXPECT_TRUE(one.y.equal(three.y));
    EXPECT_TRUE(one.dx.equal(three.dx));
    EXPECT_TRUE(one.d_weight.equal(three.d_weight));
    EXPECT_TRUE(one.d_bias.equal(three.d_bias));
  }
}

TEST(GroupNormKernel, PassesOnWhatIsNotFinite) {
  for (const GroupNormActivation& activation : kActivations) {
    GroupNormCase c = group_norm_case(at::kFloat, {4, 32, 3, 5}, 4, 0);
    c.x[1][9][2][4] = std::numeric_limits<float>::quiet_NaN();
    const GroupNormOutcome out = of_kernel(c, activation);
    EXPECT_TRUE(out.y[1].slice(0, 8, 16).isnan().all().item<bool>());
    EXPECT_TRUE(out.dx[1].slice(0, 8, 16).isnan().all().item<bool>());
    EXPECT_EQ(out.y.isnan().sum().item<std::int64_t>(), 8 * 15);
    EXPECT_TRUE(out.d_weight.slice(0, 8, 16).isnan().all().item<bool>());
  }
}

TEST(GroupNormKernel, TakesAGradientInAnyMemoryFormat) {
  GroupNormCase c = group_norm_case(at::kFloat, {4, 32, 3, 5}, 4, 0);
  const GroupNormOutcome expected = of_kernel(c, Silu{});
  c.dy = c.dy.contiguous(at::MemoryFormat::Contiguous);
  EXPECT_TRUE(of_kernel(c, Silu{}).dx.equal(expected.dx));
}

// Rounding such a NaN to bfloat16 carries into its sign.
TEST(GroupNormKernel, PassesOnANaNOfAnyPayload) {
  GroupNormCase c = group_norm_case(at::kBFloat16, {4, 32, 3, 5}, 32, 0);
  c.weight[2] = std::bit_cast<float>(0x7fffffff);
  c.bias[1] = std::bit_cast<float>(0x7fffffff);
  const auto out = of_kernel(c, Rectifier{0.01});
  for (const std::int64_t channel : {1, 2})
    EXPECT_TRUE(out.y.select(1, channel).isnan().all().item<bool>());
  EXPECT_TRUE(out.dx.select(1, 2).isnan().all().item<bool>());
}

}  // namespace
}  // namespace vae_dist::normalisation

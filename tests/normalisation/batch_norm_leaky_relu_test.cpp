#include "normalisation/batch_norm_leaky_relu.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <vector>

#include "random_images.hpp"

namespace vae_dist::normalisation {
namespace {

constexpr double kEpsilon = 1e-5;

// A batch, the parameters of the layer, and the gradient of its output.
struct Case {
  at::Tensor x, weight, bias, dy;
};

// Values far from zero, where E[x^2] - E[x]^2 would lose digits. There are more rows than fit in a
// block, and the last block and the last group of rows are not full.
Case make_case(at::ScalarType type, std::int64_t channels, std::int64_t samples, double offset) {
  const std::vector<std::int64_t> sizes = {samples, channels, 9, 7};
  const at::ScalarType wide = type == at::kDouble ? at::kDouble : at::kFloat;
  const auto nhwc = [&](const at::Tensor& t) {
    return t.to(type).contiguous(at::MemoryFormat::ChannelsLast);
  };
  return {nhwc(normal_double(sizes, 1) * 0.5 + offset), (normal_double({channels}, 2) + 1).to(wide),
          normal_double({channels}, 3).to(wide), nhwc(normal_double(sizes, 4))};
}

struct KernelOutcome {
  at::Tensor y, dx, d_weight, d_bias, mean, variance;
};

KernelOutcome of_kernel(const Case& c, double slope) {
  const BatchNormOutput out = batch_norm_leaky_relu(c.x, c.weight, c.bias, kEpsilon, slope);
  const BatchNormGradients d = batch_norm_leaky_relu_backward(c.dy, c.x, c.weight, c.bias, out.mean,
                                                              out.inverse_deviation, slope);
  return {out.y, d.x, d.weight, d.bias, out.mean, out.variance};
}

// The same computed by LibTorch's operations, in double precision.
KernelOutcome of_torch(const Case& c, double slope) {
  const at::Tensor x = c.x.to(at::kDouble).requires_grad_(),
                   weight = c.weight.to(at::kDouble).requires_grad_(),
                   bias = c.bias.to(at::kDouble).requires_grad_();
  const at::Tensor mean = at::zeros_like(weight), variance = at::zeros_like(weight);
  const at::Tensor y = at::leaky_relu(
      at::batch_norm(x, weight, bias, mean, variance, true, 1.0, kEpsilon, false), slope);
  y.backward(c.dy.to(at::kDouble));
  return {y.detach(), x.grad(), weight.grad(), bias.grad(), mean, variance};
}

void expect_close(const KernelOutcome& ours, const KernelOutcome& expected, double tolerance,
                  double of_activations) {
  EXPECT_LT(error(ours.y, expected.y), of_activations);
  EXPECT_LT(error(ours.dx, expected.dx), of_activations);
  EXPECT_LT(error(ours.d_weight, expected.d_weight), tolerance);
  EXPECT_LT(error(ours.d_bias, expected.d_bias), tolerance);
  EXPECT_LT(error(ours.mean, expected.mean), tolerance);
  EXPECT_LT(error(ours.variance, expected.variance), tolerance);
}

TEST(BatchNormKernel, IsTorchsBatchNormAndLeakyReLU) {
  for (const std::int64_t channels : {1, 3, 32, 512})
    for (const double slope : {0.01, 0.0, 1.0}) {
      SCOPED_TRACE(testing::Message() << channels << " channels, slope " << slope);
      const Case c = make_case(at::kDouble, channels, 37, 50);
      ASSERT_TRUE(has_batch_norm_kernel(c.x, c.weight));
      expect_close(of_kernel(c, slope), of_torch(c, slope), 1e-11, 1e-11);
    }
}

TEST(BatchNormKernel, KeepsTheDigitsOfSinglePrecision) {
  const Case c = make_case(at::kFloat, 32, 301, 2);
  expect_close(of_kernel(c, 0.01), of_torch(c, 0.01), 2e-6, 2e-6);
}

// The sums use fp32 and fp64; only stored values are rounded, to 8 bits.
TEST(BatchNormKernel, RoundsBfloat16Once) {
  const Case c = make_case(at::kBFloat16, 32, 301, 2);
  expect_close(of_kernel(c, 0.01), of_torch(c, 0.01), 2e-6, 1.0 / 256);
}

TEST(BatchNormKernel, GivesTheSameBitsWithAnyNumberOfThreads) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer does not see how the threads of OpenMP wait for each other";
#endif
  const Case c = make_case(at::kFloat, 32, 301, 2);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const KernelOutcome one = of_kernel(c, 0.01);
  at::set_num_threads(3);
  const KernelOutcome three = of_kernel(c, 0.01);
  at::set_num_threads(before);
  EXPECT_TRUE(one.y.equal(three.y));
  EXPECT_TRUE(one.dx.equal(three.dx));
  EXPECT_TRUE(one.d_weight.equal(three.d_weight));
  EXPECT_TRUE(one.d_bias.equal(three.d_bias));
}

TEST(BatchNormKernel, PassesOnWhatIsNotFinite) {
  Case c = make_case(at::kFloat, 3, 4, 0);
  c.x[1][2][3][4] = std::numeric_limits<float>::quiet_NaN();
  const KernelOutcome out = of_kernel(c, 0.01);
  EXPECT_TRUE(out.y.select(1, 2).isnan().all().item<bool>());
  EXPECT_FALSE(out.y.select(1, 1).isnan().any().item<bool>());
  EXPECT_TRUE(out.variance[2].isnan().item<bool>());
}

// Rounding such a NaN to bfloat16 carries into its sign.
TEST(BatchNormKernel, PassesOnANaNOfAnyPayload) {
  Case c = make_case(at::kBFloat16, 3, 4, 0);
  c.weight[2] = std::bit_cast<float>(0x7fffffff);
  c.bias[1] = std::bit_cast<float>(0x7fffffff);
  const auto out = of_kernel(c, 0.01);
  for (const std::int64_t channel : {1, 2})
    EXPECT_TRUE(out.y.select(1, channel).isnan().all().item<bool>());
  EXPECT_TRUE(out.dx.select(1, 2).isnan().all().item<bool>());
}

}  // namespace
}  // namespace vae_dist::normalisation

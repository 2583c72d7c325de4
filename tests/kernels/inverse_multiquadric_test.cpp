// Sums of inverse multiquadratics in one pass equal LibTorch's operations, and their slopes its
// gradients.
#include "kernels/inverse_multiquadric.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace vae_dist::kernels {
namespace {

constexpr KernelWidths kWidths = {0.3, 0.6, 1.5, 3, 6, 15, 30};

class InverseMultiquadric : public testing::TestWithParam<at::ScalarType> {};

TEST_P(InverseMultiquadric, EqualsLibTorchWithItsGradient) {
  // Odd sizes, so that vectors have rests; distances of 0 too.
  for (const std::int64_t count : {1, 7, 33, 20001}) {
    const at::Tensor distances = (10 * at::rand({count}, GetParam()) - 1).clamp_min(0);
    const at::Tensor leaf = distances.to(at::kDouble).requires_grad_();
    at::Tensor expected = at::zeros({}, at::kDouble);
    for (const double width : kWidths) expected = expected + width / (width + leaf);
    expected.sum().backward();

    const KernelValues ours = inverse_multiquadrics(distances, kWidths);
    EXPECT_EQ(ours.values.scalar_type(), GetParam());
    const double tolerance = GetParam() == at::kDouble ? 1e-14 : 2e-6;
    EXPECT_TRUE(at::allclose(ours.values.to(at::kDouble), expected.detach(), tolerance, 0));
    EXPECT_TRUE(at::allclose(ours.slopes.to(at::kDouble), leaf.grad(), tolerance, 0));
  }
}

TEST_P(InverseMultiquadric, HasTheSameBitsWithEveryNumberOfThreadsAndLayout) {
  const at::Tensor distances = at::rand({301, 203}, GetParam());
  at::set_num_threads(1);
  const KernelValues one = inverse_multiquadrics(distances, kWidths);
  at::set_num_threads(3);
  const KernelValues three = inverse_multiquadrics(distances, kWidths);
  at::set_num_threads(1);
  EXPECT_TRUE(three.values.equal(one.values));
  EXPECT_TRUE(three.slopes.equal(one.slopes));
  EXPECT_TRUE(inverse_multiquadrics(distances.t(), kWidths).values.equal(one.values.t()));
}

INSTANTIATE_TEST_SUITE_P(Types, InverseMultiquadric, testing::Values(at::kFloat, at::kDouble));

TEST(InverseMultiquadricRequest, RefusesOtherTypes) {
  const at::Tensor halves = at::zeros({3}, at::kHalf);
  EXPECT_FALSE(has_inverse_multiquadric_kernel(halves));
  EXPECT_THROW(inverse_multiquadrics(halves, kWidths), std::invalid_argument);
}

}  // namespace
}  // namespace vae_dist::kernels

// train.precision bf16 rounds in convolutions and matrix products, but not in weights, gradients
// and sums.
#include <gtest/gtest.h>

#include "small_run.hpp"

namespace vae_dist::step {
namespace {

class Bfloat16 : public testing::TestWithParam<std::string> {
 protected:
  static config::Config config(const std::string& precision) {
    config::Config out = small_config(precision);
    out.distributed.batch_norm = config::from_word<config::BatchNorm>(GetParam());
    return out;
  }
  std::unique_ptr<comm::CpuCommunicator> self_ = comm::make_self_communicator();
};

TEST_P(Bfloat16, KeepsWeightsGradientsAndOutputsInSinglePrecision) {
  SmallRank rank(config("bf16"), 4, *self_);
  rank.step(0);
  for (const auto& parameter : rank.model().parameters()) {
    EXPECT_EQ(parameter.scalar_type(), at::kFloat);
    if (parameter.requires_grad()) {
      EXPECT_EQ(parameter.grad().scalar_type(), at::kFloat);
    }
  }
  const at::NoGradGuard no_grad;
  const model::VaeOutput output =
      rank.model().forward({images_of_step(0, at::kFloat), noise_of_step(0, at::kFloat)});
  for (const at::Tensor& tensor : {output.reconstruction, output.mu, output.log_var})
    EXPECT_EQ(tensor.scalar_type(), at::kFloat);
}

TEST_P(Bfloat16, ComputesNearlyTheSame) {
  SmallRank rounded(config("bf16"), 4, *self_), exact(config("fp32"), 4, *self_);
  bool differs = false;
  for (std::int64_t number = 0; number < 10; ++number) {
    const auto ours = rounded.step(number), expected = exact.step(number);
    // A product has 8 bits, so its error is 0.4 %. Errors average out in large sums.
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_NEAR(ours[i], expected[i], 0.02 * expected[i])
          << "term " << i << " of step " << number;
    EXPECT_EQ(ours[4], 0);
    differs |= ours[0] != expected[0];
  }
  EXPECT_TRUE(differs) << "nothing was rounded";
}

INSTANTIATE_TEST_SUITE_P(BatchNorm, Bfloat16, testing::Values("local", "sync"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace vae_dist::step

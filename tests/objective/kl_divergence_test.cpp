#include "objective/kl_divergence.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

namespace vae_dist::objective {
namespace {

at::Tensor row(std::initializer_list<double> values) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).unsqueeze(0);
}

double scalar(const at::Tensor& scalar) { return scalar.item<double>(); }

TEST(KlDivergence, IsZeroForThePriorItself) {
  EXPECT_DOUBLE_EQ(
      scalar(kl_divergence(at::zeros({4, 3}, at::kDouble), at::zeros({4, 3}, at::kDouble))), 0.0);
}

TEST(KlDivergence, SumsOverDimensionsAndAveragesOverTheBatch) {
  // mu = (1, 2), variance 1: (1 + 4) / 2 = 2.5 nats.
  EXPECT_DOUBLE_EQ(scalar(kl_divergence(row({1, 2}), row({0, 0}))), 2.5);
  // One dimension of variance 4: (4 - 1 - ln 4) / 2.
  EXPECT_NEAR(scalar(kl_divergence(row({0}), row({1.3862943611198906}))), 0.80685281944005469,
              1e-15);
  // A batch of both gives their mean.
  const at::Tensor mu = at::cat({row({1, 2}), row({0, 0})}),
                   log_var = at::cat({row({0, 0}), row({1.3862943611198906, 0})});
  EXPECT_NEAR(scalar(kl_divergence(mu, log_var)), (2.5 + 0.80685281944005469) / 2, 1e-15);
}

TEST(KlDivergence, IsTheMeanLogRatioOfPosteriorAndPriorOverSamples) {
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(7);
  const at::Tensor mu = row({0.7, -1.1, 0.2}), log_var = row({-1.0, 0.5, 0.1});
  const at::Tensor noise = at::randn({200000, 3}, generator, at::kDouble),
                   z = mu + (log_var / 2).exp() * noise;
  const at::Tensor log_q = (-0.5 * (log_var + noise.square())).sum(1),
                   log_p = (-0.5 * z.square()).sum(1);
  const at::Tensor log_ratio = log_q - log_p;
  const double standard_error = scalar(log_ratio.std()) / std::sqrt(200000.0);
  EXPECT_NEAR(scalar(kl_divergence(mu, log_var)), scalar(log_ratio.mean()), 5 * standard_error);
  EXPECT_LT(standard_error, 0.01);
}

TEST(KlWithFreeBits, ChargesADimensionAtLeastItsFreeBits) {
  // Means over the batch: (0.5 + 2) / 2 = 1.25 nats in the first dimension, 0.02 in the second.
  const at::Tensor mu = at::cat({row({1, 0.2}), row({2, 0.2})}),
                   log_var = at::zeros({2, 2}, at::kDouble);
  EXPECT_NEAR(scalar(kl_with_free_bits(kl_per_dimension(mu, log_var).mean(0), 0.1)), 1.25 + 0.1,
              1e-15);
  EXPECT_NEAR(scalar(kl_with_free_bits(kl_per_dimension(mu, log_var).mean(0), 0)),
              scalar(kl_divergence(mu, log_var)), 1e-15);
}

TEST(KlWithFreeBits, PullsOnlyWhereADimensionCostsMore) {
  at::Tensor mu = at::cat({row({1, 0.2}), row({2, 0.2})}).requires_grad_();
  kl_with_free_bits(kl_per_dimension(mu, at::zeros({2, 2}, at::kDouble)).mean(0), 0.1).backward();
  EXPECT_TRUE(mu.grad().equal(at::cat({row({0.5, 0}), row({1, 0})})));
}

}  // namespace
}  // namespace vae_dist::objective

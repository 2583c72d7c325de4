#include "model/vae_loss.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

namespace vae_dist {
namespace {

at::Tensor row(std::initializer_list<double> values) { return at::tensor(at::ArrayRef<double>(values), at::kDouble).unsqueeze(0); }

double value(const at::Tensor& scalar) { return scalar.item<double>(); }

TEST(KlDivergence, IsZeroForThePriorItself) {
  EXPECT_DOUBLE_EQ(value(kl_divergence(at::zeros({4, 3}, at::kDouble), at::zeros({4, 3}, at::kDouble))), 0.0);
}

TEST(KlDivergence, SumsOverDimensionsAndAveragesOverTheBatch) {
  // mu = (1, 2), variance 1: (1 + 4) / 2 = 2.5 nats.
  EXPECT_DOUBLE_EQ(value(kl_divergence(row({1, 2}), row({0, 0}))), 2.5);
  // One dimension of variance 4: (4 - 1 - ln 4) / 2.
  EXPECT_NEAR(value(kl_divergence(row({0}), row({1.3862943611198906}))), 0.80685281944005469, 1e-15);
  // Both in one batch: their mean.
  const at::Tensor mu = at::cat({row({1, 2}), row({0, 0})}), log_var = at::cat({row({0, 0}), row({1.3862943611198906, 0})});
  EXPECT_NEAR(value(kl_divergence(mu, log_var)), (2.5 + 0.80685281944005469) / 2, 1e-15);
}

TEST(KlDivergence, IsTheMeanLogRatioOfPosteriorAndPriorOverSamples) {
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(7);
  const at::Tensor mu = row({0.7, -1.1, 0.2}), log_var = row({-1.0, 0.5, 0.1});
  const at::Tensor noise = at::randn({200000, 3}, generator, at::kDouble), z = mu + (log_var / 2).exp() * noise;
  const at::Tensor log_q = (-0.5 * (log_var + noise.square())).sum(1), log_p = (-0.5 * z.square()).sum(1);
  const at::Tensor log_ratio = log_q - log_p;
  const double standard_error = value(log_ratio.std()) / std::sqrt(200000.0);
  EXPECT_NEAR(value(kl_divergence(mu, log_var)), value(log_ratio.mean()), 5 * standard_error);
  EXPECT_LT(standard_error, 0.01);
}

// Two images of 1x2x2 values; squared errors 1 + 0 + 4 + 0 = 5 and 0 + 9 + 0 + 0 = 9.
const at::Tensor kInput = at::zeros({2, 1, 2, 2}, at::kDouble);
at::Tensor wrong_by_14() { return row({1, 0, -2, 0, 0, 3, 0, 0}).view({2, 1, 2, 2}); }

TEST(GaussianReconstruction, OfTheMeanIsTheSquaredErrorPerValue) {
  EXPECT_DOUBLE_EQ(value(gaussian_reconstruction(wrong_by_14(), kInput, {Reduction::mean})), 14.0 / 8);
  EXPECT_DOUBLE_EQ(value(gaussian_reconstruction(wrong_by_14(), kInput, {Reduction::mean, 0.1})), 14.0 / 8) << "sigma has no say in it";
}

TEST(GaussianReconstruction, OfTheSumIsTheNegativeLogLikelihoodWithItsConstants) {
  // Mean over two images of SE / (2 sigma^2) is 7 / (2 sigma^2); 4 values give 2 log(2 pi sigma^2).
  EXPECT_NEAR(value(gaussian_reconstruction(wrong_by_14(), kInput, {Reduction::sum, 1.0})), 3.5 + 2 * 1.8378770664093453, 1e-14);
  // sigma = 0.5: 14 nats, and log(2 pi / 4).
  EXPECT_NEAR(value(gaussian_reconstruction(wrong_by_14(), kInput, {Reduction::sum, 0.5})), 14 + 2 * 0.45158270528945482, 1e-14);
}

TEST(VaeLoss, IsReconstructionPlusWeightedKl) {
  const at::Tensor mu = row({1, 2}).repeat({2, 1}), log_var = at::zeros({2, 2}, at::kDouble);
  const VaeLoss loss = vae_loss(wrong_by_14(), kInput, mu, log_var, 0.1, {});
  EXPECT_DOUBLE_EQ(value(loss.reconstruction), 1.75);
  EXPECT_DOUBLE_EQ(value(loss.kld), 2.5);
  EXPECT_DOUBLE_EQ(value(loss.loss), 2.0);
}

TEST(VaeLoss, IsNamedAsInPyTorchVaeWithItsSignOfTheKl) {
  const at::Tensor mu = row({1, 2}).repeat({2, 1}), log_var = at::zeros({2, 2}, at::kDouble);
  const auto named = vae_loss(wrong_by_14(), kInput, mu, log_var, 0.1, {}).named();
  ASSERT_EQ(named.size(), 3U);
  EXPECT_DOUBLE_EQ(value(named.at("loss")), 2.0);
  EXPECT_DOUBLE_EQ(value(named.at("Reconstruction_Loss")), 1.75);
  EXPECT_DOUBLE_EQ(value(named.at("KLD")), -2.5);
}

}  // namespace
}  // namespace vae_dist

// What the terms of a whole batch say of posteriors whose aggregate is known: the same at any
// number of ranks, and what the closed forms of a Gaussian say. tests/bench/whole_batch_values.py
// shows what becomes of the same estimates where each rank sees its own part alone.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "given_batch.hpp"

namespace vae_dist::step {
namespace {

using Named = GivenObjective::Named;

// Codes z = mu + sigma * eps of samples whose mu are Gaussian, and images with what a decoder made.
// covariance: of z, [L, L].
GivenBatch draw(std::int64_t count, const at::Tensor& covariance, double sigma) {
  const at::TensorOptions options = at::TensorOptions(at::kDouble);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(7);
  const std::int64_t latent = covariance.size(0);
  const auto normal = [&](std::int64_t values) {
    return at::randn({count, values}, generator, options);
  };
  GivenBatch out;
  const at::Tensor root =
      at::linalg_cholesky(covariance - sigma * sigma * at::eye(latent, options));
  out.posterior = {normal(latent).matmul(root.t()),
                   at::full({count, latent}, 2 * std::log(sigma), options)};
  out.z = out.posterior.mu + sigma * normal(latent);
  out.prior = normal(latent);
  out.x = at::rand({count, 1, 3, 4}, generator, options);
  // Errors whose size changes from sample to sample, so that parts of the batch differ.
  out.output = out.x + 0.3 * normal(12).view_as(out.x) * normal(1).view({count, 1, 1, 1});
  return out;
}

const std::vector<std::string> kObjective = {
    "objective.reduction=sum", "objective.variance=optimal", "objective.free_bits=0.5",
    "objective.regularisers=[{name: tc}, {name: tc, estimator: weighted}, {name: mmd}, {name: mmd, "
    "kernel: rbf}, {name: mmd, kernel: rbf, estimator: biased}, {name: dip, kind: i}, {name: "
    "dip}]"};

// Ten independent latents of standard normal aggregate, as a training set of 60,000 has them.
class TenLatents : public testing::TestWithParam<double> {
 protected:
  static constexpr std::int64_t kBatch = 512, kLatent = 10;
  const GivenBatch batch_ = draw(kBatch, at::eye(kLatent, at::kDouble), GetParam());
  const GivenObjective whole_{kLatent, 60000, kObjective};
};

TEST_P(TenLatents, HaveTheSameValuesOnOneAndOnSixteenRanks) {
  const Named alone = whole_.values(batch_, 1, 1);
  EXPECT_EQ(alone.size(), 3U + 3 + 1 + 1 + 1 + 2 + 2 + 2);
  for (const auto& [ranks, batches] : {std::pair{1, 16}, {2, 16}, {16, 16}, {16, 32}}) {
    const Named shared = whole_.values(batch_, ranks, batches);
    ASSERT_EQ(shared.size(), alone.size());
    for (const auto& [name, value] : alone)
      EXPECT_NEAR(shared.at(name), value, 1e-12 * std::max(1.0, std::abs(value)))
          << name << " on " << ranks << " ranks in " << batches << " batches";
  }
}

// The truth is 0. The bias of each estimate is about 1 / samples, where it is known.
TEST_P(TenLatents, AreEstimatedWithABiasOfOneOverTheBatchNotOfOneOverTheRanksPart) {
  const double sigma = GetParam(), variance_of_mu = 1 - sigma * sigma;
  const Named whole = whole_.values(batch_, 16, 16), parts = whole_.mean_of_parts(batch_, 16);
  const double g = kBatch, part = g / 16;

  // Squares of 45 covariances, twice each. Their deviation is that of 45 chi squares.
  const auto squares = [&](double samples) {
    return 90 * variance_of_mu * variance_of_mu * (samples - 1) / (samples * samples);
  };
  const double spread = 2 * std::sqrt(2.0 * 45) / 90;
  EXPECT_NEAR(whole.at("dip"), squares(g), 5 * spread * squares(g));
  EXPECT_NEAR(parts.at("dip"), squares(part), 5 * spread / 4 * squares(part));

  // A kernel of width 2 L of two standard normal codes: (1 + 4 / (2 L))^(-L / 2) on average. What
  // V has beside U are 2 G pairs of a sample with itself.
  const double usual = std::pow(1 + 4.0 / (2 * kLatent), -0.5 * kLatent);
  const auto excess = [&](double samples) { return 2 * (1 - usual) / samples; };
  EXPECT_NEAR(whole.at("mmd_3") - whole.at("mmd_2"), excess(g), 0.05 * excess(g));
  EXPECT_NEAR(parts.at("mmd_3") - parts.at("mmd_2"), excess(part), 0.05 * excess(part));
  EXPECT_LT(std::abs(whole.at("mmd_2")), excess(g));  // U has no bias

  // Estimates of total correlation have no closed form here, but fewer samples give others.
  EXPECT_GT(std::abs(parts.at("tc") - whole.at("tc")), 0.1);
  EXPECT_GT(parts.at("tc_2"), whole.at("tc_2") + 1);
  // The three parts are KL(q(z|x) || p(z)) of the codes drawn, whatever the estimate of q(z) is.
  for (const char* of : {"", "_2"}) {
    const std::string end = of;
    const double sum = whole.at("tc" + end) + whole.at("tc_index_code" + end) +
                       whole.at("tc_dimension_wise" + end);
    const at::Tensor log_ratio = -std::log(sigma) -
                                 0.5 * ((batch_.z - batch_.posterior.mu) / sigma).square() +
                                 0.5 * batch_.z.square();
    EXPECT_NEAR(sum, log_ratio.sum(1).mean().item<double>(), 1e-10);
  }
}

INSTANTIATE_TEST_SUITE_P(Sigmas, TenLatents, testing::Values(0.2, 0.4),
                         [](const auto& info) { return info.param == 0.2 ? "narrow" : "wide"; });

// The batch is the training set, so q(z) is the mixture of its posteriors itself; with two latents
// and posteriors of half the width it is nearly the Gaussian that they were drawn from.
TEST(KnownGaussian, HasTheClosedFormsOfItsParts) {
  const at::Tensor covariance = at::tensor({1.3, 0.6, 0.6, 0.8}, at::kDouble).view({2, 2});
  const double sigma = 0.5;
  const std::int64_t count = 4096;
  const GivenBatch batch = draw(count, covariance, sigma);
  const Named values = GivenObjective(2, count, kObjective).values(batch, 2, 4);

  const double correlation = 0.6 / std::sqrt(1.3 * 0.8),
               root = std::sqrt(static_cast<double>(count));
  const double tc = -0.5 * std::log(1 - correlation * correlation),
               index_code = 0.5 * std::log((1.3 * 0.8 - 0.36) / std::pow(sigma, 4)),
               dimension_wise = 0.5 * (1.3 - 1 - std::log(1.3) + 0.8 - 1 - std::log(0.8));
  // Deviations of one sample's value: the ratio of densities is a quadratic form of z, and of z and
  // eps. As all samples stand in q(z) too, five of them are the limit.
  EXPECT_NEAR(values.at("tc"), tc, 5 * correlation / root);
  // `weighted` divides by N once in q(z), and once in each of both q(z_d).
  EXPECT_NEAR(values.at("tc_2"), tc + std::log(count), 5 * correlation / root);
  EXPECT_NEAR(values.at("tc_index_code"), index_code, 5 * std::sqrt(2.0) / root);
  EXPECT_NEAR(values.at("tc_dimension_wise"), dimension_wise, 5 * 0.5 / std::sqrt(2.0) / root);
  EXPECT_GT(tc, 10 * correlation / root);  // a value of 0 would be seen

  // exp(-|a - b|^2 / 4) of two Gaussians: det(I + Cov(a - b) / 2)^(-1/2).
  const auto kernel = [](const at::Tensor& of_difference) {
    return 1 /
           std::sqrt(at::linalg_det(at::eye(2, at::kDouble) + of_difference / 2).item<double>());
  };
  const at::Tensor eye = at::eye(2, at::kDouble);
  const double mmd = kernel(2 * covariance) + kernel(2 * eye) - 2 * kernel(covariance + eye);
  EXPECT_NEAR(values.at("mmd_2"), mmd, 0.1 * mmd + 5 / (root * root));

  // Of mu, and of z.
  const double off = 2 * 0.36, v0 = 1.3 - 0.25, v1 = 0.8 - 0.25;
  EXPECT_NEAR(values.at("dip"), off, 5 * 4 * 0.6 * std::sqrt(v0 * v1 + 0.36) / root);
  EXPECT_NEAR(values.at("dip_diagonal"), std::pow(v0 - 1, 2) + std::pow(v1 - 1, 2), 0.1);
  EXPECT_NEAR(values.at("dip_diagonal_2"), 0.3 * 0.3 + 0.2 * 0.2, 0.1);
}

}  // namespace
}  // namespace vae_dist::step

// The scores that draw pairs and batches: BetaVAE's and FactorVAE's.
#include <gtest/gtest.h>

#include "constructed_latents.hpp"
#include "disentanglement/beta_vae_score.hpp"
#include "disentanglement/factor_vae_score.hpp"

namespace vae_dist::disentanglement {
namespace {

constexpr double kChance = 1.0 / 3.0;

FactoredLatents disentangled(const at::Tensor& classes) {
  return with_factors(at::cat({noise(classes.size(0), 1), one_dimension_each(classes),
                               0.01 * noise(classes.size(0), 2)},
                              1),
                      classes);
}

TEST(VoteScores, OfDisentangledLatentsAreOne) {
  for (const at::Tensor& classes : {full_grid(), random_factors(3000)}) {
    EXPECT_DOUBLE_EQ(beta_vae_score(disentangled(classes)), 1);
    EXPECT_DOUBLE_EQ(factor_vae_score(disentangled(classes)), 1);
  }
}

TEST(VoteScores, OfLatentsThatKnowNothingAreNearChance) {
  const FactoredLatents latents = with_factors(noise(20000, 5), random_factors(20000));
  EXPECT_NEAR(beta_vae_score(latents), kChance, 0.04);
  EXPECT_NEAR(factor_vae_score(latents), kChance, 0.06);
}

TEST(VoteScores, OfRotatedLatentsAreBelowThoseOfDisentangledOnes) {
  const at::Tensor classes = full_grid();
  const FactoredLatents latents = with_factors(rotated(one_dimension_each(classes)), classes);
  EXPECT_LT(factor_vae_score(latents), 0.8);
  EXPECT_LT(beta_vae_score(latents), 1);
}

TEST(VoteScores, AreOfTheFactorsThatVary) {
  const at::Tensor classes = full_grid();
  const at::Tensor with_constant =
      at::cat({classes, at::zeros({classes.size(0), 1}, at::kLong)}, 1);
  const FactoredLatents latents(one_dimension_each(classes), with_constant,
                                {"shape", "scale", "x", "colour"}, {false, true, true, true});
  EXPECT_DOUBLE_EQ(beta_vae_score(latents), 1);
  EXPECT_DOUBLE_EQ(factor_vae_score(latents), 1);
}

TEST(VoteScores, DependOnTheSeedAloneNotOnTheGlobalGenerator) {
  const at::Tensor classes = random_factors(2000);
  const FactoredLatents latents =
      with_factors(rotated(one_dimension_each(classes)) + 0.3 * noise(2000, 3), classes);
  at::manual_seed(1);
  const double beta = beta_vae_score(latents), factor = factor_vae_score(latents);
  at::manual_seed(2);
  EXPECT_EQ(beta_vae_score(latents), beta);
  EXPECT_EQ(factor_vae_score(latents), factor);
  EXPECT_NE(factor_vae_score(latents, 1), factor);
  EXPECT_NEAR(factor_vae_score(latents, 1), factor, 0.04);
  EXPECT_NEAR(beta_vae_score(latents, 1), beta, 0.04);
}

TEST(FactorVaeScore, LeavesOutDimensionsOfLittleVariance) {
  const at::Tensor classes = full_grid();
  at::Tensor mu = one_dimension_each(classes);
  mu = (mu - mu.mean(0)) / mu.std(0);
  EXPECT_DOUBLE_EQ(factor_vae_score(with_factors(mu * std::sqrt(0.051), classes)), 1);
  EXPECT_DOUBLE_EQ(factor_vae_score(with_factors(mu * std::sqrt(0.049), classes)),
                   0);  // none is left
  // Without its dimension, the votes of the shape go to noise, which also gets votes of other
  // factors.
  mu.select(1, 0).mul_(std::sqrt(0.049));
  EXPECT_LT(factor_vae_score(with_factors(mu, classes)), 0.9);
}

TEST(BetaVaeScore, OfCollapsedLatentsIsThatOfTheMostFrequentFactor) {
  EXPECT_NEAR(beta_vae_score(with_factors(at::zeros({1800, 4}, at::kDouble), full_grid())), kChance,
              0.03);
  EXPECT_EQ(factor_vae_score(with_factors(at::zeros({1800, 4}, at::kDouble), full_grid())), 0);
}

TEST(BetaVaePoints, AreZeroWhereTheSharedFactorIs) {
  const at::Tensor classes = random_factors(500);
  const LabelledPoints votes = beta_vae_points(with_factors(one_dimension_each(classes), classes),
                                               {.first = 0, .count = 300});
  const at::Tensor shared = at::one_hot(votes.labels, 3).to(at::kBool);
  EXPECT_TRUE(votes.points.masked_select(shared).eq(0).all().item<bool>());
  // Elsewhere the points are means of 64 distances between two draws of K classes in [-1, 1], which
  // are 2 (K + 1) / (3 K) on average.
  for (std::int64_t f = 0; f < 3; ++f) {
    const double classes_of = static_cast<double>(kClasses[static_cast<std::size_t>(f)]);
    const double mean = votes.points.select(1, f)
                            .masked_select(shared.select(1, f).logical_not())
                            .mean()
                            .item<double>();
    EXPECT_NEAR(mean, 2 * (classes_of + 1) / (3 * classes_of), 0.05);
  }
}

TEST(BetaVaePoints, ComeFromPairsOfTwoRows) {
  // Ten classes of two rows each, which lie at distance 1: a row paired with itself would bring the
  // mean down.
  const at::Tensor classes =
      at::stack({at::arange(20, at::kLong).floor_divide(2), at::arange(20, at::kLong) % 2}, 1);
  const FactoredLatents latents((at::arange(20, at::kDouble) % 2).unsqueeze(1), classes,
                                {"pair", "side"}, {true, true});
  const LabelledPoints votes = beta_vae_points(latents, {.first = 0, .count = 100});
  EXPECT_TRUE(votes.points.squeeze(1).equal(1.0 - votes.labels.to(at::kDouble)));
}

TEST(BetaVaePoints, OfOtherVotesAreOthersAndOfTheSameVotesTheSame) {
  const FactoredLatents latents = with_factors(noise(1800, 2), full_grid());
  const LabelledPoints some = beta_vae_points(latents, {.first = 0, .count = 50}),
                       later = beta_vae_points(latents, {.first = 30, .count = 50});
  EXPECT_TRUE(some.points.slice(0, 30).equal(later.points.slice(0, 0, 20)));
  EXPECT_FALSE(some.points.slice(0, 0, 20).equal(later.points.slice(0, 0, 20)));
}

}  // namespace
}  // namespace vae_dist::disentanglement

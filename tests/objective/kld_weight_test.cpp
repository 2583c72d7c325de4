#include "objective/kld_weight.hpp"

#include <gtest/gtest.h>

namespace vae_dist::objective {
namespace {

KldWeightTerms terms(KldWeightRule rule, std::int64_t global_batch) {
  KldWeightTerms t;
  t.rule = rule;
  t.global_batch = global_batch;
  t.training_samples = 20000;
  t.image_values = 3 * 64 * 64;
  return t;
}

TEST(KldWeight, ReferenceIsTheGivenWeightAtItsBatchAndScalesWithTheGlobalBatch) {
  EXPECT_DOUBLE_EQ(kld_weight(terms(KldWeightRule::reference, 64)), 0.00025);
  EXPECT_DOUBLE_EQ(kld_weight(terms(KldWeightRule::reference, 512)), 0.002);
  EXPECT_DOUBLE_EQ(kld_weight(terms(KldWeightRule::reference, 32)), 0.000125);

  KldWeightTerms other = terms(KldWeightRule::reference, 144);
  other.weight = 0.005;
  other.reference_batch = 288;
  EXPECT_DOUBLE_EQ(kld_weight(other), 0.0025);
}

TEST(KldWeight, BatchOverDatasetIsTheShareOfTheDatasetInAGlobalBatch) {
  EXPECT_DOUBLE_EQ(kld_weight(terms(KldWeightRule::batch_over_dataset, 64)), 0.0032);
  EXPECT_DOUBLE_EQ(kld_weight(terms(KldWeightRule::batch_over_dataset, 20000)), 1.0);
}

TEST(KldWeight, FixedIsTheGivenWeightAtAnyBatch) {
  EXPECT_DOUBLE_EQ(kld_weight(terms(KldWeightRule::fixed, 64)), 0.00025);
  EXPECT_DOUBLE_EQ(kld_weight(terms(KldWeightRule::fixed, 4096)), 0.00025);
}

TEST(KldWeight, ElboIsOneInNatsAndOneOverTheValuesForTheMeanAtAnyBatch) {
  for (const std::int64_t global_batch : {64, 4096}) {
    KldWeightTerms t = terms(KldWeightRule::elbo, global_batch);
    t.reduction = Reduction::sum;
    EXPECT_DOUBLE_EQ(kld_weight(t), 1.0);
    t.reduction = Reduction::mean;
    EXPECT_DOUBLE_EQ(kld_weight(t), 1.0 / 12288);
  }
}

TEST(EffectiveSigma, IsTheDeviationOfTheGaussianDecoderThatTheWeightStandsFor) {
  // sqrt(0.00025 * 12288 / 2) = sqrt(1.536): the reference weight on 3x64x64 images.
  EXPECT_NEAR(effective_sigma(0.00025, 1.0, 12288), 1.2393546707863734, 1e-15);
  // Four times the beta gives twice the deviation.
  EXPECT_NEAR(effective_sigma(0.00025, 4.0, 12288), 2 * 1.2393546707863734, 1e-15);
  // M_N = 1 / D, the exact bound under `mean`, implies a decoder of variance 1/2 for any D.
  EXPECT_NEAR(effective_sigma(1.0 / 784, 1.0, 784), 0.7071067811865476, 1e-15);
}

}  // namespace
}  // namespace vae_dist::objective

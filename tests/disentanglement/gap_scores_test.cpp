// The scores that measure each dimension by itself: MIG and SAP.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "constructed_latents.hpp"
#include "disentanglement/latent_gap.hpp"
#include "disentanglement/mutual_information_gap.hpp"
#include "disentanglement/sap_score.hpp"

namespace vae_dist::disentanglement {
namespace {

TEST(LatentGap, IsBetweenTheTwoLargest) {
  EXPECT_TRUE(latent_gaps(at::tensor({0.1, 0.5, 0.9, 0.5, 0.3, 0.2}, at::kDouble).view({3, 2}))
                  .allclose(at::tensor({0.6, 0.0}, at::kDouble)));
  EXPECT_TRUE(latent_gaps(at::tensor({0.4, 0.7}, at::kDouble).view({1, 2}))
                  .equal(at::tensor({0.4, 0.7}, at::kDouble)));
}

TEST(MutualInformationGap, OfDisentangledLatentsIsOne) {
  const at::Tensor classes = full_grid();
  EXPECT_NEAR(mutual_information_gap(with_factors(one_dimension_each(classes), classes)), 1, 1e-12);
  EXPECT_NEAR(mutual_information_gap(with_factors(
                  at::cat({one_dimension_each(classes), at::zeros({1800, 3})}, 1), classes)),
              1, 1e-12);
}

TEST(MutualInformationGap, OfMoreClassesThanBinsIsTheEntropyOfTheBins) {
  const at::Tensor number = at::arange(32 * 3, at::kLong);
  const FactoredLatents latents(number.to(at::kDouble).floor_divide(3).unsqueeze(1),
                                number.floor_divide(3).unsqueeze(1), {"x"}, {true});
  std::map<int, double> bins;  // classes of each, of 31 / 20 wide bins
  for (int k = 0; k < 32; ++k) ++bins[std::min(19, static_cast<int>(k / (31.0 / 20)))];
  double entropy = 0;
  for (const auto& [bin, size] : bins) entropy += size / 32 * std::log(32 / size);
  EXPECT_NEAR(mutual_information_gap(latents), entropy / std::log(32), 1e-12);
  EXPECT_LT(entropy, std::log(20));
}

TEST(MutualInformationGap, FallsWithASecondDimensionThatKnowsTheSame) {
  const at::Tensor classes = full_grid();
  const at::Tensor mu = one_dimension_each(classes);
  // Two dimensions hold the scale, so its gap is 0; that of the other two factors is 1.
  EXPECT_NEAR(mutual_information_gap(with_factors(at::cat({mu, -mu.slice(1, 1, 2)}, 1), classes)),
              2.0 / 3.0, 1e-12);
}

TEST(MutualInformation, OfANoisyBitIsInNats) {
  // The dimension's sign is right in 3 of 4 rows: ln 2 - H(1/4).
  const at::Tensor bit = at::arange(400, at::kLong) % 2;
  const at::Tensor wrong = (at::arange(400, at::kLong).floor_divide(2) % 4).eq(0);
  const FactoredLatents latents(at::where(wrong, 1 - bit, bit).to(at::kDouble).unsqueeze(1),
                                bit.unsqueeze(1), {"bit"}, {true});
  const double expected = std::log(2) + 0.25 * std::log(0.25) + 0.75 * std::log(0.75);
  EXPECT_NEAR(mutual_information(latents).item<double>(), expected, 1e-12);
  EXPECT_NEAR(factor_entropies(latents).item<double>(), std::log(2), 1e-12);
  EXPECT_NEAR(mutual_information_gap(latents), expected / std::log(2), 1e-12);
}

TEST(SapScore, OfDisentangledLatentsIsWhatEachFactorAllows) {
  // Ordered factors: R^2 is 1 in their dimension and 0 in the others. Shape: the accuracy is 1 in
  // its dimension and 1/3, that of guessing, in the others.
  const at::Tensor classes = full_grid();
  const FactoredLatents latents =
      with_factors(at::cat({one_dimension_each(classes), at::zeros({1800, 2})}, 1), classes);
  const at::Tensor predictability = attribute_predictability(latents);
  for (std::int64_t d = 0; d < 5; ++d) {
    EXPECT_NEAR(predictability[d][0].item<double>(), d == 0 ? 1 : 1.0 / 3, d == 0 ? 0 : 0.06);
    EXPECT_NEAR(predictability[d][1].item<double>(), d == 1, 1e-12);
    EXPECT_NEAR(predictability[d][2].item<double>(), d == 2, 1e-12);
  }
  EXPECT_NEAR(sap_score(latents), (2.0 / 3 + 1 + 1) / 3, 0.02);
}

TEST(SapScore, OfAnOrderedFactorIsTheSquaredCorrelation) {
  const at::Tensor classes = random_factors(20000);
  const at::Tensor noisy =
      classes.select(1, 2).to(at::kDouble) +
      noise(20000, 1).squeeze(1) * std::sqrt(99.0 / 12);  // as much noise as variance
  const FactoredLatents latents(noisy.unsqueeze(1), classes.slice(1, 2, 3), {"x"}, {true});
  EXPECT_NEAR(attribute_predictability(latents).item<double>(), 0.5, 0.02);
}

TEST(SapScore, DependsOnTheSeedAloneWhichOnlyPartsTheRows) {
  const at::Tensor classes = random_factors(3000);
  const FactoredLatents latents =
      with_factors(one_dimension_each(classes) + noise(3000, 3), classes);
  const double score = sap_score(latents);
  EXPECT_EQ(sap_score(latents), score);
  EXPECT_NE(sap_score(latents, 1), score);
  EXPECT_NEAR(sap_score(latents, 1), score, 0.03);
}

TEST(GapScores, OfRotatedLatentsNoiseAndNothingAreNearZero) {
  const at::Tensor classes = full_grid();
  const at::Tensor mixed = rotated(one_dimension_each(classes));
  const FactoredLatents rotation = with_factors(mixed, classes),
                        random = with_factors(noise(20000, 5), random_factors(20000)),
                        nothing = with_factors(at::zeros({1800, 4}), classes);
  EXPECT_LT(mutual_information_gap(rotation), 0.1);
  EXPECT_LT(sap_score(rotation), 0.1);
  EXPECT_LT(mutual_information_gap(random), 0.01);
  EXPECT_LT(sap_score(random), 0.02);
  EXPECT_EQ(mutual_information_gap(nothing), 0);
  EXPECT_EQ(sap_score(nothing), 0);
}

TEST(GapScores, LeaveTheGlobalGeneratorAlone) {
  const FactoredLatents latents = with_factors(noise(180, 2), full_grid(1));
  at::manual_seed(1);
  const at::Tensor expected = at::rand({4});
  at::manual_seed(1);
  mutual_information_gap(latents);
  sap_score(latents);
  EXPECT_TRUE(at::rand({4}).equal(expected));
}

}  // namespace
}  // namespace vae_dist::disentanglement

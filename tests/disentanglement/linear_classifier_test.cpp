#include "disentanglement/linear_classifier.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "constructed_latents.hpp"

namespace vae_dist::disentanglement {
namespace {

TEST(LinearClassifier, IsAtTheMinimumOfItsObjective) {
  // At the minimum: sum over rows of (p - target) x + weight = 0, and sum of (p - target) = 0.
  const at::Tensor features = noise(500, 4) + 3.0;
  const at::Tensor labels = (features.select(1, 0) + 0.5 * features.select(1, 1) +
                             0.5 * noise(500, 1, 2).squeeze(1) - 4.5)
                                .clamp(-1, 1)
                                .round()
                                .to(at::kLong) +
                            1;
  const LinearClassifier classifier = LinearClassifier::fit(features, labels, 3);
  const at::Tensor slope =
      at::addmm(classifier.bias(), features, classifier.weight().t()).softmax(1) -
      at::one_hot(labels, 3).to(at::kDouble);
  EXPECT_LT((slope.t().mm(features) + classifier.weight()).abs().max().item<double>(), 1e-4);
  EXPECT_LT(slope.sum(0).abs().max().item<double>(), 1e-4);
  EXPECT_NEAR(classifier.bias().sum().item<double>(), 0, 1e-10);
  EXPECT_GT(classifier.accuracy(features, labels), 0.75);
}

TEST(LinearClassifier, PutsThresholdsOnALine) {
  const at::Tensor x = at::linspace(-1, 1, 300, at::kDouble).unsqueeze(1);
  const at::Tensor labels = at::arange(300, at::kLong).floor_divide(100);
  EXPECT_GT(LinearClassifier::fit(x * 20, labels, 3).accuracy(x * 20, labels), 0.99);
}

TEST(LinearClassifier, OfNothingToSeePredictsTheLargestClass) {
  const at::Tensor labels = at::cat(
      {at::zeros({30}, at::kLong), at::ones({50}, at::kLong), at::full({20}, 2, at::kLong)});
  const LinearClassifier classifier =
      LinearClassifier::fit(at::ones({100, 2}, at::kDouble), labels, 3);
  EXPECT_DOUBLE_EQ(classifier.accuracy(at::ones({100, 2}, at::kDouble), labels), 0.5);
  EXPECT_NEAR((classifier.bias()[1] - classifier.bias()[0]).item<double>(), std::log(5.0 / 3.0),
              1e-5);
}

}  // namespace
}  // namespace vae_dist::disentanglement

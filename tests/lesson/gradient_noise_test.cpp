// Checks the gradient's estimators against the exact gradient of a linear decoder.
#include "lesson/gradient_noise.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "linear_gaussian.hpp"

namespace vae_dist::lesson {
namespace {

class LinearGradient : public testing::Test {
 protected:
  LinearGradient()
      : images_(linear_images(3)),
        model_(0.8, at::tensor({0.3, -0.2, 1.0, 0.5, -0.6, 0.1}, at::kDouble).view({3, 2}),
               at::tensor({-1.0, -2.0, -0.5, -1.5, -2.5, -1.0}, at::kDouble).view({3, 2})) {}

  at::Tensor images_;
  LinearGaussian model_;
};

TEST_F(LinearGradient, IsTheMeanOfEveryEstimator) {
  const GradientNoise noise = gradient_noise(model_, images_, 20000, 5);
  const at::Tensor exact = model_.gradient(images_).flatten();
  const double length = exact.norm().item<double>(), largest = exact.abs().max().item<double>();
  ASSERT_EQ(noise.estimators.size(), 3U);
  EXPECT_EQ(noise.parameters, 12) << "mu and log_var of three images";
  for (const GradientEstimator& each : noise.estimators) {
    SCOPED_TRACE(each.name);
    const double error = std::sqrt(each.variance / 20000);
    EXPECT_NEAR(each.length, length, 3 * error);
    EXPECT_NEAR(std::fabs(each.component.back()), largest, 4 * each.component_error.back());
    EXPECT_LT(each.difference, 2) << "standard errors between its mean and the reparameterised";
    EXPECT_GE(each.share_within_two_errors, 0.75) << "9 of 12 parameters";
  }
  // So few errors that an estimator with another mean would be seen.
  EXPECT_LT(std::sqrt(noise.estimators[0].variance / 20000), 0.02 * length);
  EXPECT_LT(std::sqrt(noise.estimators[2].variance / 20000), 0.1 * length);
}

TEST_F(LinearGradient, IsFarNoisierFromTheScoreFunction) {
  const GradientNoise noise = gradient_noise(model_, images_, 4000, 5);
  const double path = noise.estimators[0].variance;
  EXPECT_GT(noise.estimators[1].variance, 10 * path);
  EXPECT_GT(noise.estimators[2].variance, 2 * path);
  EXPECT_LT(noise.estimators[2].variance, noise.estimators[1].variance);
}

TEST_F(LinearGradient, HasTheVarianceOfItsFormula) {
  const double exact = model_.path_variance(images_);
  const GradientNoise noise = gradient_noise(model_, images_, 20000, 6);
  EXPECT_NEAR(noise.estimators[0].variance, exact, 0.05 * exact);
}

TEST_F(LinearGradient, DependsOnTheSeedAlone) {
  const auto last = [&](std::uint64_t seed) {
    return gradient_noise(model_, images_, 64, seed).estimators[1].component;
  };
  EXPECT_EQ(last(1), last(1));
  EXPECT_NE(last(1), last(2));
}

}  // namespace
}  // namespace vae_dist::lesson

#include "evaluate/channel_errors.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace vae_dist::evaluate {
namespace {

const double kNan = std::nan("");

at::Tensor rows(std::vector<double> values, at::IntArrayRef sizes) {
  return at::tensor(values, at::kDouble).view(sizes);
}

TEST(ChannelErrors, AreSummedOverSamplesAndValuesOfEachChannel) {
  // Two samples, two channels, three values.
  const at::Tensor target = rows({1, 2, 3, 10, 20, 30, 4, 5, 6, 40, 50, 60}, {2, 2, 3});
  const at::Tensor reconstruction = rows({1, 2, 5, 10, 20, 29, 1, 5, 6, 40, 50, 60}, {2, 2, 3});
  EXPECT_TRUE(at::equal(squared_error_sums(target, reconstruction), rows({4 + 9, 1}, {2})));
  EXPECT_TRUE(at::equal(observed_values(target), rows({6, 6}, {2})));
}

TEST(ChannelErrors, OfTheMeanHaveAVrmseOfOne) {
  const at::Tensor field = at::arange(24, at::kDouble).square().view({2, 1, 12});
  EXPECT_TRUE(at::allclose(vrmse(field, field.mean(2, true).expand_as(field)),
                           at::ones({2, 1}, at::kDouble), 1e-8, 1e-8));
  // Half the deviation from the mean is left: half of it.
  EXPECT_TRUE(at::allclose(vrmse(field, (field + field.mean(2, true)) / 2),
                           at::full({2, 1}, 0.5, at::kDouble), 1e-8, 1e-8));
}

TEST(ChannelErrors, OfAConstantFieldAreMeasuredByTheFloorOfTheVariance) {
  const at::Tensor field = at::full({1, 1, 9}, 3.0, at::kDouble);
  EXPECT_NEAR(vrmse(field, field + 1e-3).item<double>(), std::sqrt(1e-6 / 1e-7), 1e-9);
}

TEST(ChannelErrors, DoNotCountMissingValues) {
  const at::Tensor target = rows({1, kNan, 3, kNan, kNan, kNan}, {2, 1, 3});
  const at::Tensor reconstruction = rows({2, 100, 5, 1, 2, 3}, {2, 1, 3});
  EXPECT_EQ(squared_error_sums(target, reconstruction).item<double>(), 1 + 4);
  EXPECT_EQ(observed_values(target).item<double>(), 2);
  const at::Tensor scores = vrmse(target, reconstruction);
  EXPECT_NEAR(scores[0].item<double>(), std::sqrt(2.5), 1e-6);  // mean square 2.5, variance 1
  EXPECT_TRUE(std::isnan(scores[1].item<double>())) << "a sample without any value has no score";
}

}  // namespace
}  // namespace vae_dist::evaluate

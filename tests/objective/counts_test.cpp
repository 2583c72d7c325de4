// The likelihoods of counts against scipy.stats, as distributions, and in edge cases.
#include "objective/counts.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vae_dist::objective {
namespace {

using model::Decoded;
using model::Likelihood;

double scalar_in(const at::Tensor& scalar) { return scalar.item<double>(); }

at::Tensor row_of(std::initializer_list<double> values) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).view({1, -1});
}

std::shared_ptr<Likelihood> of_counts(const std::string& name, std::int64_t values,
                                      at::ScalarType type = at::kDouble) {
  auto out = model::make_likelihood(name, {.channels = values, .values = values});
  out->to(type);
  return out;
}

void set_log_theta(const Likelihood& likelihood, const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  likelihood.named_parameters()["log_theta"].copy_(values.view(-1));
}

// Decoded rates whose shares are `shares` of the total.
Decoded decoded(const at::Tensor& shares, const at::Tensor& second = {}) {
  return {shares.log() + 3.7, second};  // a softmax knows no common summand
}

double log_poisson(double count, double mean) {
  return count * std::log(mean) - mean - std::lgamma(count + 1);
}

// scipy.stats.poisson.logpmf, scipy 1.17.1; the means are the total's shares.
TEST(Poisson, IsScipys) {
  const at::Tensor x = row_of({4, 0, 150}), means = row_of({2.5, 0.3, 120.0});
  // The total of x is 154, that of the means is 122.8: log p is that of the means scaled to 154.
  const auto poisson = of_counts("poisson", 3);
  double expected = 0;
  for (int i = 0; i < 3; ++i)
    expected -= log_poisson(scalar_in(x[0][i]), scalar_in(means[0][i]) * 154 / 122.8);
  EXPECT_NEAR(scalar_in(poisson->negative_log(decoded(means / 122.8), {x})), expected, 1e-10);
  EXPECT_NEAR(log_poisson(4, 2.5), -2.0128909028513253, 1e-13);
  EXPECT_NEAR(log_poisson(0, 0.3), -0.3, 1e-15);
  EXPECT_NEAR(log_poisson(150, 120), -6.896344432116848, 1e-10);
}

// scipy.stats.nbinom.logpmf(count, theta, theta / (theta + mean)), scipy 1.17.1.
TEST(NegativeBinomial, IsScipys) {
  const at::Tensor x = row_of({0, 7, 3, 60}), mean = row_of({4, 4, 0.02, 50}),
                   theta = row_of({2.5, 2.5, 0.1, 1000});
  const at::Tensor ours = log_negative_binomial(x, mean.log(), theta.log().view(-1));
  const at::Tensor scipys =
      row_of({-2.388778612568591, -2.9078441337815613, -8.650607601051957, -3.888463677208705});
  EXPECT_LT(scalar_in((ours - scipys).abs().max()), 1e-10);
}

TEST(NegativeBinomial, IsADistributionWithItsMeanAndVariance) {
  const at::Tensor x = at::arange(6000, at::kDouble).view({1, -1});
  for (const double mean : {0.05, 3.0, 40.0})
    for (const double theta : {0.3, 2.0, 500.0}) {
      const at::Tensor p = log_negative_binomial(x, at::full_like(x, std::log(mean)),
                                                 at::full({6000}, std::log(theta), at::kDouble))
                               .exp();
      EXPECT_NEAR(scalar_in(p.sum()), 1, 1e-9) << mean << " " << theta;
      const double found = scalar_in((p * x).sum());
      EXPECT_NEAR(found, mean, 1e-6 * mean + 1e-9) << theta;
      EXPECT_NEAR(scalar_in((p * (x - found).square()).sum()), mean + mean * mean / theta,
                  1e-5 * mean * (1 + mean / theta))
          << mean << " " << theta;
    }
}

TEST(NegativeBinomial, IsThePoissonDistributionAtSmallDispersion) {
  const at::Tensor x = at::arange(40, at::kDouble).view({1, -1});
  const at::Tensor ours = log_negative_binomial(x, at::full_like(x, std::log(7.0)),
                                                at::full({40}, std::log(1e9), at::kDouble));
  for (const int count : {0, 1, 7, 20})
    EXPECT_NEAR(scalar_in(ours[0][count]), log_poisson(count, 7), 1e-5) << count;
}

TEST(ZeroInflation, IsADistributionWithMoreZeros) {
  const at::Tensor x = at::arange(4000, at::kDouble).view({1, -1}),
                   log_p = log_negative_binomial(x, at::full_like(x, std::log(5.0)),
                                                 at::zeros({4000}, at::kDouble));
  for (const double pi : {-800.0, -2.0, 0.0, 3.0, 30.0}) {
    const at::Tensor p = log_zero_inflated(x, log_p, at::full_like(x, pi)).exp();
    const double unseen = 1 / (1 + std::exp(-pi));
    EXPECT_NEAR(scalar_in(p.sum()), 1, 1e-9) << pi;
    EXPECT_NEAR(scalar_in(p[0][0]), unseen + (1 - unseen) * scalar_in(log_p[0][0].exp()), 1e-12);
    EXPECT_NEAR(scalar_in(p[0][3]), (1 - unseen) * scalar_in(log_p[0][3].exp()), 1e-12);
  }
}

TEST(LikelihoodsOfCounts, UseTheTotalOfEachSample) {
  const at::Tensor shares = row_of({0.5, 0.2, 0.3}).repeat({2, 1}),
                   x = at::cat({row_of({5, 2, 3}), row_of({60, 0, 40})}),
                   log_theta = row_of({-1, 0.5, 2}), pi = row_of({-3, 0.2, 1}).repeat({2, 1});
  const at::Tensor mean = at::cat({row_of({5, 2, 3}), row_of({50, 20, 30})});
  const auto binomial = of_counts("negative_binomial", 3),
             inflated = of_counts("zero_inflated_negative_binomial", 3),
             poisson = of_counts("poisson", 3);
  set_log_theta(*binomial, log_theta);
  set_log_theta(*inflated, log_theta);
  const at::Tensor log_p = log_negative_binomial(x, mean.log(), log_theta.view(-1));
  EXPECT_TRUE(binomial->negative_log(decoded(shares), {x}).allclose(-log_p.sum(1), 1e-10, 1e-10));
  EXPECT_TRUE(inflated->negative_log(decoded(shares, pi), {x})
                  .allclose(-log_zero_inflated(x, log_p, pi).sum(1), 1e-10, 1e-10));
  for (const auto& each : {binomial, poisson})
    EXPECT_TRUE(each->mean_image(decoded(shares), {x}).allclose(mean));
  EXPECT_TRUE(inflated->mean_image(decoded(shares, pi), {x}).allclose(mean * at::sigmoid(-pi)));
  // Nobody has counted what is generated.
  EXPECT_TRUE(poisson->mean_image(decoded(shares)).allclose(10000 * shares));
}

TEST(LikelihoodsOfCounts, TakeSamplesOfAnyShape) {
  for (const char* name : {"poisson", "negative_binomial", "zero_inflated_negative_binomial"}) {
    SCOPED_TRACE(name);
    const auto each = of_counts(name, 24);
    const at::Tensor x = at::arange(48, at::kDouble).view({2, 24}), logits = at::sin(x),
                     second = at::cos(x);
    const at::Tensor of_vectors = each->negative_log({logits, second}, {x});
    for (const std::vector<std::int64_t>& shape :
         {std::vector<std::int64_t>{2, 2, 12}, {2, 2, 3, 4}, {2, 1, 2, 3, 4}}) {
      const Decoded shaped = {logits.view(shape), second.view(shape)};
      EXPECT_TRUE(each->negative_log(shaped, {x.view(shape)}).allclose(of_vectors));
      EXPECT_EQ(each->mean_image(shaped, {x.view(shape)}).sizes(), at::IntArrayRef(shape));
    }
    const at::Tensor last = logits.view({2, 2, 3, 4}).contiguous(at::MemoryFormat::ChannelsLast);
    EXPECT_TRUE(each->negative_log({last, second.view({2, 2, 3, 4})}, {x.view({2, 2, 3, 4})})
                    .allclose(of_vectors));
  }
}

TEST(LikelihoodsOfCounts, GiveOtherValuesNoProbabilityAndEmptySamplesOne) {
  for (const char* name : {"poisson", "negative_binomial", "zero_inflated_negative_binomial"})
    for (const auto type : {at::kDouble, at::kFloat}) {
      SCOPED_TRACE(name);
      const auto each = of_counts(name, 3, type);
      const at::Tensor logits = row_of({1, 2, -1}).to(type).requires_grad_(),
                       never = row_of({-200, -200, -200}).to(type);  // zeros that are not inflated
      const auto nats = [&](std::initializer_list<double> x) {
        return each->negative_log({logits, never}, {row_of(x).to(type)});
      };
      const double infinity = std::numeric_limits<double>::infinity();
      EXPECT_EQ(scalar_in(nats({1, 2.5, 0})), infinity);
      EXPECT_EQ(scalar_in(nats({-1, 2, 0})), infinity);
      const at::Tensor empty = nats({0, 0, 0});
      EXPECT_NEAR(scalar_in(empty), 0, 1e-6);
      empty.sum().backward();
      EXPECT_TRUE(at::isfinite(logits.grad()).all().item<bool>());
    }
}

TEST(LikelihoodsOfCounts, StayFiniteWithFiniteGradientsAtExtremeLogits) {
  for (const char* name : {"poisson", "negative_binomial", "zero_inflated_negative_binomial"})
    for (const double size : {0.0, 30.0, 1e3}) {
      SCOPED_TRACE(testing::Message() << name << " " << size);
      const auto each = of_counts(name, 4, at::kFloat);
      const at::Tensor logits = (row_of({-1, 0, 0.5, 1}) * size).to(at::kFloat).requires_grad_(),
                       second = (row_of({1, -1, 1, -1}) * size).to(at::kFloat).requires_grad_();
      const at::Tensor nats =
          each->negative_log({logits, second}, {row_of({7, 0, 0, 90}).to(at::kFloat)});
      nats.sum().backward();
      EXPECT_TRUE(at::isfinite(nats).all().item<bool>());
      EXPECT_TRUE(at::isfinite(logits.grad()).all().item<bool>());
      if (each->traits().second_head.of != base::SecondHead::Of::nothing) {
        EXPECT_TRUE(at::isfinite(second.grad()).all().item<bool>());
      }
    }
}

TEST(LikelihoodsOfCounts, SayWhatTheyNeed) {
  for (const char* name : {"poisson", "negative_binomial", "zero_inflated_negative_binomial"}) {
    const base::LikelihoodTraits traits = of_counts(name, 2)->traits();
    EXPECT_EQ(traits.support, base::Support::counts);
    EXPECT_TRUE(traits.takes_logits);
  }
}

}  // namespace
}  // namespace vae_dist::objective

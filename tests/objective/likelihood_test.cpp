// Checks likelihoods against closed forms and in edge cases.
#include "model/likelihood.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "model/mlp_vae.hpp"
#include "model/resnet_vae.hpp"
#include "model/vanilla_vae.hpp"
#include "objective/gaussian.hpp"
#include "objective/laplace.hpp"

namespace vae_dist::objective {
namespace {

using model::Decoded;
using model::Likelihood;
using model::LikelihoodRequest;

double number_in(const at::Tensor& scalar) { return scalar.item<double>(); }

at::Tensor normal(at::IntArrayRef sizes, std::uint64_t seed) {
  return at::randn(sizes, at::make_generator<at::CPUGeneratorImpl>(seed), at::kDouble);
}

// A likelihood's name and the arguments to make it.
struct Wanted {
  std::string name;
  LikelihoodRequest request = {};
};

std::shared_ptr<Likelihood> likelihood(const Wanted& wanted, at::ScalarType type = at::kDouble) {
  auto out = model::make_likelihood(wanted.name, wanted.request);
  out->to(type);
  for (const auto& buffer : out->named_buffers()) {
    at::Tensor tensor = buffer.value();
    if (buffer.key() == "num_batches_tracked") tensor.set_data(tensor.to(at::kLong));
  }
  return out;
}

Wanted gaussian(Variance variance, double sigma = 1) {
  return {"gaussian", {.own = GaussianSettings{variance, sigma}, .channels = 1}};
}

Wanted named(const std::string& name, std::int64_t channels = 1) {
  return {name, {.channels = channels}};
}

// Returns a parameter or a running value of the likelihood.
at::Tensor kept(const Likelihood& likelihood, const std::string& name) {
  const auto parameters = likelihood.named_parameters();
  return parameters.contains(name) ? parameters[name] : likelihood.named_buffers()[name];
}

void set(at::Tensor parameter, double to) {
  const at::NoGradGuard no_grad;
  parameter.fill_(to);
}

// Returns one image: [1, 1, 2, 2].
at::Tensor image(std::initializer_list<double> values) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).view({1, 1, 2, 2});
}

// An image of one pixel for each of the 256 levels of a range: [256, 1, 1, 1].
at::Tensor all_levels(double low, double high) {
  return (low + (high - low) * at::arange(256, at::kDouble) / 255).view({256, 1, 1, 1});
}

double gaussian_nats(double squared_error, double values, double sigma) {
  return squared_error / (2 * sigma * sigma) +
         values * (std::log(sigma) + 0.5 * std::log(2 * std::numbers::pi));
}

/// Parameter: the range of the images.
class DiscretizedLogistic : public testing::TestWithParam<std::pair<double, double>> {
 protected:
  const double low_ = GetParam().first, high_ = GetParam().second, middle_ = (low_ + high_) / 2;

  std::shared_ptr<Likelihood> logistic(double log_scale, at::ScalarType type = at::kDouble) const {
    const auto out =
        likelihood({"discretized_logistic", {.low = low_, .high = high_, .channels = 1}}, type);
    set(kept(*out, "log_scale"), log_scale);
    return out;
  }
};

TEST_P(DiscretizedLogistic, GivesThe256LevelsProbabilitiesThatSumToOne) {
  for (const double mean : {low_ - 1, low_, middle_ + 0.123, high_, high_ + 3})
    for (const double log_scale : {-7.0, -4.0, -1.0, 2.0})
      for (const auto type : {at::kDouble, at::kFloat}) {
        const at::Tensor x = all_levels(low_, high_).to(type);
        const at::Tensor probabilities =
            (-logistic(log_scale, type)->negative_log({at::full_like(x, mean), {}}, x))
                .to(at::kDouble)
                .exp();
        EXPECT_NEAR(number_in(probabilities.sum()), 1, type == at::kDouble ? 1e-12 : 2e-4)
            << "mean " << mean << ", log scale " << log_scale << ", " << type;
      }
}

TEST_P(DiscretizedLogistic, IsTheLogisticDistributionsMassBetweenTheMiddlesOfLevels) {
  const double mean = middle_ + 0.1, scale = std::exp(-2.0), step = (high_ - low_) / 255;
  const at::Tensor x = all_levels(low_, high_);
  const at::Tensor ours = logistic(-2)->negative_log({at::full_like(x, mean), {}}, x);
  const auto cdf = [&](double level) {
    return 1 / (1 + std::exp(-(low_ + level * step - mean) / scale));
  };
  EXPECT_NEAR(number_in(ours[0]), -std::log(cdf(0.5)), 1e-12);
  EXPECT_NEAR(number_in(ours[255]), -std::log(1 - cdf(254.5)), 1e-10);
  for (const int level : {1, 100, 128, 200, 254})
    EXPECT_NEAR(number_in(ours[level]), -std::log(cdf(level + 0.5) - cdf(level - 0.5)), 1e-10)
        << level;
}

TEST_P(DiscretizedLogistic, StaysFiniteWithFiniteGradientsForFarMeansAndTinyScales) {
  for (const double distance : {0.0, 0.5, 10.0, 1e4})
    for (const double log_scale : {-30.0, -12.0, -7.0, 0.0, 10.0}) {
      const auto logistic_ = logistic(log_scale, at::kFloat);
      const at::Tensor x = all_levels(low_, high_).to(at::kFloat),
                       mean = at::full_like(x, middle_ + distance).requires_grad_();
      const at::Tensor nats = logistic_->negative_log({mean, {}}, x);
      nats.sum().backward();
      const std::string where =
          "distance " + std::to_string(distance) + ", log scale " + std::to_string(log_scale);
      EXPECT_TRUE(at::isfinite(nats).all().item<bool>()) << where;
      EXPECT_TRUE(nats.ge(0).all().item<bool>()) << where << ": a probability above 1";
      EXPECT_TRUE(at::isfinite(mean.grad()).all().item<bool>()) << where;
      EXPECT_TRUE(at::isfinite(kept(*logistic_, "log_scale").grad()).all().item<bool>()) << where;
      // The gradient pulls the mean back, no matter how far away it is.
      if (distance == 1e4) {
        EXPECT_TRUE(mean.grad().narrow(0, 0, 255).gt(0).all().item<bool>()) << where;
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Ranges, DiscretizedLogistic,
                         testing::Values(std::pair{0.0, 1.0}, std::pair{-1.0, 1.0}));

TEST(DiscretizedLogisticScale, IsLearnedForEachChannel) {
  const auto two = likelihood(named("discretized_logistic", 2)),
             one = likelihood(named("discretized_logistic"));
  const at::Tensor x = all_levels(0, 1).narrow(0, 40, 2).view({1, 2, 1, 1}),
                   mean = at::full_like(x, 0.3);
  {
    const at::NoGradGuard no_grad;
    kept(*two, "log_scale")[1].fill_(-4);
  }
  double expected = 0;
  for (const int channel : {0, 1}) {
    set(kept(*one, "log_scale"), number_in(kept(*two, "log_scale")[channel]));
    expected +=
        number_in(one->negative_log({mean.narrow(1, channel, 1), {}}, x.narrow(1, channel, 1)));
  }
  EXPECT_NEAR(number_in(two->negative_log({mean, {}}, x)), expected, 1e-12);
}

TEST(BernoulliLikelihood, IsItsDefinitionAndStaysFinite) {
  const auto bernoulli = likelihood(named("bernoulli"));
  const at::Tensor logits = image({-2.0, 0.5, 3.0, 0.0}), x = image({0, 1, 1, 0});
  const auto p = [](double logit) { return 1 / (1 + std::exp(-logit)); };
  EXPECT_NEAR(number_in(bernoulli->negative_log({logits, {}}, x)),
              -std::log(1 - p(-2)) - std::log(p(0.5)) - std::log(p(3)) - std::log(0.5), 1e-14);
  EXPECT_TRUE(bernoulli->mean_image({logits, {}}).allclose(image({p(-2), p(0.5), p(3), 0.5})));
  EXPECT_DOUBLE_EQ(
      number_in(bernoulli->negative_log({image({500, -500, 500, -500}), {}}, image({0, 1, 1, 0}))),
      1000);
}

TEST(BernoulliLikelihood, HasTheGradientOfItsDefinition) {
  const auto bernoulli = likelihood(named("bernoulli"));
  const at::Tensor x = image({0, 1, 1, 0}), logits = image({-2.0, 0.5, 3.0, 0.0}).requires_grad_();
  (bernoulli->negative_log({logits, {}}, x) * 3).sum().backward();
  EXPECT_TRUE(logits.grad().allclose(3 * (at::sigmoid(logits.detach()) - x), 1e-14, 1e-14));
}

TEST(GaussianLikelihood, OfFixedAndLearnedSigmaHasAllConstants) {
  const at::Tensor output = image({0.1, 0.2, 0.3, 0.4}), x = image({0.3, 0.2, 0.0, 0.8});
  const double error = 0.04 + 0 + 0.09 + 0.16;
  EXPECT_NEAR(number_in(likelihood(gaussian(Variance::fixed, 0.3))->negative_log({output, {}}, x)),
              gaussian_nats(error, 4, 0.3), 1e-14);
  const auto learned = likelihood(gaussian(Variance::learned));
  EXPECT_NEAR(number_in(learned->negative_log({output, {}}, x)), gaussian_nats(error, 4, 1), 1e-14)
      << "sigma must start at 1";
  set(kept(*learned, "log_sigma"), std::log(0.3));
  EXPECT_NEAR(number_in(learned->negative_log({output, {}}, x)), gaussian_nats(error, 4, 0.3),
              1e-14);
  EXPECT_TRUE(learned->mean_image({output, {}}).equal(output));
}

TEST(GaussianLikelihood, OfPredictedVarianceHasOneForEachValue) {
  const at::Tensor output = image({0.1, 0.2, 0.3, 0.4}), x = image({0.3, 0.2, 0.0, 0.8});
  const double sigmas[] = {0.1, 0.2, 0.5, 2.0}, errors[] = {0.04, 0, 0.09, 0.16};
  double expected = 0;
  for (int i = 0; i < 4; ++i) expected += gaussian_nats(errors[i], 1, sigmas[i]);
  const at::Tensor log_variance = 2 * image({0.1, 0.2, 0.5, 2.0}).log();
  EXPECT_NEAR(
      number_in(likelihood(gaussian(Variance::predicted))->negative_log({output, log_variance}, x)),
      expected, 1e-13);
}

TEST(GaussianLikelihood, OfSharedPredictedVarianceHasOneForEachSample) {
  const at::Tensor x = normal({3, 2, 4, 5}, 1), output = normal({3, 2, 4, 5}, 2);
  const double sigmas[] = {0.1, 0.7, 2.0};
  const at::Tensor log_variance =
      2 * at::tensor({0.1, 0.7, 2.0}, at::kDouble).log().view({3, 1, 1, 1});
  const auto shared = likelihood(gaussian(Variance::predicted_shared));
  const at::Tensor nats = shared->negative_log({output, log_variance}, x);
  ASSERT_EQ(nats.sizes(), (std::vector<std::int64_t>{3}));
  for (int i = 0; i < 3; ++i) {
    const double error = number_in((x[i] - output[i]).square().sum());
    EXPECT_NEAR(number_in(nats[i]), gaussian_nats(error, 40, sigmas[i]), 1e-10) << i;
  }
  // The same density as with that variance for every value.
  const at::Tensor of_values = likelihood(gaussian(Variance::predicted))
                                   ->negative_log({output, log_variance.expand_as(x)}, x);
  EXPECT_LT(number_in((nats - of_values).abs().max()), 1e-10);
}

Wanted laplace(Spread spread, double scale = 1) {
  return {"laplace", {.own = LaplaceSettings{spread, scale}, .channels = 2, .values = 4}};
}

// scipy.stats.laplace.logpdf(x, output, 0.3), scipy 1.17.1.
TEST(LaplaceLikelihood, OfAFixedScaleIsScipys) {
  const at::Tensor output = image({0.1, 0.2, 0.3, 0.4}), x = image({0.3, 0.2, 0.0, 0.8});
  const auto fixed = likelihood(laplace(Spread::fixed, 0.3));
  EXPECT_NEAR(number_in(fixed->negative_log({output, {}}, x)),
              0.1558410429006758 - 0.5108256237659908 + 0.48917437623400906 + 0.8225077095673428,
              1e-13);
  EXPECT_TRUE(fixed->mean_image({output, {}}).equal(output));
}

TEST(LaplaceLikelihood, LearnsAScaleForEachChannelAndPredictsOneForEachValue) {
  const at::Tensor output = normal({3, 2, 2}, 1), x = normal({3, 2, 2}, 2);
  const at::Tensor scales = at::tensor({0.2, 1.7}, at::kDouble).view({1, 2, 1});
  const at::Tensor expected = ((x - output).abs() / scales + (2 * scales).log()).flatten(1).sum(1);
  const auto learned = likelihood(laplace(Spread::learned));
  EXPECT_TRUE(learned->negative_log({output, {}}, x)
                  .allclose(likelihood(laplace(Spread::fixed))->negative_log({output, {}}, x)))
      << "the scale must start at 1";
  {
    const at::NoGradGuard no_grad;
    kept(*learned, "log_scale").copy_(scales.log().view(-1));
  }
  EXPECT_TRUE(learned->negative_log({output, {}}, x).allclose(expected));
  EXPECT_TRUE(likelihood(laplace(Spread::predicted))
                  ->negative_log({output, scales.log().expand({3, 2, 2})}, x)
                  .allclose(expected));
}

TEST(LaplaceLikelihood, IntegratesToOne) {
  const at::Tensor x = at::arange(-30000, 30001, at::kDouble).view({-1, 1}) * 1e-3;
  const auto fixed = likelihood(laplace(Spread::fixed, 0.7));
  const at::Tensor density = (-fixed->negative_log({at::full_like(x, 0.25), {}}, x)).exp();
  EXPECT_NEAR(number_in(density.sum()) * 1e-3, 1, 1e-6);
}

TEST(PredictedVariance, IsNotBelowItsBoundInAnyNetwork) {
  struct Head {
    Variance variance;
    base::SecondHead::Of of;
    double least;
  };
  for (const Head& head : {Head{Variance::predicted, base::SecondHead::Of::values, -6},
                           Head{Variance::predicted_shared, base::SecondHead::Of::sample, -12}}) {
    model::NetworkOptions network;
    network.channels = 2;
    network.space = {6, 6};
    network.latent_dim = 2;
    network.hidden_dims = {4, 5};
    const auto predicted = [&] { return likelihood(gaussian(head.variance)); };
    network.second_head = predicted()->traits().second_head;
    ASSERT_EQ(network.second_head.of, head.of);
    const std::shared_ptr<model::LatentModel> models[] = {
        std::make_shared<model::VanillaVae>(network, predicted()),
        std::make_shared<model::MlpVae>(network, predicted()),
        std::make_shared<model::ResnetVae>(network, model::ResnetOptions{}, predicted())};
    for (const auto& model : models) {
      SCOPED_TRACE(model->name());
      set(model->named_parameters()["log_variance_layer.bias"], -100);
      const Decoded decoded = model->decode(at::randn({3, 2}));
      const std::vector<std::int64_t> of_sample = {3, 1, 1, 1};
      EXPECT_EQ(decoded.second.sizes(), head.of == base::SecondHead::Of::sample
                                            ? at::IntArrayRef(of_sample)
                                            : decoded.output.sizes());
      EXPECT_TRUE(decoded.second.eq(head.least).all().item<bool>());
      set(model->named_parameters()["log_variance_layer.bias"], 100);
      EXPECT_TRUE(model->decode(at::randn({3, 2})).second.gt(50).all().item<bool>());
    }
  }
}

// Derives log sigma from the likelihood of a sample that is reconstructed without error.
double log_sigma_in(const Likelihood& gaussian) {
  const at::Tensor x = image({0.1, 0.2, 0.3, 0.4});
  return number_in(gaussian.negative_log({x, {}}, x)) / 4 - 0.5 * std::log(2 * std::numbers::pi);
}

TEST(OptimalSigma, MinimisesTheLossOverSigmaButForItsSoftFloor) {
  const auto optimal = likelihood(gaussian(Variance::optimal));
  const at::Tensor x = normal({5, 1, 4, 4}, 1), output = x + 0.4 * normal({5, 1, 4, 4}, 2);
  const double mse = number_in((x - output).square().mean()), log_sigma = 0.5 * std::log(mse),
               shift = std::log1p(std::exp(-6 - log_sigma));
  const double ours = number_in(optimal->negative_log({output, {}}, x).mean());
  double best = std::numeric_limits<double>::infinity();
  for (int i = -100; i <= 100; ++i)
    best = std::min(best,
                    number_in(likelihood(gaussian(Variance::fixed, std::exp(log_sigma + i / 200.0)))
                                  ->negative_log({output, {}}, x)
                                  .mean()));
  EXPECT_NEAR(best, 16 * (0.5 + log_sigma + 0.5 * std::log(2 * std::numbers::pi)), 1e-12);
  EXPECT_GE(ours, best);
  EXPECT_NEAR(ours, best + 16 * (0.5 * std::expm1(-2 * shift) + shift), 1e-10);
  EXPECT_LT(ours - best, 1e-3);
}

TEST(OptimalSigma, HasASoftFloorAndFiniteGradientsThere) {
  for (const double offset : {1e-2, 1e-4, 1e-8, 1e-15, 0.0})
    for (const auto type : {at::kDouble, at::kFloat}) {
      const auto optimal = likelihood(gaussian(Variance::optimal), type);
      const at::Tensor x = at::full({2, 1, 2, 2}, 0.25, type),
                       output = (x + offset).requires_grad_();
      const at::Tensor nats = optimal->negative_log({output, {}}, x);
      nats.sum().backward();
      EXPECT_TRUE(at::isfinite(nats).all().item<bool>()) << offset;
      EXPECT_TRUE(at::isfinite(output.grad()).all().item<bool>()) << offset << " " << type;
      EXPECT_GE(number_in(nats[0]), 4 * (-6 + 0.5 * std::log(2 * std::numbers::pi)) - 1e-4)
          << offset;
    }
  const auto optimal = likelihood(gaussian(Variance::optimal));
  optimal->eval();
  kept(*optimal, "running_mse").fill_(0);
  EXPECT_NEAR(log_sigma_in(*optimal), -6, 1e-9);
  kept(*optimal, "running_mse").fill_(std::exp(-12.0));
  EXPECT_NEAR(log_sigma_in(*optimal), -6 + std::log(2.0), 1e-12);
  kept(*optimal, "running_mse").fill_(1);
  EXPECT_NEAR(log_sigma_in(*optimal), std::log1p(std::exp(-6.0)), 1e-12);
}

TEST(OptimalSigma, IsTheBatchsInTrainingAndTheRunningOneInEvaluation) {
  const auto optimal = likelihood(gaussian(Variance::optimal));
  const at::Tensor x = normal({5, 1, 4, 4}, 1), near = x + 0.1, far = x + 1;
  kept(*optimal, "running_mse").fill_(0.25);
  EXPECT_LT(number_in(optimal->negative_log({near, {}}, x).mean()),
            number_in(optimal->negative_log({far, {}}, x).mean()));
  optimal->eval();
  const double sigma = std::exp(log_sigma_in(*optimal));
  EXPECT_NEAR(sigma, 0.5, 0.005);
  EXPECT_NEAR(number_in(optimal->negative_log({near, {}}, x)[0]),
              gaussian_nats(16 * 0.01, 16, sigma), 1e-12);
  EXPECT_NEAR(number_in(optimal->negative_log({far, {}}, x)[3]), gaussian_nats(16, 16, sigma),
              1e-12);
}

TEST(RunningError, IsTheMeanOfTheFirstHundredStepsThenDecays) {
  const auto optimal = likelihood(gaussian(Variance::optimal));
  const at::Tensor keep = at::zeros({1}), skip = at::ones({1});
  double sum = 0, expected = 0;
  for (int step = 0; step < 130; ++step) {
    const double error = 0.1 + 0.01 * (step * 7 % 13);
    sum += error;
    expected = step < 100 ? sum / (step + 1) : 0.99 * expected + 0.01 * error;
    optimal->blend_into_running(at::scalar_tensor(error, at::kDouble), keep);
    if (step % 10 == 0)
      optimal->blend_into_running(at::scalar_tensor(std::nan(""), at::kDouble), skip);
    ASSERT_NEAR(number_in(kept(*optimal, "running_mse")), expected, 1e-13) << "step " << step;
    ASSERT_EQ(kept(*optimal, "num_batches_tracked").item<std::int64_t>(), step + 1);
  }
}

TEST(NegativeLogOfPairs, IsThatOfEveryPair) {
  const at::Tensor x = at::sigmoid(normal({4, 2, 3, 3}, 1)),
                   output = 0.3 * normal({5, 2, 3, 3}, 2) + 0.5,
                   log_variance = normal({5, 2, 3, 3}, 3),
                   shared_log_variance = normal({5, 1, 1, 1}, 4);
  const at::Tensor levels = (x * 255).round() / 255, bits = x.round();
  const Wanted kinds[] = {gaussian(Variance::fixed, 0.3), gaussian(Variance::learned),
                          gaussian(Variance::predicted),  gaussian(Variance::predicted_shared),
                          named("bernoulli", 2),          named("discretized_logistic", 2)};
  for (const Wanted& wanted : kinds) {
    const auto each = likelihood(wanted);
    const at::Tensor variances =
        each->traits().second_head.of == base::SecondHead::Of::values   ? log_variance
        : each->traits().second_head.of == base::SecondHead::Of::sample ? shared_log_variance
                                                                        : at::Tensor();
    const at::Tensor images = each->traits().support == base::Support::zero_or_one ? bits
                              : each->traits().support == base::Support::reals     ? x
                                                                                   : levels;
    const at::Tensor pairs = each->negative_log_of_pairs({output, variances}, images);
    ASSERT_EQ(pairs.sizes(), (std::vector<std::int64_t>{4, 5}));
    for (std::int64_t b = 0; b < 4; ++b)
      for (std::int64_t k = 0; k < 5; ++k) {
        const Decoded one = Decoded{output, variances}.narrow(k, 1);
        EXPECT_NEAR(number_in(pairs[b][k]),
                    number_in(each->negative_log(one, images.narrow(0, b, 1))), 1e-10)
            << b << ", " << k;
      }
  }
  EXPECT_THROW(likelihood(gaussian(Variance::optimal))->negative_log_of_pairs({output, {}}, x),
               std::logic_error);
}

TEST(Likelihood, KeepsInTheCheckpointWhatItLearns) {
  model::NetworkOptions network;
  network.channels = 1;
  network.space = {4, 4};
  network.hidden_dims = {3};
  const auto names_in = [&](const Wanted& wanted) {
    std::vector<std::string> names;
    const model::MlpVae model(network, likelihood(wanted));
    for (const auto& entry : model.named_parameters())
      if (entry.key().starts_with("likelihood.")) names.push_back(entry.key());
    for (const auto& entry : model.named_buffers()) names.push_back(entry.key());
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names_in(gaussian(Variance::fixed)), Names{});
  EXPECT_EQ(names_in(named("bernoulli")), Names{});
  EXPECT_EQ(names_in(gaussian(Variance::learned)), Names{"likelihood.log_sigma"});
  EXPECT_EQ(names_in(named("discretized_logistic")), Names{"likelihood.log_scale"});
  EXPECT_EQ(names_in(gaussian(Variance::optimal)),
            (Names{"likelihood.running_mse", "likelihood.num_batches_tracked"}));
}

// A gradient in another memory format would be copied by the layer before.
TEST(SquaredError, HasTorchsBitsAndAGradientInTheMemoryFormatOfTheOutput) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor
        x = normal({5, 3, 7, 6}, 1).to(type).contiguous(at::MemoryFormat::ChannelsLast),
        output = normal({5, 3, 7, 6}, 2).to(type).contiguous(at::MemoryFormat::ChannelsLast);
    const auto ours = output.detach().requires_grad_(), expected = output.detach().requires_grad_();
    const at::Tensor error = Likelihood::squared_error({ours, {}}, {x});
    (0.3 * error).backward();
    const at::Tensor of_torch = at::mse_loss(expected, x);
    (0.3 * of_torch).backward();
    EXPECT_TRUE(error.equal(of_torch));
    EXPECT_TRUE(ours.grad().equal(expected.grad()));
    EXPECT_TRUE(ours.grad().is_contiguous(at::MemoryFormat::ChannelsLast));
  }
}

}  // namespace
}  // namespace vae_dist::objective

// Resolves a configuration to the model and its loss.
#include "step/resolved_objective.hpp"

#include <gtest/gtest.h>

#include "config/words.hpp"
#include "objective/gaussian.hpp"
#include "step/make_model.hpp"

namespace vae_dist::step {
namespace {

const arrays::SampleShape kShape = {3, {64, 64}};

ResolvedObjective resolve(const config::Config& config, std::int64_t samples = 20000) {
  return resolve_objective(config, samples, kShape);
}

TEST(Objective, IsTheReferenceWeightOfTheGlobalBatchUnlessToldOtherwise) {
  config::Config config;
  config.train.global_batch = 128;
  const ResolvedObjective objective = resolve(config);
  EXPECT_DOUBLE_EQ(objective.kld_weight, 0.0005);
  EXPECT_EQ(objective.rule, "reference: 0.00025 * 128 / 64 (auto)");
  EXPECT_EQ(objective.options.reduction, objective::Reduction::mean);
  EXPECT_DOUBLE_EQ(objective.beta_at(0), 1);
}

TEST(Objective, IsTheExactBoundWhereTheLossIsInNats) {
  config::Config config;
  config.objective.reduction = config::Reduction::sum;
  config.objective.likelihood.settings_of<objective::GaussianSettings>("gaussian").sigma = 0.1;
  const ResolvedObjective objective = resolve(config);
  EXPECT_DOUBLE_EQ(objective.kld_weight, 1);
  EXPECT_EQ(objective.rule, "elbo: 1 (auto)");
  EXPECT_EQ(objective.options.reduction, objective::Reduction::sum);
  EXPECT_DOUBLE_EQ(*objective.likelihood.fixed_sigma, 0.1);
}

TEST(Objective, FollowsEveryRule) {
  config::Config config;
  config.objective.kld_weight.weight = 0.01;
  config.objective.kld_weight.rule = config::KldWeightRule::batch_over_dataset;
  EXPECT_DOUBLE_EQ(resolve(config).kld_weight, 64.0 / 20000);
  EXPECT_EQ(resolve(config).rule, "batch_over_dataset: 64 / 20000");
  config.objective.kld_weight.rule = config::KldWeightRule::fixed;
  EXPECT_DOUBLE_EQ(resolve(config).kld_weight, 0.01);
  config.objective.kld_weight.rule = config::KldWeightRule::elbo;
  EXPECT_DOUBLE_EQ(resolve(config).kld_weight, 1.0 / 12288);
  EXPECT_EQ(resolve(config).rule, "elbo: 1 / 12288");
  config.objective.kld_weight.rule = config::KldWeightRule::reference;
  EXPECT_DOUBLE_EQ(resolve(config).kld_weight, 0.01);
}

TEST(Objective, HasFinalWeightsWhereAScheduleMovesThem) {
  config::Config config;
  EXPECT_FALSE(resolve(config).final_weights()) << "constant";
  config.objective.beta.schedule = config::BetaSchedule::linear;
  config.objective.beta.steps = 1000;
  config.objective.beta.to = 3;
  ASSERT_TRUE(resolve(config).final_weights());
  EXPECT_DOUBLE_EQ(resolve(config).final_weights()->kld_factor, 3 * 0.00025);
  EXPECT_EQ(resolve(config).final_weights()->kld_factor,
            resolve(config).weights_at(1000).kld_factor);
  config.objective.beta.from = 3;
  EXPECT_FALSE(resolve(config).final_weights()) << "from 3 to 3";
  config.objective.capacity = {.gamma = 10, .max_nats = 25, .steps = 1000};
  EXPECT_EQ(resolve(config).final_weights()->capacity_nats, 25);
  config.model.network.name = "autoencoder";
  EXPECT_FALSE(resolve(config).final_weights()) << "there is no KL to weigh";
}

TEST(Objective, DoesNotKnowHowManyReplicasOrRanksThereAre) {
  config::Config config;
  for (const auto rule :
       {config::KldWeightRule::reference, config::KldWeightRule::batch_over_dataset,
        config::KldWeightRule::fixed, config::KldWeightRule::elbo}) {
    config.objective.kld_weight.rule = rule;
    config.distributed.replicas.reset();
    const double alone = resolve(config).kld_weight;
    config.distributed.replicas = 8;
    EXPECT_EQ(resolve(config).kld_weight, alone) << config::word(rule);
  }
}

TEST(NetworkOptions, EndInSigmoidOrTanhByTheRangeOfTheImages) {
  config::Config config;
  EXPECT_EQ(network_options(config, kShape).output, model::Activation::sigmoid);
  config.data.range = {-1, 1};
  EXPECT_EQ(network_options(config, kShape).output, model::Activation::tanh);
  config.data.range = {0, 1};
  config.model.output = config::Output::tanh;
  EXPECT_EQ(network_options(config, kShape).output, model::Activation::tanh)
      << "PyTorch-VAE's head, asked for";
}

TEST(NetworkOptions, AreTheImagesAndTheConfigurations) {
  config::Config config;
  config.model.latent_dim = 17;
  config.model.hidden_dims = {5, 6};
  config.model.activation = config::Activation::silu;
  const model::NetworkOptions options = network_options(config, {1, {28, 30}});
  EXPECT_EQ(options.channels, 1);
  EXPECT_EQ(options.space, (model::Space{28, 30}));
  EXPECT_EQ(options.latent_dim, 17);
  EXPECT_EQ(options.hidden_dims, (std::vector<std::int64_t>{5, 6}));
  EXPECT_EQ(options.activation, model::Activation::silu);
}

}  // namespace
}  // namespace vae_dist::step

// For every model and objective, training gives the same results at any number of ranks, because
// quantities of a whole batch are those of the global batch or, if asked for, of each replica.
#include "course.hpp"
#include "model/resnet_vae.hpp"
#include "objective/gaussian.hpp"
#include "objective/laplace.hpp"

namespace vae_dist::step {
namespace {

struct Setting {
  const char* name;
  void (*apply)(config::Config& config);
};

void PrintTo(const Setting& setting, std::ostream* out) { *out << setting.name; }

config::Config config_of(const Setting& setting) {
  config::Config config = small_config();
  setting.apply(config);
  return config;
}

void set_variance(config::Config& config, objective::Variance variance) {
  config.objective.likelihood.settings_of<objective::GaussianSettings>("gaussian").variance =
      variance;
}

void free_bits(config::Config& config) {
  config.objective.reduction = config::Reduction::sum;
  config.objective.free_bits = 0.12;
}

void capacity(config::Config& config) { config.objective.capacity = {0.5, 1.0, 10}; }

void optimal(config::Config& config) {
  set_variance(config, objective::Variance::optimal);
  config.objective.reduction = config::Reduction::sum;
}

void draws(config::Config& config) {
  optimal(config);
  config.objective.importance_samples = 3;
}

void autoencoder(config::Config& config) {
  config.model.network.name = "autoencoder";
  optimal(config);
}

void decoder_only(config::Config& config) {
  config.model.network.name = "decoder_only";
  config.objective.reduction = config::Reduction::sum;
  config.objective.prior_samples = 10;  // the 4 samples of a replica carry 12 draws
}

void mlp(config::Config& config) {
  config.model.network.name = "mlp_vae";
  config.objective.likelihood.name = "bernoulli";
}

void resnet(config::Config& config) {
  config.model.network.name = "resnet_vae";
  auto& resnet = config.model.network.settings_of<model::ResnetOptions>("resnet_vae");
  resnet.attention_at = {5};
  resnet.spatial_latent = true;
  config.model.latent_dim = 1;
  resnet.blocks = 1;
  set_variance(config, objective::Variance::predicted);
}

void shared_variance(config::Config& config) {
  set_variance(config, objective::Variance::predicted_shared);
  config.objective.reduction = config::Reduction::sum;
}

void linear(config::Config& config) {
  config.model.network.name = "mlp_vae";
  config.model.hidden_dims = {};
  config.model.output = config::Output::identity;
}

void laplace(config::Config& config) {
  config.objective.likelihood.name = "laplace";
  config.objective.likelihood.settings_of<objective::LaplaceSettings>("laplace").spread =
      objective::Spread::predicted;
  config.objective.reduction = config::Reduction::sum;
}

void logistic(config::Config& config) { config.objective.likelihood.name = "discretized_logistic"; }

void add_regulariser(config::Config& config, const std::string& name) {
  config.objective.regularisers.add(name);
}

void total_correlation(config::Config& config) {
  config.objective.reduction = config::Reduction::sum;
  add_regulariser(config, "tc");
}

void mean_discrepancy(config::Config& config) { add_regulariser(config, "mmd"); }

void covariance(config::Config& config) {
  add_regulariser(config, "dip");
  add_regulariser(config, "code_l2");
}

void wasserstein_autoencoder(config::Config& config) {
  config.model.network.name = "autoencoder";
  add_regulariser(config, "mmd");
}

void codes(config::Config& config) {
  config.model.latent_dim = 4;
  config.model.codes = {config::CodesKind::vector_quantized, 7, 2, 0.25, 0.8, 2};
}

void critic(config::Config& config) {
  base::ItemList::Entry* const entry = config.objective.regularisers.add("factor");
  for (base::Key& key : base::ItemList::keys_of(*entry))
    if (key.name.ends_with("width")) *std::get<std::int64_t*>(key.slot) = 20;
}

void many_at_once(config::Config& config) {
  optimal(config);
  config.objective.free_bits = 0.12;
  for (const char* name : {"mmd", "tc", "dip"}) add_regulariser(config, name);
}

const Setting kSettings[] = {{"free_bits", free_bits},
                             {"capacity", capacity},
                             {"optimal", optimal},
                             {"draws", draws},
                             {"autoencoder", autoencoder},
                             {"decoder_only", decoder_only},
                             {"mlp", mlp},
                             {"resnet", resnet},
                             {"shared_variance", shared_variance},
                             {"linear", linear},
                             {"laplace", laplace},
                             {"logistic", logistic},
                             {"tc", total_correlation},
                             {"mmd", mean_discrepancy},
                             {"dip", covariance},
                             {"wae", wasserstein_autoencoder},
                             {"codes", codes},
                             {"factor", critic},
                             {"many_at_once", many_at_once}};

std::string setting_name(const testing::TestParamInfo<Setting>& info) { return info.param.name; }

class EveryObjective : public testing::TestWithParam<Setting> {};

TEST_P(EveryObjective, IsTheSameAtAnyNumberOfRanks) {
  const Course alone = train(config_of(GetParam()), 4, 1);
  for (const int ranks : {2, 4}) {
    SCOPED_TRACE(ranks);
    const Course ours = train(config_of(GetParam()), 4, ranks);
    expect_same_course(ours, alone, 1e-9, kSteps);
    expect_same_state(ours, alone, 1e-9);
  }
  EXPECT_GT(std::abs(alone.steps[kSteps - 1][0] - alone.steps[0][0]), 1e-6)
      << "nothing was learned";
}

TEST_P(EveryObjective, HasTheSameBitsAtAnyNumberOfRanksWhereThatIsAskedFor) {
  for (const char* precision : {"fp64", "fp32"}) {
    config::Config config = config_of(GetParam());
    config.distributed.reproducible = true;
    config.train.precision = config::from_word<config::Precision>(precision);
    const Course alone = train(config, 4, 1);
    for (const int ranks : {2, 4}) {
      const Course ours = train(config, 4, ranks);
      EXPECT_EQ(ours.steps, alone.steps) << ranks << " ranks, " << precision;
      EXPECT_TRUE(same_tensors(ours.state, alone.state)) << ranks << " ranks, " << precision;
    }
  }
}

TEST_P(EveryObjective, IsTheSameAtAnyNumberOfRanksWithGlobalBatchNorm) {
  config::Config config = config_of(GetParam());
  config.distributed.batch_norm = config::BatchNorm::sync;
  const Course alone = train(config, 4, 1);
  for (const int ranks : {2, 4}) {
    SCOPED_TRACE(ranks);
    const Course ours = train(config, 4, ranks);
    expect_same_course(ours, alone, 1e-9, kSteps);
    expect_same_state(ours, alone, 1e-9);
  }
}

INSTANTIATE_TEST_SUITE_P(Settings, EveryObjective, testing::ValuesIn(kSettings), setting_name);

class ObjectiveOfReplicas : public testing::TestWithParam<Setting> {};

TEST_P(ObjectiveOfReplicas, LooksAtEachIfThatIsAskedFor) {
  config::Config config = config_of(GetParam());
  config.distributed.batch_norm = config::BatchNorm::sync;
  // In the global scope it makes no difference that there are four.
  const Course whole = train(config, 4, 1), of_one = train(config, 1, 1);
  expect_same_course(whole, of_one, 1e-9, 1);
  config.objective.scope = config::Scope::replica;
  const Course four = train(config, 4, 1), one = train(config, 1, 1);
  // In the first step the networks compute the same; only the loss terms differ.
  EXPECT_NEAR(four.steps[0][2], one.steps[0][2], 1e-12) << "KL";
  EXPECT_GT(std::abs(four.steps[0][0] - one.steps[0][0]), 1e-6)
      << "KL " << one.steps[0][2] << ", loss " << one.steps[0][0];
}

INSTANTIATE_TEST_SUITE_P(Settings, ObjectiveOfReplicas,
                         testing::ValuesIn({kSettings[0], kSettings[1], kSettings[2], kSettings[12],
                                            kSettings[13], kSettings[14]}),
                         setting_name);

TEST(OptimalSigma, KeepsOneRunningErrorForAllRanksInTheCheckpoint) {
  config::Config config = small_config();
  optimal(config);
  double alone = 0;
  for (const int ranks : {1, 2, 4}) {
    std::vector<double> errors(static_cast<std::size_t>(ranks));
    std::vector<double> mean_of_steps(static_cast<std::size_t>(ranks), 0);
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
      const auto mine = static_cast<std::size_t>(comm.rank());
      SmallRank rank(config, 4, comm);
      for (std::int64_t number = 0; number < kSteps; ++number)
        mean_of_steps[mine] += rank.step(number)[5] / kSteps;
      const auto weights = rank.learner().weights().tensors;
      errors[mine] = weights.at("likelihood.running_mse").item<double>();
      EXPECT_EQ(weights.at("likelihood.num_batches_tracked").item<std::int64_t>(), kSteps);
    });
    if (ranks == 1) alone = errors[0];
    EXPECT_GT(alone, 0.01);
    for (std::size_t rank = 0; rank < errors.size(); ++rank) {
      EXPECT_EQ(errors[rank], errors[0]) << "ranks differ";
      EXPECT_NEAR(errors[rank], alone, 1e-12 * alone) << ranks << " ranks";
      EXPECT_NEAR(errors[rank], mean_of_steps[rank], 1e-12 * alone)
          << "must be the plain mean of the replicas' errors in the first steps";
    }
  }
}

}  // namespace
}  // namespace vae_dist::step

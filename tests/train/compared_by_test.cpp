#include "train/compared_by.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.hpp"
#include "step/resolved_objective.hpp"

namespace vae_dist::train {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// A beta that rises from 0 to 2, and M_N = 1.
config::Config warming_up() {
  config::Config config;
  config.objective.reduction = config::Reduction::sum;
  config.objective.beta.schedule = config::BetaSchedule::linear;
  config.objective.beta.to = 2;
  config.objective.beta.steps = 1000;
  return config;
}

ComparedBy by_of(const config::Config& config) {
  const step::ResolvedObjective resolved = step::resolve_objective(config, 1000, {1, {8, 8}});
  evaluate::EvaluationOptions options;
  options.final_weights = resolved.final_weights();
  options.importance_samples = config.evaluate.importance_samples;
  return compared_by(config, resolved.options, options);
}

ComparedBy by_of(config::Config config, const std::string& best, const std::string& stop) {
  config.checkpoint.best = best;
  config.train.early_stop.metric = stop;
  return by_of(config);
}

std::string refusal_of(const config::Config& config, const std::string& best,
                       const std::string& stop = "loss") {
  try {
    by_of(config, best, stop);
  } catch (const base::BadInput& error) {
    return error.what();
  }
  return "not refused";
}

TEST(ComparedBy, ALossIsTakenAtTheFinalWeightsWhereTheyMove) {
  EXPECT_EQ(by_of(config::Config()).best.name, "loss");
  EXPECT_EQ(by_of(config::Config()).stop.name, "loss");
  EXPECT_EQ(by_of(warming_up()).best.name, "final_loss");
  EXPECT_EQ(by_of(warming_up()).stop.name, "final_loss");
  config::Config autoencoder = warming_up();
  autoencoder.model.network.name = "autoencoder";
  EXPECT_EQ(by_of(autoencoder).best.name, "loss") << "without a KL, beta moves nothing";
}

TEST(ComparedBy, EachNameHasItsDirection) {
  const config::Config config = warming_up();
  const ComparedBy elbo = by_of(config, "elbo", "evaluation_mse");
  EXPECT_EQ(elbo.best.name, "elbo_nats");
  EXPECT_TRUE(elbo.best.is_better(-90, -91));
  EXPECT_FALSE(elbo.best.is_better(-91, -91));
  EXPECT_FALSE(elbo.best.is_better(std::nan(""), std::nullopt));
  EXPECT_FALSE(elbo.best.is_better(-INFINITY, std::nullopt)) << "the worst is no best";
  EXPECT_EQ(elbo.stop.name, "mse");
  EXPECT_TRUE(elbo.stop.is_better(0.1, 0.2));
  EXPECT_FALSE(elbo.stop.is_better(INFINITY, std::nullopt));
  for (const char* name : {"reconstruction", "reconstruction_loss",
                           "evaluation_reconstruction_loss", "validation_reconstruction_loss"})
    EXPECT_EQ(by_of(config, name, "validation_mse").best.name, "reconstruction_loss") << name;
  EXPECT_TRUE(by_of(config, "active_units", "loss").best.more_is_better);
  EXPECT_FALSE(by_of(config, "bits_per_dim", "loss").best.more_is_better);
}

TEST(ComparedBy, ANameThatTheEvaluationLacksIsRefusedWithThoseThatItHas) {
  EXPECT_THAT(refusal_of(warming_up(), "fid"),
              AllOf(StartsWith("checkpoint.best is fid, which this run's evaluations do not have"),
                    EndsWith("choose one of loss, reconstruction_loss, kld, mse, active_units, "
                             "elbo_nats, bits_per_dim")));
  EXPECT_THAT(refusal_of(warming_up(), "loss", "log_p_of_16_draws"),
              StartsWith("train.early_stop.metric is log_p_of_16_draws"));
  config::Config drawn = warming_up();
  drawn.evaluate.importance_samples = 16;
  EXPECT_EQ(by_of(drawn, "loss", "log_p_of_16_draws").stop.more_is_better, true);
  config::Config decoder;
  decoder.model.network.name = "decoder_only";
  EXPECT_THAT(refusal_of(decoder, "elbo"), HasSubstr("log_p_of_64_draws, effective_samples"));
}

TEST(ForgetOtherMeasures, ForgetsWhatAnOlderProgramWeighedAsOfItsStep) {
  checkpoint::TrainingState state;
  state.best_validation = 0.1;
  state.best_step = 20;
  state.best_stop_metric = 0.1;
  state.evaluations_since_best = 7;
  const std::string said = forget_other_measures(by_of(warming_up()), state);
  EXPECT_THAT(said,
              AllOf(HasSubstr("of step 20, was chosen by the loss as weighted at its own step"),
                    HasSubstr("by the loss at the final weights (checkpoint.best)"),
                    HasSubstr("train.early_stop counts anew")));
  EXPECT_FALSE(state.best_validation);
  EXPECT_EQ(state.best_step, -1);
  EXPECT_FALSE(state.best_stop_metric);
  EXPECT_EQ(state.evaluations_since_best, 0);
  EXPECT_EQ(forget_other_measures(by_of(warming_up()), state), "") << "said once";
}

TEST(ForgetOtherMeasures, KeepsWhatStillHolds) {
  checkpoint::TrainingState older;
  older.best_validation = 0.1;
  older.best_step = 20;
  older.best_stop_metric = 0.1;
  older.evaluations_since_best = 1;
  EXPECT_EQ(forget_other_measures(by_of(config::Config()), older), "")
      << "with constant weights an older program's loss is the same loss";
  EXPECT_EQ(older.best_step, 20);
  EXPECT_EQ(older.evaluations_since_best, 1);
  EXPECT_THAT(forget_other_measures(by_of(config::Config(), "elbo", "loss"), older),
              AllOf(HasSubstr("by the loss. This run compares by the ELBO"),
                    testing::Not(HasSubstr("early_stop"))));
  EXPECT_EQ(older.best_step, -1);
  EXPECT_EQ(older.best_measure, "elbo_nats");

  // An error was never weighted.
  checkpoint::TrainingState by_error;
  by_error.best_stop_metric = 0.1;
  EXPECT_EQ(forget_other_measures(by_of(warming_up(), "loss", "validation_mse"), by_error), "");
  EXPECT_EQ(by_error.best_stop_metric, 0.1);
}

}  // namespace
}  // namespace vae_dist::train

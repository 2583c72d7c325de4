#include "train/early_stop.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace vae_dist::train {
namespace {

TEST(EarlyStop, ComesAfterSoManyEvaluationsThatWereNoBetter) {
  config::EarlyStopConfig config;
  config.patience = 2;
  checkpoint::TrainingState state;
  evaluate::Evaluation result;
  const auto after = [&](double loss) {
    result.loss = loss;
    note_for_early_stop({"loss"}, result, state);
    return stops_early(config, state);
  };
  EXPECT_FALSE(after(3));
  EXPECT_FALSE(after(3)) << "an equal loss is no improvement: count 1";
  EXPECT_FALSE(after(2)) << "an improvement resets the count";
  EXPECT_FALSE(after(std::nan(""))) << "NaN is no improvement: count 1";
  EXPECT_TRUE(after(2.5));
  config.patience = 3;
  EXPECT_FALSE(stops_early(config, state)) << "a larger patience lets the run continue";
  config.patience.reset();
  EXPECT_FALSE(stops_early(config, state));
}

TEST(EarlyStop, LooksAtTheMetricThatIsNamed) {
  config::EarlyStopConfig config;
  config.patience = 1;
  checkpoint::TrainingState state;
  evaluate::Evaluation first, second;
  first.loss = 1;
  first.mse = 0.5;
  second.loss = 0.5;
  second.mse = 0.6;
  note_for_early_stop({"mse"}, first, state);
  note_for_early_stop({"mse"}, second, state);
  EXPECT_TRUE(stops_early(config, state));
  EXPECT_EQ(*state.best_stop_metric, 0.5);
}

TEST(EarlyStop, WaitsForABoundToRise) {
  config::EarlyStopConfig config;
  config.patience = 1;
  checkpoint::TrainingState state;
  evaluate::Evaluation result;
  const evaluate::Measure elbo{"elbo_nats", /*more_is_better=*/true};
  for (const double nats : {-100.0, -95.0, -90.0}) {
    result.elbo_nats = nats;
    note_for_early_stop(elbo, result, state);
    EXPECT_FALSE(stops_early(config, state)) << nats;
  }
  result.elbo_nats = -91;
  note_for_early_stop(elbo, result, state);
  EXPECT_TRUE(stops_early(config, state));
  EXPECT_EQ(*state.best_stop_metric, -90);
}

}  // namespace
}  // namespace vae_dist::train

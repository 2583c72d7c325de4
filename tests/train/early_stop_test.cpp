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
    note_for_early_stop(config, result, state);
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
  config.metric = "validation_mse";
  checkpoint::TrainingState state;
  evaluate::Evaluation first, second;
  first.loss = 1;
  first.mse = 0.5;
  second.loss = 0.5;
  second.mse = 0.6;
  note_for_early_stop(config, first, state);
  note_for_early_stop(config, second, state);
  EXPECT_TRUE(stops_early(config, state));
  EXPECT_EQ(*state.best_stop_metric, 0.5);
}

}  // namespace
}  // namespace vae_dist::train

#include <gtest/gtest.h>

#include "step/schedules.hpp"

namespace vae_dist::step {
namespace {

TEST(BetaSchedule, IsConstantUnlessToldOtherwise) {
  config::BetaConfig beta;
  beta.value = 4;
  EXPECT_EQ(beta_of_step(beta, 0), 4);
  EXPECT_EQ(beta_of_step(beta, 1000000), 4);
  EXPECT_EQ(largest_beta(beta), 4);
}

TEST(BetaSchedule, EndsWithWhatItRisesToWhetherReachedOrNot) {
  config::BetaConfig beta;
  beta.value = 4;
  EXPECT_EQ(final_beta(beta), 4);
  beta.to = 2;
  beta.steps = beta.period_steps = 1000000;
  for (const auto schedule : {config::BetaSchedule::linear, config::BetaSchedule::cyclical}) {
    beta.schedule = schedule;
    EXPECT_EQ(final_beta(beta), 2);
  }
  config::CapacityConfig capacity;
  EXPECT_EQ(final_capacity(capacity), 0);
  capacity = {.gamma = 10, .max_nats = 25, .steps = 1000};
  EXPECT_EQ(final_capacity(capacity), 25);
}

TEST(BetaSchedule, RisesLinearlyAndStays) {
  config::BetaConfig beta;
  beta.schedule = config::BetaSchedule::linear;
  beta.from = 1;
  beta.to = 3;
  beta.steps = 10;
  EXPECT_DOUBLE_EQ(beta_of_step(beta, 0), 1);
  EXPECT_DOUBLE_EQ(beta_of_step(beta, 5), 2);
  EXPECT_DOUBLE_EQ(beta_of_step(beta, 10), 3);
  EXPECT_DOUBLE_EQ(beta_of_step(beta, 11), 3);
  EXPECT_EQ(largest_beta(beta), 3);
}

TEST(BetaSchedule, RisesAnewInEveryCycle) {
  config::BetaConfig beta;
  beta.schedule = config::BetaSchedule::cyclical;
  beta.to = 2;
  beta.period_steps = 8;
  beta.ratio = 0.5;
  for (const std::int64_t cycle : {0, 8, 80}) {
    EXPECT_DOUBLE_EQ(beta_of_step(beta, cycle), 0);
    EXPECT_DOUBLE_EQ(beta_of_step(beta, cycle + 2), 1);
    EXPECT_DOUBLE_EQ(beta_of_step(beta, cycle + 4), 2);
    EXPECT_DOUBLE_EQ(beta_of_step(beta, cycle + 7), 2);
  }
}

TEST(Capacity, RisesFromZeroAndStays) {
  config::CapacityConfig capacity;
  EXPECT_EQ(capacity_of_step(capacity, 5), 0);
  capacity = {100.0, 25.0, 1000};
  EXPECT_EQ(capacity_of_step(capacity, 0), 0);
  EXPECT_DOUBLE_EQ(capacity_of_step(capacity, 500), 12.5);
  EXPECT_DOUBLE_EQ(capacity_of_step(capacity, 2000), 25);
}

}  // namespace
}  // namespace vae_dist::step

// The expected numbers come from torch.optim.lr_scheduler (torch 2.11) with an SGD of lr=0.004:
// param_groups[0]["lr"] before each step.
#include <gtest/gtest.h>

#include "config/words.hpp"
#include "step/schedules.hpp"

namespace vae_dist::step {
namespace {

LearningRatePlan plan_of(config::RateSchedule name) {
  LearningRatePlan plan;
  plan.schedule.name = name;
  plan.schedule.per = config::ScheduleUnit::step;
  plan.base = 0.004;
  plan.steps_per_epoch = 3;
  plan.steps_planned = 10;
  return plan;
}

void expect_rates(const LearningRatePlan& plan, const std::vector<double>& expected) {
  for (std::size_t step = 0; step < expected.size(); ++step)
    EXPECT_NEAR(learning_rate(plan, static_cast<std::int64_t>(step)), expected[step], 1e-15)
        << config::word(plan.schedule.name) << ", step " << step;
}

TEST(LearningRate, Constant) {
  expect_rates(plan_of(config::RateSchedule::constant), {0.004, 0.004, 0.004, 0.004});
}

TEST(LearningRate, ExponentialIsExponentialLR) {
  // ExponentialLR(gamma=0.95)
  LearningRatePlan plan = plan_of(config::RateSchedule::exponential);
  plan.schedule.gamma = 0.95;
  expect_rates(plan,
               {0.004, 0.0038, 0.00361, 0.0034295, 0.0032580249999999995, 0.003095123749999999});

  plan.schedule.per = config::ScheduleUnit::epoch;
  expect_rates(plan, {0.004, 0.004, 0.004, 0.0038, 0.0038, 0.0038, 0.00361});
}

TEST(LearningRate, StepIsMultiStepLR) {
  // MultiStepLR(milestones=[2, 3, 5], gamma=0.1)
  LearningRatePlan plan = plan_of(config::RateSchedule::step);
  plan.schedule.gamma = 0.1;
  plan.schedule.milestones = {2, 3, 5};
  expect_rates(plan, {0.004, 0.004, 0.0004, 4e-05, 4e-05, 4e-06, 4e-06});

  plan.schedule.per = config::ScheduleUnit::epoch;
  expect_rates(plan, {0.004, 0.004, 0.004, 0.004, 0.004, 0.004, 0.0004, 0.0004, 0.0004, 4e-05});
}

TEST(LearningRate, CosineIsCosineAnnealingLR) {
  // CosineAnnealingLR(T_max=9, eta_min=0.0005): the last of ten steps has the final rate.
  LearningRatePlan plan = plan_of(config::RateSchedule::cosine);
  plan.schedule.final_learning_rate = 0.0005;
  expect_rates(plan, {0.004, 0.0038944620863753396, 0.0035905777754582113, 0.003125,
                      0.0025538843109171286, 0.0019461156890828721, 0.0013750000000000004,
                      0.0009094222245417886, 0.0006055379136246605, 0.0005});
  EXPECT_DOUBLE_EQ(learning_rate(plan, 50), 0.0005)
      << "the rate must not rise again in a run that is extended";
}

TEST(LearningRate, WarmUpIsLinearLRAndTheScheduleFollows) {
  // SequentialLR([LinearLR(start_factor=0.25, total_iters=3), CosineAnnealingLR(T_max=5,
  // eta_min=0.0005)], milestones=[4])
  LearningRatePlan plan = plan_of(config::RateSchedule::cosine);
  plan.schedule.final_learning_rate = 0.0005;
  plan.schedule.warmup_steps = 4;
  expect_rates(plan, {0.001, 0.002, 0.003, 0.004, 0.004, 0.0036657797401561582,
                      0.002790779740156158, 0.001709220259843842, 0.0008342202598438421, 0.0005});

  LearningRatePlan constant = plan_of(config::RateSchedule::constant);
  constant.schedule.warmup_steps = 4;
  expect_rates(constant, {0.001, 0.002, 0.003, 0.004, 0.004, 0.004});
}

TEST(LearningRate, OfARunOfOneStepIsTheBase) {
  LearningRatePlan plan = plan_of(config::RateSchedule::cosine);
  plan.steps_planned = 1;
  EXPECT_DOUBLE_EQ(learning_rate(plan, 0), 0.004);
}

TEST(LearningRatePlan, ScalesWithTheGlobalBatchWhereABatchIsGiven) {
  config::TrainConfig train;
  train.optimizer.learning_rate = 0.001;
  train.global_batch = 512;
  EXPECT_DOUBLE_EQ(learning_rate_plan(train, 7, 70).base, 0.001);
  train.learning_rate_batch = 64;
  EXPECT_DOUBLE_EQ(learning_rate_plan(train, 7, 70).base, 0.008);
  EXPECT_EQ(learning_rate_plan(train, 7, 70).steps_per_epoch, 7);
  EXPECT_EQ(learning_rate_plan(train, 7, 70).steps_planned, 70);
}

}  // namespace
}  // namespace vae_dist::step

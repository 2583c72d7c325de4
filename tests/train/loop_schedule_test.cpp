#include "train/loop_schedule.hpp"

#include <gmock/gmock.h>

namespace vae_dist::train {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// 3 epochs of 4 steps and half of a fourth epoch.
LoopSchedule schedule() {
  return {.steps_planned = 14,
          .steps_per_epoch = 4,
          .evaluate_every_epochs = 1,
          .pictures_every_epochs = 2,
          .checkpoint_every_steps = 5,
          .has_validation = true};
}

template <typename Condition>
std::vector<std::int64_t> steps_with(Condition condition) {
  std::vector<std::int64_t> out;
  for (std::int64_t step = 1; step <= 14; ++step)
    if (condition(step)) out.push_back(step);
  return out;
}

TEST(LoopSchedule, EvaluatesAtTheEndsOfEpochsAndAfterTheLastStep) {
  LoopSchedule plan = schedule();
  const auto evaluated = [&] {
    return steps_with([&](std::int64_t step) { return plan.evaluates_after(step); });
  };
  EXPECT_THAT(evaluated(), ElementsAre(4, 8, 12, 14));
  plan.evaluate_every_epochs = 2;
  EXPECT_THAT(evaluated(), ElementsAre(8, 14));
  plan.evaluate_every_epochs = 0;
  EXPECT_THAT(evaluated(), ElementsAre(14));
  plan.evaluate_every_epochs = 1;
  plan.has_validation = false;
  EXPECT_THAT(evaluated(), ElementsAre(14)) << "training rows are evaluated only once";
}

TEST(LoopSchedule, EvaluatesAndDrawsWithinEpochsWhereStepsAreCounted) {
  LoopSchedule plan = schedule();
  plan.evaluate_every_steps = 3;
  plan.pictures_every_steps = 7;
  const auto evaluated = [&](std::int64_t step) { return plan.evaluates_after(step); };
  const auto drawn = [&](std::int64_t step) { return plan.draws_after(step); };
  EXPECT_THAT(steps_with(evaluated), ElementsAre(3, 4, 6, 8, 9, 12, 14));
  EXPECT_THAT(steps_with(drawn), ElementsAre(7, 8, 14));
  plan.evaluate_every_epochs = plan.pictures_every_epochs = 0;
  EXPECT_THAT(steps_with(evaluated), ElementsAre(3, 6, 9, 12, 14));
  EXPECT_THAT(steps_with(drawn), ElementsAre(7, 14));
  EXPECT_TRUE(plan.draws_pictures());
  plan.pictures_every_steps = 0;
  EXPECT_FALSE(plan.draws_pictures());
  plan.has_validation = false;
  EXPECT_THAT(steps_with(evaluated), ElementsAre(14)) << "training rows are evaluated only once";
}

TEST(LoopSchedule, DrawsPicturesAtTheEndsOfEpochs) {
  LoopSchedule plan = schedule();
  EXPECT_THAT(steps_with([&](std::int64_t step) { return plan.draws_after(step); }),
              ElementsAre(8));
  plan.pictures_every_epochs = 0;
  EXPECT_THAT(steps_with([&](std::int64_t step) { return plan.draws_after(step); }), IsEmpty());
}

TEST(LoopSchedule, SavesEverySoManyStepsAndWhenAskedTo) {
  LoopSchedule plan = schedule();
  EXPECT_THAT(steps_with([&](std::int64_t step) { return plan.saves_after(step, {}); }),
              ElementsAre(5, 10));
  EXPECT_TRUE(plan.saves_after(3, {.stop = true}));
  EXPECT_TRUE(plan.saves_after(3, {.checkpoint = true}));
  plan.checkpoint_every_steps = 0;
  EXPECT_THAT(steps_with([&](std::int64_t step) { return plan.saves_after(step, {}); }), IsEmpty());
}

TEST(LoopSchedule, IsTheConfigurations) {
  config::Config config;
  config.evaluate.every_epochs = 3;
  config.evaluate.every_steps = 26;
  config.pictures.every_epochs = 5;
  config.pictures.every_steps = 31;
  config.checkpoint.every_steps = 7;
  step::LearningRatePlan rates;
  rates.steps_planned = 100;
  rates.steps_per_epoch = 10;
  const LoopSchedule plan = loop_schedule(config, rates, true);
  EXPECT_TRUE(plan.evaluates_after(30));
  EXPECT_FALSE(plan.evaluates_after(50));
  EXPECT_TRUE(plan.evaluates_after(100));
  EXPECT_TRUE(plan.evaluates_after(26));
  EXPECT_TRUE(plan.draws_after(50));
  EXPECT_TRUE(plan.draws_after(31));
  EXPECT_TRUE(plan.saves_after(70, {}));
}

}  // namespace
}  // namespace vae_dist::train

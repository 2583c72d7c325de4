#include "optimizer/optimizer.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "optimizer/update_rules.hpp"
#include "small_run.hpp"

namespace vae_dist::step {
namespace {

using optimizer::make_optimizer;

// One parameter of three values, whose gradients a test sets.
struct OneParameter {
  OneParameter() : arena({{"w", parameter}}, false) {}

  void set_gradient(std::vector<double> values) const {
    parameter.grad().copy_(at::tensor(values, at::kDouble));
  }
  std::vector<double> values() const {
    return {parameter.const_data_ptr<double>(), parameter.const_data_ptr<double>() + 3};
  }

  at::Tensor parameter = at::tensor({1.0, -2.0, 0.5}, at::kDouble).requires_grad_();
  parallel::ParameterArena arena;
  const at::Tensor take = at::zeros({1}), skip = at::ones({1});
};

config::OptimizerConfig rule(const std::string& name) {
  config::OptimizerConfig config;
  config.rule.name = name;
  return config;
}

void set_momentum(config::OptimizerConfig& config, double momentum) {
  config.rule.settings_of<optimizer::SgdSettings>("sgd").momentum = momentum;
}

TEST(Sgd, GoesAgainstTheGradient) {
  const OneParameter one;
  const auto optimizer = make_optimizer(one.arena, rule("sgd"));
  one.set_gradient({1, 2, -4});
  optimizer->step(0.25, one.take);
  EXPECT_EQ(one.values(), (std::vector<double>{0.75, -2.5, 1.5}));
  EXPECT_TRUE(optimizer->moments().empty());
}

TEST(Sgd, KeepsItsMomentum) {
  const OneParameter one;
  config::OptimizerConfig config = rule("sgd");
  set_momentum(config, 0.5);
  config.weight_decay = 0.5;
  const auto optimizer = make_optimizer(one.arena, config);
  one.set_gradient({1, 0, 0});
  optimizer->step(0.5, one.take);  // 1 + 0.5 * 1 = 1.5: w = 0.25
  one.set_gradient({0, 0, 0});
  optimizer->step(0.5, one.take);  // 0.5 * 1.5 + 0.5 * 0.25 = 0.875: w = -0.1875
  EXPECT_DOUBLE_EQ(one.values()[0], -0.1875);
}

TEST(Adamax, StepsByTheLargestGradientSoFar) {
  const OneParameter one;
  config::OptimizerConfig config = rule("adamax");
  config.rule.settings_of<optimizer::AdamSettings>("adam").epsilon = 0;
  const auto optimizer = make_optimizer(one.arena, config);
  one.set_gradient({4, 4, 4});
  optimizer->step(0.1, one.take);
  EXPECT_NEAR(one.values()[0], 0.9, 1e-12) << "the first step depends only on the gradient's sign";
  one.set_gradient({1, 1, 1});
  optimizer->step(0.1, one.take);
  // m = 0.9 * 0.4 + 0.1 * 1 = 0.46, u = max(0.999 * 4, 1), 1 - 0.9^2 = 0.19.
  EXPECT_NEAR(one.values()[0], 0.9 - 0.1 / 0.19 * 0.46 / 3.996, 1e-12);
}

/// Runs for every registered optimizer.
class EveryOptimizer : public testing::TestWithParam<std::string> {};

TEST_P(EveryOptimizer, LeavesEverythingAsItIsInASkippedStep) {
  const OneParameter one;
  config::OptimizerConfig config = rule(GetParam());
  if (GetParam() == "sgd") set_momentum(config, 0.9);
  const auto optimizer = make_optimizer(one.arena, config);
  one.set_gradient({1, 2, 3});
  optimizer->step(0.1, one.take);
  const auto before = one.values();
  std::vector<at::Tensor> moments;
  for (const auto& [name, arena] : optimizer->moments()) moments.push_back(arena.flat().clone());

  one.set_gradient(
      {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 1});
  optimizer->step(0.1, one.skip);
  EXPECT_EQ(one.values(), before);
  for (std::size_t i = 0; i < moments.size(); ++i)
    EXPECT_TRUE(optimizer->moments()[i].second.flat().equal(moments[i]))
        << optimizer->moments()[i].first;
  EXPECT_EQ(optimizer->step_count().item<float>(), 1);
}

// Each launch of a captured step reads the learning rate from a tensor.
TEST_P(EveryOptimizer, TakesTheRateFromATensorBitForBit) {
  for (const bool momentum : {false, true}) {
    config::OptimizerConfig config = rule(GetParam());
    if (momentum && GetParam() == "sgd") set_momentum(config, 0.9);
    config.weight_decay = 0.01;
    const OneParameter one, other;
    const auto of_number = make_optimizer(one.arena, config),
               of_tensor = make_optimizer(other.arena, config);
    for (const double rate : {0.005, 1.0 / 3, 0.0171, 1e-7}) {
      one.set_gradient({rate, -2, 3e-4});
      other.set_gradient({rate, -2, 3e-4});
      of_number->step(rate, one.take);
      of_tensor->step(at::tensor({7.0, rate}, at::kDouble)[1], other.take);
      EXPECT_EQ(other.values(), one.values()) << "rate " << rate;
    }
  }
}

TEST_P(EveryOptimizer, GoesOnFromItsCheckpointBitForBit) {
  const auto self = comm::make_self_communicator();
  config::Config config = small_config();
  config.train.optimizer = rule(GetParam());
  if (GetParam() == "sgd") set_momentum(config.train.optimizer, 0.9);
  config.train.ema_decay = 0.9;
  SmallRank first(config, 4, *self);
  for (const std::int64_t number : {0, 1, 2}) first.step(number);
  checkpoint::Checkpoint saved;
  saved.weights = first.learner().weights();
  saved.optimizer = first.learner().optimizer_state();
  SmallRank second(config, 4, *self);
  second.learner().restore(saved, "saved");
  EXPECT_TRUE(same_tensors(second.state(), first.state()));
  for (const std::int64_t number : {3, 4}) EXPECT_EQ(second.step(number), first.step(number));
  EXPECT_TRUE(same_tensors(second.state(), first.state()));
}

INSTANTIATE_TEST_SUITE_P(Rules, EveryOptimizer,
                         testing::ValuesIn(base::Registry<base::UpdateRule>::all().names()),
                         [](const auto& info) { return info.param; });

TEST(WeightAverage, FollowsTheWeightsWithItsDecay) {
  const OneParameter one;
  WeightAverage average(one.arena, 0.5);
  EXPECT_TRUE(average.arena().view(0).equal(one.parameter));
  const auto optimizer = make_optimizer(one.arena, rule("sgd"));
  one.set_gradient({1, 1, 1});
  optimizer->step(1, one.take);
  average.update(optimizer->step_count(), one.take);
  // d = min(0.5, 2 / 11): 1 -> 0 with the average 1 - 9 / 11.
  EXPECT_NEAR(average.arena().view(0)[0].item<double>(), 2.0 / 11, 1e-7);
  for (int i = 0; i < 60; ++i) {
    one.set_gradient({0, 0, 0});
    optimizer->step(1, one.take);
    average.update(optimizer->step_count(), one.take);
  }
  EXPECT_NEAR(average.arena().view(0)[0].item<double>(), 0, 1e-9);
}

TEST(WeightAverage, IsInTheModelForAsLongAsItIsAskedFor) {
  const OneParameter one;
  WeightAverage average(one.arena, 0.9);
  const auto optimizer = make_optimizer(one.arena, rule("sgd"));
  one.set_gradient({1, 1, 1});
  optimizer->step(1, one.take);
  const auto trained = one.values();
  {
    const AveragedWeights averaged({&average});
    EXPECT_EQ(one.values(), (std::vector<double>{1, -2, 0.5}));
  }
  EXPECT_EQ(one.values(), trained);
  EXPECT_DOUBLE_EQ(average.arena().view(0)[0].item<double>(), 1);
}

}  // namespace
}  // namespace vae_dist::step

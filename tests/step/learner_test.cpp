#include "step/learner.hpp"

#include <gmock/gmock.h>

#include "base/error.hpp"
#include "optimizer/update_rules.hpp"
#include "small_run.hpp"

namespace vae_dist::step {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class LearnerTest : public testing::Test {
 protected:
  static checkpoint::Checkpoint checkpoint_of(SmallRank& rank) {
    checkpoint::Checkpoint checkpoint;
    checkpoint.weights = rank.learner().weights();
    checkpoint.optimizer = rank.learner().optimizer_state();
    return checkpoint;
  }

  static std::string refusal(SmallRank& rank, const checkpoint::Checkpoint& checkpoint) {
    try {
      rank.learner().restore(checkpoint, "runs/mnist/checkpoints");
    } catch (const base::BadInput& error) {
      return error.what();
    }
    return "";
  }

  std::unique_ptr<comm::CpuCommunicator> self_ = comm::make_self_communicator();
};

TEST_F(LearnerTest, GoesOnFromItsCheckpointBitForBit) {
  SmallRank first(small_config(), 4, *self_);
  for (const std::int64_t number : {0, 1, 2}) first.step(number);
  const checkpoint::Checkpoint saved = checkpoint_of(first);

  SmallRank second(small_config(), 4, *self_);
  second.learner().restore(saved, "saved");
  EXPECT_TRUE(same_tensors(second.state(), first.state()));
  for (const std::int64_t number : {3, 4}) EXPECT_EQ(second.step(number), first.step(number));
  EXPECT_TRUE(same_tensors(second.state(), first.state()));
}

TEST_F(LearnerTest, GoesOnInAnotherMemoryOrder) {
  config::Config contiguous = small_config();
  contiguous.train.channels_last = false;
  SmallRank first(small_config(), 4, *self_), second(contiguous, 4, *self_);
  first.step(0);
  second.learner().restore(checkpoint_of(first), "saved");
  EXPECT_TRUE(same_tensors(second.state(), first.state()));
  const auto ours = second.step(1), expected = first.step(1);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(ours[i], expected[i], 1e-12 * expected[i]);
}

TEST_F(LearnerTest, KeepsWhatItGaveAwayWhileTrainingGoesOn) {
  SmallRank rank(small_config(), 4, *self_);
  rank.step(0);
  const checkpoint::Checkpoint snapshot = checkpoint_of(rank);
  const std::string weights = checkpoint::encode_safetensors(snapshot.weights),
                    optimizer = checkpoint::encode_safetensors(snapshot.optimizer);
  rank.step(1);
  EXPECT_EQ(checkpoint::encode_safetensors(snapshot.weights), weights);
  EXPECT_EQ(checkpoint::encode_safetensors(snapshot.optimizer), optimizer);
  EXPECT_NE(checkpoint::encode_safetensors(checkpoint_of(rank).weights), weights);
}

// What the survivors of a failure save is what an ordinary checkpoint holds, also in the middle of
// an evaluation, for which weights and averages have changed places.
TEST_F(LearnerTest, IsLeftWithTheStateOfACheckpointAlsoWhileAveragesAreSwappedIn) {
  config::Config config = small_config();
  config.train.ema_decay = 0.5;
  for (const bool swapped : {false, true}) {
    // An evaluation that a failure interrupts never ends: its end would wait for ever.
    static std::vector<std::unique_ptr<SmallRank>> left;
    static std::vector<std::unique_ptr<AveragedWeights>>* const evaluating =
        new std::vector<std::unique_ptr<AveragedWeights>>;
    SmallRank& rank = *left.emplace_back(std::make_unique<SmallRank>(config, 4, *self_));
    Learner& learner = rank.learner();
    for (const std::int64_t number : {0, 1, 2}) {
      rank.step(number);
      learner.gate().end_update(number + 1);
    }
    const checkpoint::Checkpoint saved = checkpoint_of(rank);
    if (swapped) {
      evaluating->push_back(std::make_unique<AveragedWeights>(learner.averages(), &learner.gate()));
      EXPECT_NE(checkpoint::encode_safetensors(learner.weights()),
                checkpoint::encode_safetensors(saved.weights));
    }
    const auto last = learner.last_state(base::Seconds(600));
    ASSERT_TRUE(last);
    EXPECT_EQ(last->step, 3);
    EXPECT_EQ(last->counted_steps, 3);
    EXPECT_EQ(checkpoint::encode_safetensors(last->weights),
              checkpoint::encode_safetensors(saved.weights));
    EXPECT_EQ(checkpoint::encode_safetensors(last->optimizer),
              checkpoint::encode_safetensors(saved.optimizer));
  }
}

TEST_F(LearnerTest, IsLeftWithNothingInTheMiddleOfAnUpdate) {
  SmallRank rank(small_config(), 4, *self_);
  rank.step(0);  // nobody has ended it
  EXPECT_FALSE(rank.learner().last_state(base::Seconds(0.01)));
}

TEST_F(LearnerTest, RefusesWeightsThatDoNotFitWithEveryMisfitAndChangesNothing) {
  SmallRank rank(small_config(), 4, *self_), other(small_config(), 4, *self_);
  other.step(0);
  checkpoint::Checkpoint checkpoint = checkpoint_of(other);
  auto& weights = checkpoint.weights.tensors;
  weights["head.weight"] = weights.at("fc_mu.bias");
  weights.erase("fc_mu.bias");
  weights.erase("encoder.0.1.running_mean");
  weights["fc_var.weight"] = at::zeros({5, 2}, at::kDouble);

  const auto before = rank.state();
  EXPECT_THAT(refusal(rank, checkpoint),
              AllOf(HasSubstr("runs/mnist/checkpoints"), HasSubstr("fc_mu.bias is missing"),
                    HasSubstr("encoder.0.1.running_mean is missing"),
                    HasSubstr("fc_var.weight has shape [5, 2], the model's is [3, 54]"),
                    HasSubstr("head.weight [3] is unknown"), Not(HasSubstr("decoder_input"))));
  EXPECT_TRUE(same_tensors(rank.state(), before));
}

TEST_F(LearnerTest, RefusesAnOptimizersStateThatDoesNotFitWithEveryMisfit) {
  SmallRank rank(small_config(), 4, *self_);
  checkpoint::Checkpoint checkpoint = checkpoint_of(rank);
  auto& state = checkpoint.optimizer.tensors;
  state.erase("exp_avg.fc_mu.weight");
  state.erase("step");
  state["exp_avg_sq.fc_var.bias"] = at::zeros({4}, at::kDouble);
  EXPECT_THAT(refusal(rank, checkpoint),
              AllOf(HasSubstr("runs/mnist/checkpoints"), HasSubstr("exp_avg.fc_mu.weight"),
                    HasSubstr("\n  step"), HasSubstr("exp_avg_sq.fc_var.bias"),
                    Not(HasSubstr("decoder_input"))));
}

TEST_F(LearnerTest, BeginsWithAnotherRunsWeightsAndItsOptimizersStateWhereAllOfItFits) {
  config::Config averaging = small_config();
  averaging.train.ema_decay = 0.9;
  SmallRank parent(averaging, 4, *self_);
  for (const std::int64_t number : {0, 1}) parent.step(number);
  const checkpoint::Checkpoint saved = checkpoint_of(parent);

  config::Config slower = averaging, descent = averaging, plain = small_config();
  slower.train.optimizer.learning_rate = 1e-4;
  descent.train.optimizer.rule.name = "sgd";
  descent.train.optimizer.rule.settings_of<optimizer::SgdSettings>("sgd").momentum = 0.9;
  SmallRank same(slower, 4, *self_), other(descent, 4, *self_), without(plain, 4, *self_);
  EXPECT_TRUE(same.learner().begin_with(saved, "parent"));
  EXPECT_TRUE(same_tensors(same.state(), parent.state()));
  EXPECT_FALSE(other.learner().begin_with(saved, "parent"));
  EXPECT_TRUE(without.learner().begin_with(saved, "parent"));
  const std::string weights = checkpoint::encode_safetensors(saved.weights);
  EXPECT_EQ(checkpoint::encode_safetensors(other.learner().weights()), weights);
  EXPECT_EQ(checkpoint::encode_safetensors(without.learner().weights()), weights);
  for (const auto& [name, tensor] : other.learner().optimizer_state().tensors) {
    if (name.starts_with("ema."))
      EXPECT_TRUE(tensor.equal(saved.optimizer.tensors.at(name))) << name;
    else
      EXPECT_EQ(tensor.abs().sum().item<double>(), 0) << name;
  }
}

TEST_F(LearnerTest, AnAverageThatIsNotGivenBeginsAtTheGivenWeights) {
  SmallRank parent(small_config(), 4, *self_);
  parent.step(0);
  config::Config averaging = small_config();
  averaging.train.ema_decay = 0.9;
  SmallRank rank(averaging, 4, *self_);
  checkpoint::Checkpoint weights_alone;
  weights_alone.weights = parent.learner().weights();
  EXPECT_FALSE(rank.learner().begin_with(weights_alone, "weights.pt"));
  const auto state = rank.learner().optimizer_state().tensors;
  for (const auto& [name, tensor] : weights_alone.weights.tensors)
    if (const auto average = state.find("ema." + name); average != state.end()) {
      EXPECT_TRUE(average->second.equal(tensor)) << name;
    }
  EXPECT_TRUE(state.contains("ema.fc_mu.weight"));
  EXPECT_THAT(refusal(rank, weights_alone), HasSubstr("the optimizer's state is missing"));
}

TEST_F(LearnerTest, CountsEveryParameter) {
  SmallRank rank(small_config(), 4, *self_);
  std::int64_t count = 0;
  for (const auto& entry : rank.model().named_parameters()) count += entry.value().numel();
  EXPECT_EQ(rank.learner().parameter_count().all, count);
}

TEST(ReplicatedLearners, HaveTheStateOfRankZero) {
  std::vector<at::Tensor> expected;
  {
    const auto self = comm::make_self_communicator();
    SmallRank rank(small_config(), 4, *self);
    rank.step(0);
    expected = rank.state();
  }
  comm::run_thread_ranks(3, [&](comm::CpuCommunicator& comm) {
    const auto self = comm::make_self_communicator();
    config::Config config = small_config();
    config.run.seed += comm.rank();
    // Each rank trains alone first, for a different number of steps.
    SmallRank rank(config, 4, *self);
    for (std::int64_t number = 0; number <= comm.rank(); ++number) rank.step(number);
    rank.learner().replicate(comm);
    EXPECT_TRUE(same_tensors(rank.state(), expected)) << "rank " << comm.rank();
  });
}

}  // namespace
}  // namespace vae_dist::step

#include "step/out_of_memory.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <new>

#include "base/error.hpp"
#include "optimizer/update_rules.hpp"

namespace vae_dist::step {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(OutOfMemory, IsKnownByItsErrors) {
  EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
  EXPECT_TRUE(is_out_of_memory(c10::OutOfMemoryError(
      {__func__, __FILE__, __LINE__}, "CUDA out of memory. Tried to allocate 2.00 GiB.")));
  EXPECT_TRUE(is_out_of_memory(base::Failure("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")));
  EXPECT_TRUE(is_out_of_memory(std::runtime_error("could not create a primitive")));
  EXPECT_FALSE(is_out_of_memory(base::Failure("CUDNN_STATUS_EXECUTION_FAILED")));
  EXPECT_FALSE(is_out_of_memory(std::logic_error("shapes differ")));
}

TEST(OutOfMemory, IsWhatTorchThrowsWhereTheMachineHasNotSoMuch) {
  try {
    at::empty({std::int64_t{1} << 45});
    FAIL() << "128 TiB";
  } catch (const std::exception& error) {
    EXPECT_TRUE(is_out_of_memory(error)) << error.what();
  }
}

TEST(LargerReplicas, DivideTheBatchAndAreAMultipleOfTheRanks) {
  EXPECT_EQ(larger_replicas({64, 2, 2, 0}, false), 4);
  EXPECT_EQ(larger_replicas({96, 4, 4, 0}, false), 8);
  EXPECT_EQ(larger_replicas({60, 2, 2, 0}, false), 4);
  EXPECT_EQ(larger_replicas({60, 4, 2, 0}, false), 6);
  EXPECT_EQ(larger_replicas({60, 3, 3, 0}, false), 6);
  EXPECT_EQ(larger_replicas({100, 1, 1, 0}, false), 2);
}

TEST(LargerReplicas, ArePowersOfTwoWhereBitsAreToBeReproduced) {
  EXPECT_EQ(larger_replicas({96, 4, 2, 0}, false), 6);
  EXPECT_EQ(larger_replicas({96, 4, 2, 0}, true), 8);
  EXPECT_EQ(larger_replicas({96, 32, 2, 0}, true), std::nullopt);
  EXPECT_EQ(larger_replicas({96, 32, 2, 0}, false), 48);
}

TEST(LargerReplicas, LeaveEachAtLeastTwoSamples) {
  EXPECT_EQ(larger_replicas({8, 2, 2, 0}, false), 4);
  EXPECT_EQ(larger_replicas({8, 4, 2, 0}, false), std::nullopt);
  EXPECT_EQ(larger_replicas({10, 2, 2, 0}, false), std::nullopt)
      << "of 4, 6, 8 and 10 only 10 divides G, but it leaves single samples";
}

TEST(ModelBytes, CountWhatIsKeptForEachParameter) {
  config::Config config;
  EXPECT_EQ(model_bytes(config, {1000, 1000}, 1), 16e3) << "value, gradient, two moments";
  config.train.optimizer.rule.name = "sgd";
  EXPECT_EQ(model_bytes(config, {1000, 1000}, 1), 8e3);
  config.train.optimizer.rule.settings_of<optimizer::SgdSettings>("sgd").momentum = 0.9;
  config.train.ema_decay = 0.999;
  EXPECT_EQ(model_bytes(config, {1000, 1000}, 1), 16e3);
  config.distributed.reproducible = true;
  EXPECT_EQ(model_bytes(config, {1000, 1000}, 4), 24e3) << "partial sums of 1 and 2 replicas";
  config.train.precision = config::Precision::bf16;
  EXPECT_EQ(model_bytes(config, {1000, 1000}, 4), 26e3) << "copies in bfloat16";
  config.train.precision = config::Precision::fp64;
  EXPECT_EQ(model_bytes(config, {1000, 1000}, 1), 32e3);
  EXPECT_EQ(model_bytes(config, {1000, 0}, 1), 8e3) << "frozen parameters need only their values";
}

TEST(MemoryUseOfTheProcess, FollowsWhatIsHeld) {
  const MemoryUse before = memory_use(c10::kCPU);
  const at::Tensor held = at::ones({25'000'000});
  const MemoryUse after = memory_use(c10::kCPU);
  EXPECT_GT(after.now, before.now + 80e6);
  EXPECT_GE(after.peak, after.now);
}

TEST(MemoryOfSteps, IsNotThatOfTheStart) {
  EXPECT_EQ(taken_by_steps({100, 150}, {120, 400}), 300);
  EXPECT_EQ(taken_by_steps({100, 500}, {120, 500}), 0)
      << "a larger peak while reading the data hides the steps' peak";
}

class OutOfMemoryText : public testing::Test {
 protected:
  const input::ReplicaPlan plan_{64, 2, 2, 0};
  const MemoryNeed need_{45.2e6, 3.1e9, true};
  config::DistributedConfig config_;
};

TEST_F(OutOfMemoryText, SaysWhatAReplicaNeedsAndProposesALargerR) {
  const std::string said = out_of_memory_text(
      "CUDA out of memory. Tried to allocate 2.00 GiB.\nException raised from malloc (most recent "
      "call first):\nframe #0",
      need_, plan_, config_);
  EXPECT_THAT(said,
              AllOf(HasSubstr("out of memory: CUDA out of memory. Tried to allocate 2.00 GiB.\n"),
                    Not(HasSubstr("frame #0")), HasSubstr("The model takes 45.2 MB"),
                    HasSubstr("a replica of 32 samples took 3.1 GB"),
                    HasSubstr("distributed.replicas=4 (R is 2 now) makes replicas of 16 samples, "
                              "which need about 50 %"),
                    HasSubstr("A new R needs a new run")));
}

TEST_F(OutOfMemoryText, DoesNotCallTheFirstStepsPartTheWhole) {
  EXPECT_THAT(out_of_memory_text("no", {45.2e6, 1e9, false}, plan_, config_),
              HasSubstr("a replica of 32 samples needs more beside it than the 1 GB that it got."));
  EXPECT_THAT(out_of_memory_text("no", {45.2e6, 0, true}, plan_, config_),
              HasSubstr("a replica of 32 samples does not fit beside it."));
}

TEST_F(OutOfMemoryText, ProposesToComputeBlocksAgainWhereTheNetworkHasThem) {
  EXPECT_THAT(out_of_memory_text("no", {45.2e6, 3.1e9, true, true}, plan_, config_),
              AllOf(HasSubstr("With train.recompute=blocks"), HasSubstr("distributed.replicas=4")));
  EXPECT_THAT(out_of_memory_text("no", need_, plan_, config_), Not(HasSubstr("train.recompute")));
}

TEST_F(OutOfMemoryText, ProposesMoreRanksWhereReplicasRunAsOneBatch) {
  config_.batch_norm = config::BatchNorm::sync;
  EXPECT_THAT(out_of_memory_text("no", need_, {64, 4, 2, 0}, config_),
              AllOf(HasSubstr("one batch of 32 samples"), HasSubstr("Start more ranks"),
                    Not(HasSubstr("distributed.replicas="))));
}

TEST_F(OutOfMemoryText, ProposesASmallerBatchOfAnEvaluation) {
  EXPECT_THAT(
      evaluation_out_of_memory_text("no memory\nframe", 256),
      AllOf(HasSubstr("in an evaluation: no memory\n"), HasSubstr("evaluate.batch=128 (now 256)")));
  EXPECT_THAT(evaluation_out_of_memory_text("no memory", 1), HasSubstr("smaller model"));
}

TEST_F(OutOfMemoryText, SaysWhereThereIsNoLargerR) {
  EXPECT_THAT(out_of_memory_text("no", need_, {4, 2, 2, 0}, config_),
              HasSubstr("R = 2 is the largest for train.global_batch 4 on 2 ranks"));
}

}  // namespace
}  // namespace vae_dist::step

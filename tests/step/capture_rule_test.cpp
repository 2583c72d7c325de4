#include "step/capture_rule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace vae_dist::step {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<base::ProgressWords::Collective> kUsual = {
    {"statistics", 40}, {"bucket 0", 1024}, {"bucket 1", 2048}};

device::DeviceChoice gpu() {
  device::DeviceChoice out;
  out.device = c10::Device(c10::kCUDA, 0);
  return out;
}

config::Config config_with(std::optional<bool> cuda_graph) {
  config::Config config;
  config.train.cuda_graph = cuda_graph;
  return config;
}

TEST(CaptureRule, IsDueAfterThreeStepsThatExchangedTheSame) {
  CaptureRule rule;
  for (int step = 0; step < CaptureRule::kEagerSteps; ++step) {
    EXPECT_FALSE(rule.is_due()) << "step " << step;
    rule.saw(kUsual);
  }
  EXPECT_GE(CaptureRule::kEagerSteps, 3);
  EXPECT_TRUE(rule.is_due());
  EXPECT_THAT(rule.objection(), IsEmpty());
}

// The decision is due at this step even if this rank objects, because other ranks wait for it.
TEST(CaptureRule, IsDueAtTheSameStepWhateverWasSeen) {
  CaptureRule rule;
  rule.saw(kUsual);
  rule.saw({{"statistics", 40}, {"bucket 1", 2048}, {"bucket 0", 1024}});
  rule.saw(kUsual);
  EXPECT_TRUE(rule.is_due());
  EXPECT_THAT(
      rule.objection(),
      AllOf(HasSubstr(
                "its step 2 exchanged statistics of 40 bytes, bucket 1 of 2048 bytes, bucket 0"),
            HasSubstr("its first step exchanged statistics of 40 bytes, bucket 0")));
}

TEST(CaptureRule, ObjectsToOtherBytesAndToLess) {
  for (const auto& other : {std::vector<base::ProgressWords::Collective>{
                                {"statistics", 40}, {"bucket 0", 1024}, {"bucket 1", 2049}},
                            {{"statistics", 40}},
                            {}}) {
    CaptureRule rule;
    for (int step = 0; step < 2; ++step) rule.saw(kUsual);
    rule.saw(other);
    EXPECT_THAT(rule.objection(), HasSubstr("its step 3")) << other.size();
  }
}

TEST(CaptureRule, TakesAWorldOfOneThatExchangesNothing) {
  CaptureRule rule;
  for (int step = 0; step < CaptureRule::kEagerSteps; ++step) rule.saw({});
  EXPECT_TRUE(rule.is_due());
  EXPECT_THAT(rule.objection(), IsEmpty());
}

TEST(JoinedReasons, NameTheRanksAndSayEachReasonOnce) {
  EXPECT_EQ(joined_reasons({"", "", ""}), "");
  EXPECT_EQ(joined_reasons({"", "out of memory", ""}), "rank 1: out of memory");
  EXPECT_EQ(joined_reasons({"not supported", "out of memory", "not supported"}),
            "ranks 0, 2: not supported; rank 1: out of memory");
}

TEST(CudaGraph, IsCapturedOnAGpuUnlessItIsRefused) {
  EXPECT_TRUE(wants_capture(config_with(std::nullopt), gpu()));
  EXPECT_TRUE(wants_capture(config_with(true), gpu()));
  EXPECT_FALSE(wants_capture(config_with(false), gpu()));
  for (const auto asked : {std::optional<bool>(), std::optional(true), std::optional(false)})
    EXPECT_FALSE(wants_capture(config_with(asked), device::DeviceChoice{}));
}

TEST(CudaGraph, AutoIsEagerWhereItCannotBeAndTrueIsRefused) {
  config::Config sync = config_with(std::nullopt), exact = sync;
  sync.distributed.batch_norm = config::BatchNorm::sync;
  exact.train.precision = config::Precision::fp64;
  const std::vector<std::tuple<config::Config, device::DeviceChoice, std::string>> cases = {
      {config_with(std::nullopt), device::DeviceChoice{}, "on the CPU"},
      {sync, gpu(), "distributed.batch_norm is sync"},
      {exact, gpu(), "train.precision is fp64"}};
  for (auto [config, device, reason] : cases) {
    EXPECT_THAT(why_not_captured(config, device), HasSubstr(reason));
    EXPECT_FALSE(wants_capture(config, device));
    EXPECT_NO_THROW(check_cuda_graph(config, device));
    config.train.cuda_graph = false;
    EXPECT_NO_THROW(check_cuda_graph(config, device));
    config.train.cuda_graph = true;
    try {
      check_cuda_graph(config, device);
      ADD_FAILURE() << reason;
    } catch (const base::BadInput& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("train.cuda_graph is true"), HasSubstr(reason),
                                      HasSubstr("Set train.cuda_graph=auto")));
    }
  }
}

// Fused optimizers on a GPU read the learning rate as a float.
TEST(NumbersOfAStep, GoToAGpuUnlessThatWouldRoundThem) {
  config::Config config;
  EXPECT_TRUE(numbers_go_to_device(config, gpu()));
  EXPECT_FALSE(numbers_go_to_device(config, device::DeviceChoice{}));
  config.train.precision = config::Precision::fp64;
  for (const char* fused : {"adam", "adamw", "sgd"}) {
    config.train.optimizer.rule.name = fused;
    EXPECT_FALSE(numbers_go_to_device(config, gpu())) << fused;
    EXPECT_FALSE(wants_capture(config, gpu())) << fused;
  }
  config.train.optimizer.rule.name = "adamax";
  EXPECT_TRUE(numbers_go_to_device(config, gpu()));
  EXPECT_TRUE(wants_capture(config, gpu()));
}

}  // namespace
}  // namespace vae_dist::step

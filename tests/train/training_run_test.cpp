// Tests a whole run in this process, on one rank. tests/process and tests/faults cover several
// ranks, kills and stops.
#include "train/training_run.hpp"

#include <gmock/gmock.h>

#include "../data/image_files.hpp"
#include "comm/agreement.hpp"
#include "train/training_loop.hpp"

namespace vae_dist::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class TrainingRunTest : public data::ImageFileTest {
 protected:
  // The exit code and the output on stderr.
  struct Ended {
    base::ExitCode code = base::ExitCode::rank_failed;
    std::string said;
  };

  Ended train(const std::vector<std::string>& overrides = {}, bool dry_run = false) {
    TrainingRequest request;
    request.run.config_file = path("run.yaml");
    request.run.overrides = overrides;
    request.dry_run = dry_run;
    testing::internal::CaptureStderr();
    Ended ended;
    try {
      ended.code = run_training(request, world_);
    } catch (const comm::AgreedError& error) {
      ended.code = error.code();
      ended.said = error.what();
    }
    ended.said = testing::internal::GetCapturedStderr() + ended.said;
    return ended;
  }

  void SetUp() override {
    data::ImageFileTest::SetUp();
    std::ofstream(path("run.yaml"))
        << "run: {name: small, directory: " << path("runs") << "}\n"
        << "model: {name: mlp_vae, hidden_dims: [8], latent_dim: 2}\n"
        << "data: {train: {file: " << make_images("train.h5", {40, 8, 8, 3}) << "}}\n"
        << "train: {steps: 6, global_batch: 16}\n"
        << "checkpoint: {every_steps: 4}\n"
        << "log: {every_steps: 1}\n"
        << "pictures: {every_epochs: 0}\n"
        << "metrics: {port: null}\n";
  }

  bool has(const std::string& file) const {
    return std::filesystem::exists(path("runs/small/" + file));
  }

  int argc_ = 0;
  char** argv_ = nullptr;
  comm::MpiWorld world_{argc_, argv_};
};

TEST_F(TrainingRunTest, LeavesACheckpointALogAndAReport) {
  const Ended ended = train();
  EXPECT_EQ(ended.code, base::ExitCode::done);
  EXPECT_THAT(ended.said, AllOf(HasSubstr("mlp_vae"), HasSubstr("done: 6 steps")));
  for (const char* file : {"config.yaml", "environment.json", "metrics.jsonl", "terms.json",
                           "report.html", "checkpoints/step_00000006/weights.safetensors"})
    EXPECT_TRUE(has(file)) << file;
  EXPECT_FALSE(has("lock.json"));
}

TEST_F(TrainingRunTest, ARunThatIsDoneHasNothingLeftAndGoesOnWhenAskedForMore) {
  train();
  const std::string log = bytes_of(path("runs/small/metrics.jsonl"));
  const Ended again = train();
  EXPECT_EQ(again.code, base::ExitCode::done);
  EXPECT_THAT(again.said, HasSubstr("nothing left to do"));
  EXPECT_EQ(bytes_of(path("runs/small/metrics.jsonl")), log);
  const Ended more = train({"train.steps=9"});
  EXPECT_THAT(more.said, HasSubstr("done: 3 steps"));
  EXPECT_TRUE(has("checkpoints/step_00000009/weights.safetensors"));
}

TEST_F(TrainingRunTest, InTwoPartsHasTheBytesOfOne) {
  train({"run.name=whole", "train.steps=8", "distributed.reproducible=true"});
  train({"run.name=parts", "train.steps=5", "distributed.reproducible=true"});
  train({"run.name=parts", "train.steps=8", "distributed.reproducible=true"});
  for (const char* file : {"weights.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(bytes_of(path("runs/whole/checkpoints/step_00000008/") + file),
              bytes_of(path("runs/parts/checkpoints/step_00000008/") + file))
        << file;
}

TEST_F(TrainingRunTest, ADryRunChecksAndLeavesNothing) {
  const Ended ended = train({}, /*dry_run=*/true);
  EXPECT_EQ(ended.code, base::ExitCode::done);
  EXPECT_THAT(ended.said, AllOf(HasSubstr("parameters"), Not(HasSubstr("done:"))));
  EXPECT_FALSE(std::filesystem::exists(path("runs")));
}

TEST_F(TrainingRunTest, OtherDataThanTheRunWasBegunWithIsRefused) {
  train();
  const std::string other = make_images("other.h5", {48, 8, 8, 3});
  const Ended ended = train({"train.steps=9", "data.train.file=" + other});
  EXPECT_EQ(ended.code, base::ExitCode::bad_input);
  EXPECT_THAT(ended.said,
              AllOf(HasSubstr("data.train is not the dataset that this run was started with"),
                    HasSubstr("train --from")));
}

TEST_F(TrainingRunTest, StopsEarlyWhereNothingGetsBetter) {
  const std::vector<std::string> overrides = {
      "train.steps=40", "train.optimizer.learning_rate=0", "train.early_stop.patience=2",
      "data.validation.fraction=0.2", "evaluate.every_epochs=1"};
  const Ended ended = train(overrides);
  EXPECT_EQ(ended.code, base::ExitCode::done);
  EXPECT_THAT(
      ended.said,
      HasSubstr(
          "stopped early: train.early_stop.metric validation_loss did not fall below its best"));
  EXPECT_THAT(train(overrides).said, HasSubstr("has stopped early"));
}

}  // namespace
}  // namespace vae_dist::train

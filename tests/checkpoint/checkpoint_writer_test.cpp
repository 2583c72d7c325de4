#include "checkpoint/checkpoint_writer.hpp"

#include <ATen/ops/equal.h>
#include <gmock/gmock.h>

#include "../eventually.hpp"
#include "fixtures.hpp"

namespace vae_dist::checkpoint {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(CheckpointWriter, WritesInTheBackgroundAndReportsOnce) {
  const TemporaryDirectory root;
  CheckpointWriter writer(root.path() / "checkpoints", 3);
  EXPECT_FALSE(writer.take_result());
  writer.start(checkpoint_of(10));
  auto result = writer.take_result();
  // The result arrives without wait().
  ASSERT_TRUE(eventually([&] { return result || (result = writer.take_result()); }));
  EXPECT_EQ(result->directory, root.path() / "checkpoints" / "step_00000010");
  EXPECT_THAT(result->failure, IsEmpty());
  EXPECT_GT(result->seconds, 0);
  EXPECT_FALSE(writer.take_result());
  EXPECT_TRUE(at::equal(read_checkpoint(result->directory).weights.tensors.at("encoder.0.0.weight"),
                        checkpoint_of(10).weights.tensors.at("encoder.0.0.weight")));
}

TEST(CheckpointWriter, WritesEveryOneInOrderAndKeepsTheNewestAndTheBest) {
  const TemporaryDirectory root;
  CheckpointWriter writer(root.path(), 2);
  writer.start(checkpoint_of(1));
  for (int step = 2; step <= 6; ++step)
    writer.start(checkpoint_of(step), {root.path() / "step_00000001"});
  writer.wait();
  EXPECT_EQ(writer.take_result()->directory.filename(), "step_00000006");
  EXPECT_EQ(root.names(),
            (std::set<std::string>{"step_00000001", "step_00000005", "step_00000006"}));
}

TEST(CheckpointWriter, PrunesByWhatAnEvaluationFoundToBeTheBest) {
  const TemporaryDirectory root;
  CheckpointWriter writer(root.path(), 1);
  const auto best = [&](int step) {
    return std::vector{root.path() / base::text("step_0000000", step)};
  };
  writer.start(checkpoint_of(1));
  writer.start(checkpoint_of(2), best(1));
  TrainingState state = checkpoint_of(2).state;
  state.best_step = 2;
  writer.evaluated(state, best(2));
  EXPECT_EQ(root.names(), std::set<std::string>{"step_00000002"});
  EXPECT_EQ(read_newest_checkpoint(root.path())->state.best_step, 2);
  // A checkpoint that was not written has no state to change.
  writer.evaluated(checkpoint_of(7).state);
  EXPECT_EQ(root.names(), std::set<std::string>{"step_00000002"});
}

TEST(CheckpointWriter, NeverPrunesTheOneItHasJustWritten) {
  const TemporaryDirectory root;
  for (const int step : {400, 500})
    write_checkpoint(root.path(), checkpoint_of(step));  // a run that fell back to an older one
  CheckpointWriter writer(root.path(), 2);
  writer.start(checkpoint_of(350));
  writer.wait();
  EXPECT_EQ(root.names(),
            (std::set<std::string>{"step_00000350", "step_00000400", "step_00000500"}));
}

TEST(CheckpointWriter, TheDestructorWaits) {
  const TemporaryDirectory root;
  {
    CheckpointWriter(root.path(), 3).start(checkpoint_of(4));
  }
  EXPECT_EQ(read_newest_checkpoint(root.path())->state.step, 4);
  EXPECT_EQ(root.names(), std::set<std::string>{"step_00000004"});
}

TEST(CheckpointWriter, FreesTheSnapshotWhenItIsWritten) {
  const TemporaryDirectory root;
  const auto snapshot = checkpoint_of(1);
  const auto weight = snapshot.weights.tensors.at("encoder.0.0.weight");
  const auto before = weight.use_count();
  CheckpointWriter writer(root.path(), 3);
  writer.start(snapshot);
  EXPECT_TRUE(eventually([&] { return weight.use_count() == before; }))
      << "the snapshot must be freed before the result is taken";
}

TEST(CheckpointWriter, ReportsAFailureWarnsAndWorksAgainAfter) {
  const TemporaryDirectory root;
  CheckpointWriter writer(root.path(), 3);
  testing::internal::CaptureStderr();
  {
    const FileSizeLimit limit(16);
    writer.start(checkpoint_of(1));
    writer.wait();
  }
  const std::string said = testing::internal::GetCapturedStderr();
  const auto failed = writer.take_result();
  ASSERT_TRUE(failed);
  EXPECT_THAT(failed->failure, HasSubstr("weights.safetensors\": File too large"));
  EXPECT_TRUE(failed->directory.empty());
  EXPECT_EQ(root.names(), std::set<std::string>{});

  writer.start(checkpoint_of(2));
  writer.wait();
  const auto written = writer.take_result();
  ASSERT_TRUE(written);
  EXPECT_THAT(written->failure, IsEmpty());
  EXPECT_EQ(read_newest_checkpoint(root.path())->state.step, 2);
  // The output is captured in a file, which the limit truncates: its first bytes show that the
  // warning was given.
  EXPECT_THAT(said, testing::StartsWith("warning: "));
}

}  // namespace
}  // namespace vae_dist::checkpoint

// Tests the time limits of saving the last step, and what the start table says about them.
#include "run/saving_time.hpp"

#include <gmock/gmock.h>

#include "../temporary_folder.hpp"

namespace vae_dist::run {
namespace {

using base::Seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kGiB = 1 << 30;

TEST(SavingTimes, GrowWithTheStateAndWithTheLastCheckpointsTime) {
  const SavingTimes small = saving_times(0, std::nullopt, Seconds(600));
  EXPECT_GT(saving_times(kGiB, std::nullopt, Seconds(600)).to_gather, small.to_gather);
  EXPECT_GT(saving_times(kGiB, std::nullopt, Seconds(600)).to_write, small.to_write);
  EXPECT_GE(saving_times(0, Seconds(30), Seconds(600)).to_write, Seconds(150));
  EXPECT_LT(small.all(), Seconds(30));
}

TEST(SavingTimes, NeverExceedTheLimitOfACheckpoint) {
  for (const std::int64_t bytes : {std::int64_t{0}, kGiB, 1000 * kGiB})
    for (const double last : {0.0, 10.0, 1e6})
      EXPECT_LE(saving_times(bytes, Seconds(last), Seconds(60)).all(), Seconds(60.001));
}

TEST(SavingTimes, LeaveMostOfWhatMpirunGivesToTheWriting) {
  const SavingTimes times = within(saving_times(kGiB, std::nullopt, Seconds(600)), Seconds(2));
  EXPECT_LT(times.to_hold, Seconds(1));
  EXPECT_LT(times.to_gather, Seconds(1));
}

class CheckpointTimeTest : public TemporaryFolderTest {};

TEST_F(CheckpointTimeTest, ReadsBackAndIsUnknownWithoutAWholeFile) {
  const std::string file = path("checkpoint_time.json");
  EXPECT_FALSE(read_checkpoint_time(file));
  write_checkpoint_time(file, Seconds(1.25));
  EXPECT_EQ(read_checkpoint_time(file), Seconds(1.25));
  for (const char* const damaged :
       {"", "{\"seconds\":", "{\"seconds\":\"3\"}", "{\"seconds\":-1}", "[]"}) {
    std::ofstream(file) << damaged;
    EXPECT_FALSE(read_checkpoint_time(file)) << damaged;
  }
  write_checkpoint_time(path("no/such/folder/file"), Seconds(1));  // costs nothing
}

LauncherFacts mpirun(double until_killed) {
  LauncherFacts out;
  out.kind = LauncherFacts::Kind::mpirun;
  out.mpirun = 7;
  out.until_killed = Seconds(until_killed);
  return out;
}

TEST(LostRankText, SaysWhetherTheLastStepIsSaved) {
  EXPECT_THAT(lost_rank_text(mpirun(2), std::nullopt),
              AllOf(HasSubstr("save the last step"), HasSubstr("2 s"), Not(HasSubstr("took"))));
  EXPECT_THAT(lost_rank_text(mpirun(2), Seconds(0.25)),
              AllOf(HasSubstr("the others save the last step"), HasSubstr("took 0.25 s")));
  EXPECT_THAT(lost_rank_text(mpirun(2), Seconds(3)),
              AllOf(HasSubstr("too short"), HasSubstr("took 3 s"),
                    HasSubstr("OMPI_MCA_odls_base_sigkill_timeout=4"), HasSubstr("vae_launch")));
  EXPECT_THAT(lost_rank_text(mpirun(8), Seconds(3)), HasSubstr("the others save the last step"));
  EXPECT_THAT(lost_rank_text(LauncherFacts(), std::nullopt), Not(HasSubstr("mpirun")));
}

}  // namespace
}  // namespace vae_dist::run

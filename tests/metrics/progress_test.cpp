#include "metrics/progress.hpp"

#include <gmock/gmock.h>

#include <limits>

namespace vae_dist::metrics {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const ProgressFacts kProgress{.step = {.step = 1200,
                                       .epoch = 1,
                                       .loss = 0.012341,
                                       .reconstruction_loss = 0.01201,
                                       .kld_nats = 12.62,
                                       .step_seconds = 2},
                              .steps_planned = 5000,
                              .epochs_planned = 10};

std::string shown(Progress& progress, const ProgressFacts& facts, bool due) {
  ::testing::internal::CaptureStderr();
  progress.show(facts, due);
  return ::testing::internal::GetCapturedStderr();
}

TEST(HoursMinutesSeconds, IsReadAtAGlance) {
  EXPECT_EQ(hours_minutes_seconds(base::Seconds(0)), "0:00:00");
  EXPECT_EQ(hours_minutes_seconds(base::Seconds(59.6)), "0:01:00");
  EXPECT_EQ(hours_minutes_seconds(base::Seconds(3723)), "1:02:03");
  EXPECT_EQ(hours_minutes_seconds(base::Seconds(123 * 3600)), "123:00:00");
  EXPECT_EQ(hours_minutes_seconds(base::Seconds(-1)), "-:--:--");
  EXPECT_EQ(hours_minutes_seconds(base::Seconds(std::numeric_limits<double>::infinity())),
            "-:--:--");
}

TEST(ProgressText, ExplainsItselfOnOneLine) {
  EXPECT_EQ(progress_text(kProgress, 5310.4, base::Seconds(754)),
            "epoch 2/10  step 1200/5000  ETA 0:12:34  loss 0.01234  recon 0.01201  KL 12.62 nats  "
            "5310 samples/s");
}

TEST(ProgressText, NamesWaitsThatCount) {
  ProgressFacts facts = kProgress;
  facts.step.data_wait_seconds = 0.068;
  facts.step.allreduce_wait_seconds = 0.008;
  EXPECT_THAT(progress_text(facts, 1, base::Seconds(1)), EndsWith("  waits: data 3%"));
  facts.step.allreduce_wait_seconds = 0.5;
  EXPECT_THAT(progress_text(facts, 1, base::Seconds(1)),
              EndsWith("  waits: data 3% all-reduce 25%"));
}

// The tests capture stderr in a file, so it is not a terminal.
TEST(Progress, PrintsPlainLinesWhenDueIfThereIsNoTerminal) {
  Progress progress(true, 1190, 64);
  EXPECT_THAT(shown(progress, kProgress, false), IsEmpty());
  const std::string line = shown(progress, kProgress, true);
  EXPECT_THAT(line, HasSubstr("step 1200/5000"));
  EXPECT_THAT(line, Not(HasSubstr("\r")));
  EXPECT_EQ(line.back(), '\n');
}

TEST(Progress, IsSilentOnOtherRanks) {
  Progress progress(false, 0, 64);
  EXPECT_THAT(shown(progress, kProgress, true), IsEmpty());
}

TEST(Progress, SaysNothingBeforeTheFirstStepOfAResumedRun) {
  Progress progress(true, 1200, 64);
  EXPECT_THAT(shown(progress, kProgress, true), IsEmpty());
}

}  // namespace
}  // namespace vae_dist::metrics

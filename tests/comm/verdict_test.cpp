#include "comm/verdict.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vae_dist::comm {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

Activity exchanging(std::int64_t step, std::int64_t collectives, double left = -0.04) {
  return {"gradient exchange", step, 5.04, left, collectives, "gradients, bucket 1"};
}
Activity loading(std::int64_t step, std::int64_t collectives) {
  return {"waiting for data", step, 6.0, 3594, collectives, "flags: all-reduce"};
}

TEST(Verdict, WhoDoesNotAnswerIsNotResponding) {
  const Verdict verdict =
      judge(0, {exchanging(11, 40), std::nullopt, exchanging(11, 40), std::nullopt});
  EXPECT_THAT(verdict.not_responding, ElementsAre(1, 3));
  EXPECT_THAT(verdict.late, IsEmpty());
}

TEST(Verdict, WhoHasStartedTheFewestCollectivesIsLate) {
  EXPECT_THAT(judge(0, {exchanging(11, 40), loading(11, 38), exchanging(11, 40)}).late,
              ElementsAre(1));
  // A rank that is behind because it waits for the late one is not the cause.
  EXPECT_THAT(judge(2, {exchanging(11, 40), loading(11, 38), exchanging(12, 42)}).late,
              ElementsAre(1));
}

TEST(Verdict, BlamesNobodyForBeingBehindWhereARankDoesNotRespond) {
  // An all-reduce may let one rank continue to the next step while another still waits in it.
  const Verdict verdict = judge(2, {exchanging(14, 40), std::nullopt, exchanging(15, 42)});
  EXPECT_THAT(verdict.not_responding, ElementsAre(1));
  EXPECT_THAT(verdict.late, IsEmpty());
}

TEST(Verdict, TheLowestOfTheRanksThatWaitTooLongSpeaks) {
  const std::vector<std::optional<Activity>> ranks = {std::nullopt, loading(11, 40),
                                                      exchanging(14, 40, 0.7), exchanging(15, 42)};
  EXPECT_EQ(judge(3, ranks).speaker, 2);
  EXPECT_EQ(judge(2, ranks).speaker, 2);
  // If ranks in different steps have started the same number of collectives, the lowest of them
  // speaks.
  EXPECT_EQ(judge(2, {exchanging(14, 40), std::nullopt, exchanging(15, 42)}).speaker, 0);
  EXPECT_EQ(judge(0, {exchanging(14, 40), std::nullopt, exchanging(15, 42)}).speaker, 0);
  // The late rank does not speak for those that wait for it.
  EXPECT_EQ(judge(1, {loading(11, 38), exchanging(11, 40), exchanging(11, 40)}).speaker, 1);
  // A rank that still has time leaves the report to one that does not.
  EXPECT_EQ(judge(1, {exchanging(11, 40, 3000), exchanging(11, 40), std::nullopt}).speaker, 1);
}

TEST(TimeoutMessage, SaysWhatDidNotEndAndNamesWhoIsWaitedForAndNoOther) {
  EXPECT_THAT(timeout_message(0, {exchanging(11, 40), std::nullopt, exchanging(11, 40)}),
              AllOf(StartsWith("gradient exchange of step 11 did not end within 5 s (last "
                               "collective: #40 gradients, bucket 1)"),
                    HasSubstr("rank 1 is not responding"), Not(HasSubstr("rank 0")),
                    Not(HasSubstr("rank 2"))));
  EXPECT_THAT(timeout_message(0, {exchanging(11, 40), exchanging(11, 40), loading(11, 38)}),
              AllOf(HasSubstr("rank 2 is late: in \"waiting for data\" of step 11 for 6 s, last "
                              "collective #38 flags: all-reduce"),
                    Not(HasSubstr("rank 1"))));
}

TEST(TimeoutMessage, SaysSoWhenEveryRankIsThere) {
  EXPECT_THAT(timeout_message(1, {exchanging(11, 40), exchanging(11, 40)}),
              HasSubstr("the exchange itself hangs"));
}

}  // namespace
}  // namespace vae_dist::comm

#include "comm/watchdog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vae_dist {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const Activity kMine{"gradient exchange", 11, 5.04};

TEST(TimeoutMessage, NamesTheRankThatDoesNotAnswerAndTheOneThatIsLateAndNoOther) {
  const std::string message = timeout_message(0, kMine, {std::nullopt, std::nullopt, Activity{"waiting for data", 11, 6.0}, Activity{"gradient exchange", 11, 5.0}});
  EXPECT_THAT(message, AllOf(StartsWith("gradient exchange of step 11 did not end within 5 s"), HasSubstr("rank 1 is not responding"),
                             HasSubstr("rank 2 is late: in \"waiting for data\" of step 11 for 6 s"), Not(HasSubstr("rank 3")), Not(HasSubstr("rank 0"))));
}

TEST(TimeoutMessage, SaysSoWhenEveryRankIsThere) {
  EXPECT_THAT(timeout_message(1, kMine, {Activity{"gradient exchange", 11, 5.0}, std::nullopt}), HasSubstr("it is the exchange itself that hangs"));
}

TEST(Activity, IsBehindInAnEarlierStepOrInAnotherPhaseOfTheSame) {
  EXPECT_TRUE(is_behind({"gradient exchange", 10, 0}, kMine));
  EXPECT_TRUE(is_behind({"waiting for data", 11, 0}, kMine));
  EXPECT_FALSE(is_behind({"gradient exchange", 11, 0}, kMine));
  EXPECT_FALSE(is_behind({"waiting for data", 12, 0}, kMine));
}

}  // namespace
}  // namespace vae_dist

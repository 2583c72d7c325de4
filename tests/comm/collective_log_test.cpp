#include "comm/collective_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "comm/logged_communicator.hpp"

namespace vae_dist::comm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(CollectiveLog, KnowsWhatIsUnderWayAndWhatHasEnded) {
  CollectiveLog log;
  const auto first = log.begin("gradients, bucket 0", 1024);
  {
    const auto second = log.begin("gradients, bucket 1", 2048);
  }
  const auto entries = log.entries();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_FALSE(entries[0].took);
  EXPECT_TRUE(entries[1].took);
  EXPECT_EQ(entries[1].number, 2);
  EXPECT_EQ(entries[1].bytes, 2048u);
  EXPECT_EQ(log.last_started(), "gradients, bucket 1");
  const std::string text = describe(entries);
  EXPECT_THAT(text, StartsWith("  #2 gradients, bucket 1, 2048 bytes: took "));
  EXPECT_THAT(text, HasSubstr("  #1 gradients, bucket 0, 1024 bytes: under way for "));
}

TEST(CollectiveLog, KeepsTheLast64AndCountsAll) {
  CollectiveLog log;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 250; ++i) const auto running = log.begin("sum", 8);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(log.started(), 1000);
  const auto entries = log.entries();
  ASSERT_EQ(entries.size(), CollectiveLog::kKept);
  EXPECT_EQ(entries.front().number, 1000 - 63);
  EXPECT_EQ(entries.back().number, 1000);
}

TEST(LoggedCommunicator, LeavesAnEntryForEachCollectiveAndDoesItsWork) {
  CollectiveLog log;
  const auto comm = make_logged_communicator(make_self_communicator(), "main", log);
  std::int64_t value = 7;
  comm->all_reduce_sum({&value, 1, DataType::int64});
  comm->barrier();
  const auto pending = comm->start_all_reduce_sum({&value, 1, DataType::int64});
  EXPECT_EQ(log.last_started(), "main: all-reduce");
  EXPECT_FALSE(log.entries().back().took);
  pending->wait();
  EXPECT_TRUE(log.entries().back().took);
  EXPECT_EQ(log.started(), 3);
  EXPECT_EQ(log.entries()[1].what, "main: barrier");
  EXPECT_EQ(value, 7);
}

}  // namespace
}  // namespace vae_dist::comm

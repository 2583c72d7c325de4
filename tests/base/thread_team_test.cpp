#include "base/thread_team.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>

namespace vae_dist::base {
namespace {

TEST(ThreadTeam, DividesEveryCountIntoPartsThatAreTheWhole) {
  for (const int size : {1, 2, 3, 8}) {
    ThreadTeam team(size);
    EXPECT_EQ(team.size(), size);
    for (const std::int64_t count : {0, 1, 2, 7, 8, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
      team.divide(count, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i) ++visits[static_cast<std::size_t>(i)];
      });
      for (const auto& visit : visits) EXPECT_EQ(visit, 1) << size << " threads, " << count;
    }
  }
}

TEST(ThreadTeam, GivesEachPartToAThreadOfItsOwnTheCallersAmongThem) {
  ThreadTeam team(4);
  for (int turn = 0; turn < 100; ++turn) {
    std::mutex mutex;
    std::set<std::thread::id> threads;
    team.divide(4, [&](std::int64_t, std::int64_t) {
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    });
    EXPECT_EQ(threads.size(), 4U);
    EXPECT_EQ(threads.count(std::this_thread::get_id()), 1U);
  }
}

TEST(ThreadTeam, HandsOnWhatAPartThrewWhenAllHaveEndedAndWorksOn) {
  ThreadTeam team(3);
  for (const std::int64_t bad : {0, 1, 2}) {
    std::atomic<int> ended = 0;
    const auto work = [&](std::int64_t first, std::int64_t) {
      if (first == bad) throw std::runtime_error("part " + std::to_string(first));
      ++ended;
    };
    try {
      team.divide(3, work);
      FAIL() << "no exception was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "part " + std::to_string(bad));
    }
    EXPECT_EQ(ended, 2);
    team.divide(3, [&](std::int64_t, std::int64_t) { ++ended; });
    EXPECT_EQ(ended, 5);
  }
}

TEST(ThreadTeam, HasOneThreadAtLeast) { EXPECT_THROW(ThreadTeam(0), std::invalid_argument); }

}  // namespace
}  // namespace vae_dist::base

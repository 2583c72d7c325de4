#include "comm/agreement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <stdexcept>

#include "comm/thread_communicator.hpp"

namespace vae_dist::comm {
namespace {

struct Told {
  std::string message;
  base::ExitCode code = base::ExitCode::done;
};

// Runs `action` on `ranks` ranks and returns the error that all of them got, which must be the
// same, or nothing if none got one. The communicator must still work afterwards.
std::optional<Told> told_to_all(int ranks, const std::function<void(CpuCommunicator&)>& action) {
  std::vector<std::optional<Told>> told(static_cast<std::size_t>(ranks));
  run_thread_ranks(ranks, [&](CpuCommunicator& comm) {
    try {
      action(comm);
    } catch (const AgreedError& error) {
      told[static_cast<std::size_t>(comm.rank())] = Told{error.what(), error.code()};
    }
    EXPECT_EQ(all_gather_text(comm, "x").size(), static_cast<std::size_t>(ranks));
  });
  for (const auto& one : told) {
    EXPECT_EQ(one.has_value(), told[0].has_value());
    if (one && told[0]) {
      EXPECT_EQ(one->message, told[0]->message);
      EXPECT_EQ(one->code, told[0]->code);
    }
  }
  return told[0];
}

std::optional<Told> agreed(int ranks, const std::function<void(int)>& phase) {
  return told_to_all(ranks,
                     [&](CpuCommunicator& comm) { agree(comm, [&] { phase(comm.rank()); }); });
}

std::optional<Told> compared(int ranks, const std::function<std::string(int)>& value) {
  return told_to_all(ranks, [&](CpuCommunicator& comm) {
    require_equal(comm, "initial weights", value(comm.rank()));
  });
}

TEST(Agree, PassesWhenEveryRankDid) {
  std::atomic<int> passed = 0;
  for (const int ranks : {1, 2, 3, 8}) EXPECT_FALSE(agreed(ranks, [&](int) { ++passed; }));
  EXPECT_EQ(passed, 1 + 2 + 3 + 8);
}

TEST(Agree, TellsAnErrorOfEveryRankOnce) {
  const auto told = agreed(4, [](int) { throw base::BadInput("a.h5: No such file or directory"); });
  ASSERT_TRUE(told);
  EXPECT_EQ(told->message, "a.h5: No such file or directory");
  EXPECT_EQ(told->code, base::ExitCode::bad_input);
}

TEST(Agree, NamesTheRanksOfAnErrorThatNotAllHave) {
  const auto one = agreed(4, [](int rank) {
    if (rank == 2) throw base::BadInput("a.h5: No such file or directory");
  });
  ASSERT_TRUE(one);
  EXPECT_EQ(one->message, "rank 2: a.h5: No such file or directory");
  const auto several = agreed(4, [](int rank) {
    if (rank % 2 == 1) throw base::BadInput("a.h5: No such file or directory");
  });
  ASSERT_TRUE(several);
  EXPECT_EQ(several->message, "ranks 1, 3: a.h5: No such file or directory");
}

TEST(Agree, TellsEachDifferentErrorWithItsRanks) {
  const auto told = agreed(5, [](int rank) {
    if (rank == 0 || rank == 4) throw base::BadInput("the GPU is busy");
    if (rank == 3) throw base::BadInput("a.h5: Permission denied");
  });
  ASSERT_TRUE(told);
  EXPECT_EQ(told->message, "rank 3: a.h5: Permission denied\nranks 0, 4: the GPU is busy");
  EXPECT_EQ(told->code, base::ExitCode::bad_input);
}

TEST(Agree, IsBadInputOnlyIfEveryErrorIs) {
  const auto failure = agreed(2, [](int rank) {
    if (rank == 0) throw base::BadInput("no such key");
    throw base::Failure("out of memory");
  });
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, base::ExitCode::rank_failed);
  const auto foreign = agreed(2, [](int rank) {
    if (rank == 1) throw std::runtime_error("c10 says no");
  });
  ASSERT_TRUE(foreign);
  EXPECT_EQ(foreign->code, base::ExitCode::rank_failed);
  EXPECT_EQ(foreign->message, "rank 1: c10 says no");
}

TEST(Agree, AloneNamesNoRank) {
  const auto told = agreed(1, [](int) { throw base::BadInput("no such key"); });
  ASSERT_TRUE(told);
  EXPECT_EQ(told->message, "no such key");
}

TEST(OnAnyRank, IsTrueEverywhereIfItIsOnOne) {
  for (int one = -1; one < 3; ++one) {
    std::atomic<int> told = 0;
    run_thread_ranks(3, [&](CpuCommunicator& comm) {
      if (on_any_rank(comm, comm.rank() == one)) ++told;
    });
    EXPECT_EQ(told, one < 0 ? 0 : 3);
  }
}

TEST(RequireEqual, PassesWhenAllAre) {
  for (const int ranks : {1, 2, 5}) EXPECT_FALSE(compared(ranks, [](int) { return "3f2a"; }));
}

TEST(RequireEqual, NamesTheRanksThatDifferFromTheMost) {
  const auto one = compared(4, [](int rank) { return rank == 2 ? "bad0" : "3f2a"; });
  ASSERT_TRUE(one);
  EXPECT_EQ(one->code, base::ExitCode::bad_input);
  EXPECT_THAT(one->message, testing::StartsWith("the ranks differ in their initial weights: ranks "
                                                "0, 1, 3 have 3f2a, but rank 2 has bad0."));
  const auto first = compared(3, [](int rank) { return rank == 0 ? "bad0" : "3f2a"; });
  ASSERT_TRUE(first);
  EXPECT_THAT(
      first->message,
      testing::StartsWith(
          "the ranks differ in their initial weights: ranks 1, 2 have 3f2a, but rank 0 has bad0."));
  const auto several =
      compared(4, [](int rank) { return rank == 0 || rank == 2 ? "3f2a" : "bad0"; });
  ASSERT_TRUE(several);
  EXPECT_THAT(several->message,
              testing::HasSubstr("ranks 0, 2 have 3f2a, but ranks 1, 3 have bad0"));
}

}  // namespace
}  // namespace vae_dist::comm

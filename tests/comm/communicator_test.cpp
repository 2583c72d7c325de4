#include "comm/communicator.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <type_traits>

#include "base/error.hpp"
#include "collective_checks.hpp"
#include "comm/mpi_world.hpp"
#include "comm/nccl_communicator.hpp"
#include "comm/thread_communicator.hpp"

namespace vae_dist::comm {
namespace {

using testing::HasSubstr;

// The types do not convert, so the two arguments of a function cannot be swapped.
static_assert(!std::is_convertible_v<NcclCommunicator&, CpuCommunicator&>);
static_assert(!std::is_convertible_v<CpuCommunicator&, NcclCommunicator&>);

constexpr int kLargestWorld = 8;

void in_thread_worlds(const std::function<void(CpuCommunicator&)>& body) {
  for (int size = 1; size <= kLargestWorld; ++size) run_thread_ranks(size, body);
}

TEST(ThreadCommunicator, CollectivesEqualStraightSumsAndCopies) {
  in_thread_worlds(check_collectives);
}

TEST(ThreadCommunicator, SumsHaveTheSameBitsOnEveryRank) {
  in_thread_worlds(check_same_bits_on_every_rank);
}

TEST(ThreadCommunicator, StartedSumsGoOnWhileOthersAreMade) {
  in_thread_worlds(check_started_sums);
}

TEST(ThreadCommunicator, TextsOfAnyLengthReachEveryRank) { in_thread_worlds(check_texts); }

TEST(ThreadCommunicator, EveryRankKnowsItsPlace) {
  for (int size = 1; size <= kLargestWorld; ++size) {
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(size));
    run_thread_ranks(size, [&](CpuCommunicator& comm) {
      EXPECT_EQ(comm.size(), size);
      EXPECT_STREQ(comm.name(), "thread");
      ++seen[static_cast<std::size_t>(comm.rank())];
    });
    for (const auto& times : seen) EXPECT_EQ(times, 1);
  }
}

TEST(ThreadCommunicator, NobodyLeavesABarrierBeforeAllHaveArrived) {
  constexpr int kRanks = 6;
  std::atomic<int> arrived = 0;
  run_thread_ranks(kRanks, [&](CpuCommunicator& comm) {
    for (int round = 1; round <= 20; ++round) {
      if (comm.rank() == round % kRanks) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++arrived;
      comm.barrier();
      EXPECT_EQ(arrived, round * kRanks);
      comm.barrier();
    }
  });
}

// In each collective the other ranks wait for rank 1, which is gone.
TEST(ThreadCommunicator, AnExceptionOfOneRankEndsAll) {
  const std::vector<std::function<void(CpuCommunicator&)>> collectives = {
      [](CpuCommunicator& comm) { comm.barrier(); },
      [](CpuCommunicator& comm) {
        std::vector<double> values(3);
        comm.all_reduce_sum(buffer_of(values));
      },
      [](CpuCommunicator& comm) {
        std::vector<double> values(3);
        comm.broadcast(buffer_of(values), 1);
      },
      [](CpuCommunicator& comm) { all_gather_text(comm, "here"); },
      [](CpuCommunicator& comm) {
        std::vector<double> values(3);
        comm.start_all_reduce_sum(buffer_of(values))->wait();
      },
  };
  for (const auto& collective : collectives) {
    std::atomic<int> given_up = 0;
    const auto body = [&](CpuCommunicator& comm) {
      if (comm.rank() == 1) throw base::BadInput("no images on this rank");
      try {
        collective(comm);
      } catch (const base::Failure& error) {
        EXPECT_THAT(error.what(), HasSubstr("another rank failed"));
        ++given_up;
        throw;
      }
    };
    try {
      run_thread_ranks(4, body);
      FAIL() << "the exception was lost";
    } catch (const base::BadInput& error) {
      EXPECT_STREQ(error.what(), "no images on this rank");
    }
    EXPECT_EQ(given_up, 3);
  }
}

TEST(ThreadCommunicator, AbortReleasesTheOthers) {
  std::atomic<int> given_up = 0;
  run_thread_ranks(3, [&](CpuCommunicator& comm) {
    if (comm.rank() == 2) return comm.abort();
    EXPECT_THROW(comm.barrier(), base::Failure);
    ++given_up;
  });
  EXPECT_EQ(given_up, 2);
}

TEST(ThreadCommunicator, SumsOfDifferentLengthsAreRefused) {
  std::vector<std::vector<double>> values = {std::vector<double>(3), std::vector<double>(4)};
  const auto body = [&](CpuCommunicator& comm) {
    comm.all_reduce_sum(buffer_of(values[static_cast<std::size_t>(comm.rank())]));
  };
  EXPECT_THROW(run_thread_ranks(2, body), base::Failure);
}

TEST(SelfCommunicator, KeepsThePromisesOfAWorldOfOne) {
  const auto comm = make_self_communicator();
  EXPECT_EQ(comm->rank(), 0);
  EXPECT_EQ(comm->size(), 1);
  EXPECT_STREQ(comm->name(), "self");
  check_collectives(*comm);
  check_same_bits_on_every_rank(*comm);
  check_started_sums(*comm);
  check_texts(*comm);
  comm->barrier();
}

TEST(MpiWorld, WithoutALauncherIsAWorldOfOne) {
  int argc = 0;
  char** argv = nullptr;
  const MpiWorld world(argc, argv);
  EXPECT_EQ(world.size(), 1);
  EXPECT_EQ(world.local_size(), 1);
  EXPECT_EQ(world.rank(), 0);
  EXPECT_FALSE(world.host().empty());
  EXPECT_STREQ(world.make_communicator()->name(), "self");
}

TEST(DataTypes, HaveTheSizeOfTheirValues) {
  EXPECT_EQ(size_of(DataType::uint8), 1u);
  EXPECT_EQ(size_of(DataType::int64), 8u);
  EXPECT_EQ(size_of(DataType::float32), 4u);
  EXPECT_EQ(size_of(DataType::float64), 8u);
  EXPECT_EQ((Buffer{nullptr, 6, DataType::float32}.bytes()), 24u);
}

}  // namespace
}  // namespace vae_dist::comm

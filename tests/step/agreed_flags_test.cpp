#include "step/agreed_flags.hpp"

#include <gtest/gtest.h>

#include "comm/thread_communicator.hpp"

namespace vae_dist::step {
namespace {

TEST(AgreedFlags, ReachEveryRankAfterTheSameStepTwoStepsLate) {
  for (const int ranks : {1, 2, 3, 4}) {
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
      AgreedFlags flags(comm);
      for (int step = 0; step < 10; ++step) {
        StepRequests mine;
        mine.stop = step == 3 && comm.rank() == comm.size() - 1;
        mine.checkpoint = step == 6 && comm.rank() == 0;
        const StepRequests all = flags.exchange(mine);
        EXPECT_EQ(all.stop, step == 5)
            << "step " << step << ", rank " << comm.rank() << " of " << ranks;
        EXPECT_EQ(all.checkpoint, step == 8)
            << "step " << step << ", rank " << comm.rank() << " of " << ranks;
      }
    });
  }
}

TEST(AgreedFlags, AreOneWishWhereSeveralRanksHaveIt) {
  comm::run_thread_ranks(3, [&](comm::CpuCommunicator& comm) {
    AgreedFlags flags(comm);
    for (int step = 0; step < 5; ++step) EXPECT_EQ(flags.exchange({.stop = true}).stop, step >= 2);
  });
}

TEST(AgreedFlags, LeaveTheCommunicatorUsable) {
  comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
    {
      AgreedFlags flags(comm);
      flags.exchange({.stop = true});
    }
    std::int64_t one = 1;
    comm.all_reduce_sum({&one, 1, comm::DataType::int64});
    EXPECT_EQ(one, 2);
  });
}

}  // namespace
}  // namespace vae_dist::step

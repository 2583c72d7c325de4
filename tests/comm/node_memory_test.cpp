#include "comm/node_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "../temporary_folder.hpp"
#include "comm/agreement.hpp"
#include "comm/thread_communicator.hpp"

namespace vae_dist::comm {
namespace {

TEST(NodeMemory, IsOneForAllRanks) {
  for (const int ranks : {1, 2, 5})
    run_thread_ranks(ranks, [&](CpuCommunicator& comm) {
      const NodeMemory memory(comm, comm, 100000);
      EXPECT_EQ(memory.size(), 100000u);
      EXPECT_EQ(memory.data()[99999], std::byte{0});
      comm.barrier();
      memory.data()[comm.rank() * 5000] = static_cast<std::byte>(comm.rank() + 1);
      comm.barrier();
      for (int r = 0; r < ranks; ++r)
        EXPECT_EQ(memory.data()[r * 5000], static_cast<std::byte>(r + 1));
      comm.barrier();
    });
}

TEST(NodeMemory, ThatIsNotReservedIsOneForAllRanksToo) {
  SharingWays ways = default_sharing_ways();
  ways.reserve = false;
  run_thread_ranks(3, [&](CpuCommunicator& comm) {
    const NodeMemory memory(comm, comm, 100000, ways);
    EXPECT_EQ(memory.data()[99999], std::byte{0});
    comm.barrier();
    memory.data()[comm.rank() * 5000] = static_cast<std::byte>(comm.rank() + 1);
    comm.barrier();
    for (int r = 0; r < 3; ++r) EXPECT_EQ(memory.data()[r * 5000], static_cast<std::byte>(r + 1));
    comm.barrier();
  });
}

// For ranks that have no access to each other's descriptors: a file, which is removed once it is
// shared.
class NodeMemoryInAFile : public TemporaryFolderTest {};

TEST_F(NodeMemoryInAFile, IsOneForAllRanks) {
  SharingWays ways;
  ways.descriptor = false;
  ways.folders = {path("nowhere"), path("")};
  run_thread_ranks(3, [&](CpuCommunicator& comm) {
    EXPECT_TRUE(can_share_memory(comm, 5000, ways));
    const NodeMemory memory(comm, comm, 5000, ways);
    EXPECT_TRUE(files().empty());
    EXPECT_EQ(memory.data()[4999], std::byte{0});
    comm.barrier();
    memory.data()[comm.rank()] = static_cast<std::byte>(comm.rank() + 1);
    comm.barrier();
    for (int r = 0; r < 3; ++r) EXPECT_EQ(memory.data()[r], static_cast<std::byte>(r + 1));
    comm.barrier();
  });
}

TEST(NodeMemory, ThatCannotBeSharedIsAnErrorOnAllRanks) {
  SharingWays none;
  none.descriptor = false;
  none.folders = {"/nowhere"};
  std::atomic<int> refused{0};
  run_thread_ranks(3, [&](CpuCommunicator& comm) {
    EXPECT_FALSE(can_share_memory(comm, 5000, none));
    try {
      const NodeMemory memory(comm, comm, 5000, none);
    } catch (const AgreedError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("/nowhere"));
      ++refused;
    }
  });
  EXPECT_EQ(refused, 3);
}

TEST(NodeMemory, OutlivesTheRankThatMadeIt) {
  run_thread_ranks(2, [&](CpuCommunicator& comm) {
    auto memory = std::make_unique<NodeMemory>(comm, comm, 5000);
    if (comm.rank() == 1) memory->data()[4000] = std::byte{7};
    comm.barrier();
    if (comm.rank() == 0) memory.reset();
    comm.barrier();
    if (comm.rank() == 1) {
      EXPECT_EQ(memory->data()[4000], std::byte{7});
    }
  });
}

TEST(NodeMemory, WhatCannotBeReservedIsAnErrorOnAllRanks) {
  std::atomic<int> refused{0};
  run_thread_ranks(3, [&](CpuCommunicator& comm) {
    try {
      const NodeMemory memory(comm, comm, std::size_t{1} << 62);
    } catch (const AgreedError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("cannot reserve"));
      EXPECT_EQ(error.code(), base::ExitCode::bad_input);
      ++refused;
    }
  });
  EXPECT_EQ(refused, 3);
}

}  // namespace
}  // namespace vae_dist::comm

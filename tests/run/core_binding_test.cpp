#include "run/core_binding.hpp"

#include <gmock/gmock.h>

#include "comm/thread_communicator.hpp"

namespace vae_dist::run {
namespace {

using testing::HasSubstr;

TEST(CoreBinding, OneCoreOfManyIsTooFew) {
  EXPECT_TRUE(is_core_starved({.cores = 1,
                               .job_cores = 64,
                               .ranks_of_node = 2,
                               .compute_threads = 0,
                               .reader_threads = 4,
                               .exchanges = true}))
      << "the default binding of mpirun -np 2";
  EXPECT_TRUE(is_core_starved({.cores = 1,
                               .job_cores = 64,
                               .ranks_of_node = 2,
                               .compute_threads = 1,
                               .reader_threads = 4,
                               .exchanges = true}))
      << "one thread computes, and others read";
  EXPECT_TRUE(is_core_starved({.cores = 1,
                               .job_cores = 2,
                               .ranks_of_node = 1,
                               .compute_threads = 0,
                               .reader_threads = 2,
                               .exchanges = false}));
}

TEST(CoreBinding, AShareOfTheMachineIsEnough) {
  EXPECT_FALSE(is_core_starved({.cores = 1,
                                .job_cores = 2,
                                .ranks_of_node = 2,
                                .compute_threads = 0,
                                .reader_threads = 1,
                                .exchanges = true}))
      << "the job has no more cores";
  EXPECT_FALSE(is_core_starved({.cores = 32,
                                .job_cores = 64,
                                .ranks_of_node = 2,
                                .compute_threads = 0,
                                .reader_threads = 4,
                                .exchanges = true}));
  EXPECT_FALSE(is_core_starved({.cores = 64,
                                .job_cores = 64,
                                .ranks_of_node = 2,
                                .compute_threads = 0,
                                .reader_threads = 4,
                                .exchanges = true}))
      << "not bound";
  // vae_launch: three ranks on two NUMA nodes of 8 cores.
  EXPECT_FALSE(is_core_starved({.cores = 4,
                                .job_cores = 16,
                                .ranks_of_node = 3,
                                .compute_threads = 0,
                                .reader_threads = 4,
                                .exchanges = true}));
}

TEST(CoreBinding, AFewThreadsNeedFewCores) {
  EXPECT_FALSE(is_core_starved({.cores = 4,
                                .job_cores = 64,
                                .ranks_of_node = 2,
                                .compute_threads = 1,
                                .reader_threads = 4,
                                .exchanges = true}));
}

TEST(CoreBinding, TheWarningNamesTheRanksAndTheRemedy) {
  const CoreUse free{.cores = 32,
                     .job_cores = 64,
                     .ranks_of_node = 2,
                     .compute_threads = 0,
                     .reader_threads = 4,
                     .exchanges = true};
  CoreUse bound = free;
  bound.cores = 1;
  EXPECT_EQ(squeezed_warning({free, free}), "");
  EXPECT_THAT(squeezed_warning({bound, bound}),
              HasSubstr("ranks 0-1 are each bound to 1 core of the 64 that this job has on the "
                        "node for 2 ranks"));
  EXPECT_THAT(squeezed_warning({free, bound}), HasSubstr("rank 1 is bound to 1 core"));
  EXPECT_THAT(squeezed_warning({bound}), HasSubstr("mpirun --map-by slot:PE=32"));
}

TEST(CoreBinding, IsKnownOfAllRanks) {
  comm::run_thread_ranks(2, [](comm::CpuCommunicator& comm) {
    const CoreUse mine{.cores = 1 + comm.rank(),
                       .job_cores = 8,
                       .ranks_of_node = 2,
                       .compute_threads = 3,
                       .reader_threads = 4,
                       .exchanges = comm.rank() == 1};
    const std::vector<CoreUse> all = gather_core_use(comm, mine);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].cores, 1);
    EXPECT_EQ(all[1].cores, 2);
    EXPECT_EQ(all[1].job_cores, 8);
    EXPECT_EQ(all[1].compute_threads, 3);
    EXPECT_EQ(all[0].reader_threads, 4);
    EXPECT_FALSE(all[0].exchanges);
    EXPECT_TRUE(all[1].exchanges);
  });
}

}  // namespace
}  // namespace vae_dist::run

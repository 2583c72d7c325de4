#include "run/choose_device.hpp"

#include <ATen/Context.h>
#include <gmock/gmock.h>

#include <cstdlib>

#include "base/error.hpp"
#include "config/words.hpp"
#include "kernels/instruction_set.hpp"

namespace vae_dist::run {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr int kRefusesSharing = 22809, kAllowsSharing = 23000;

// The facts of rank `rank` of `ranks` on one node.
NodeFacts node(int gpus, int ranks, int rank = 0) {
  NodeFacts facts;
  facts.host = "a";
  facts.gpus = gpus;
  facts.has_gpu = gpus > 0;
  facts.cores = facts.usable_cores = 8;
  facts.local_rank = facts.rank = rank;
  facts.local_size = facts.world_size = ranks;
  facts.nccl_version = kRefusesSharing;
  return facts;
}

config::DistributedConfig wants(const std::string& device, const std::string& backend = "auto") {
  config::DistributedConfig config;
  config.device = config::from_word<config::Device>(device);
  config.backend = config::from_word<config::Backend>(backend);
  return config;
}

std::string refusal(const config::DistributedConfig& config, const NodeFacts& facts) {
  try {
    choose_device(config, facts);
  } catch (const base::BadInput& error) {
    return error.what();
  }
  return "";
}

TEST(ChooseDevice, RefusesThreadsThatTheNodeHasNoCoresFor) {
  config::DistributedConfig config;
  config.threads_per_rank = 32;
  EXPECT_EQ(choose_device(config, node(0, 2)).threads, 32);
  config.threads_per_rank = 33;
  try {
    choose_device(config, node(0, 2));
    FAIL() << "accepted";
  } catch (const base::BadInput& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("distributed.threads_per_rank is 33"),
                                    HasSubstr("a has 8 cores"), HasSubstr("at most 32")));
  }
}

TEST(FastestPrecision, IsBf16OnlyWhereTheCpuMultipliesIt) {
  const device::DeviceChoice cpu;
  EXPECT_EQ(fastest_precision(cpu, false), config::Precision::fp32);
  EXPECT_EQ(fastest_precision(cpu, true), config::Precision::bf16);
}

TEST(RoundsBfloat16, IsForBf16OnCpusThatDoNotMultiplyIt) {
  const c10::Device cpu = c10::kCPU, gpu(c10::kCUDA, 0);
  EXPECT_EQ(rounds_bfloat16(cpu, config::Precision::bf16), !kernels::multiplies_bfloat16());
  EXPECT_FALSE(rounds_bfloat16(cpu, config::Precision::fp32));
  EXPECT_FALSE(rounds_bfloat16(gpu, config::Precision::bf16));
}

TEST(ChooseDevice, GivesEachRankItsGpuAndNccl) {
  for (const int rank : {0, 1, 3}) {
    const device::DeviceChoice choice = choose_device(wants("auto"), node(4, 4, rank));
    EXPECT_EQ(choice.device, c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(rank)));
    EXPECT_EQ(choice.backend, device::Backend::nccl);
  }
  EXPECT_EQ(choose_device(wants("auto"), node(4, 1)).backend, device::Backend::self);
}

TEST(ChooseDevice, TakesTheCpuWhereThereIsNoGpuOrItIsAskedFor) {
  for (const auto& [device, gpus] : {std::pair{"auto", 0}, {"cpu", 2}}) {
    const device::DeviceChoice choice = choose_device(wants(device), node(gpus, 2));
    EXPECT_TRUE(choice.device.is_cpu());
    EXPECT_EQ(choice.backend, device::Backend::mpi);
    EXPECT_EQ(choice.threads, 4);
  }
}

TEST(ChooseDevice, RefusesWhatCannotWork) {
  NodeFacts unusable = node(0, 1);
  unusable.has_gpu = true;
  EXPECT_THAT(refusal(wants("auto"), unusable), HasSubstr("cannot use it"));
  EXPECT_THAT(refusal(wants("cuda"), node(0, 1)), HasSubstr("there is no GPU on a"));
  EXPECT_THAT(refusal(wants("auto"), node(2, 3)),
              AllOf(HasSubstr("2 GPUs for 3 ranks"), HasSubstr("distributed.share_gpu=true")));
  EXPECT_THAT(refusal(wants("auto", "mpi"), node(2, 2)), HasSubstr("distributed.backend is mpi"));
  EXPECT_THAT(refusal(wants("cpu", "nccl"), node(2, 2)), HasSubstr("distributed.backend is nccl"));
  NodeFacts declining = node(0, 1);
  declining.declines_gpus = true;
  EXPECT_THAT(refusal(wants("cuda"), declining), HasSubstr("VAE_DIST_DEVICE=cpu"));
  EXPECT_EQ(refusal(wants("auto"), declining), "");
}

// The facts of each rank of a node whose ranks see these cards, as with --gpus-per-task.
NodeFacts isolated(const std::vector<std::string>& cards, int rank) {
  NodeFacts facts = node(1, static_cast<int>(cards.size()), rank);
  for (const std::string& card : cards) facts.seen.push_back({{card, card}});
  return facts;
}

TEST(ChooseDevice, TakesTheOneGpuThatEachRankSeesAsItsNumber0) {
  for (const int rank : {0, 1, 7}) {
    const device::DeviceChoice choice = choose_device(
        wants("auto"), isolated({"1b", "43", "52", "9d", "c3", "d1", "df", "e6"}, rank));
    EXPECT_EQ(choice.device, c10::Device(c10::kCUDA, 0));
    EXPECT_EQ(choice.backend, device::Backend::nccl);
    EXPECT_THAT(choice.nccl_settings, ElementsAre(Pair("NCCL_GRAPH_REGISTER", "0")))
        << "nothing is shared";
  }
}

// On another node the addresses may be the same. Only the ranks of a node are compared.
TEST(ChooseDevice, ComparesTheRanksOfANodeOnly) {
  for (const int rank : {2, 3}) {
    NodeFacts facts = isolated({"1b", "43"}, rank - 2);
    facts.rank = rank;
    facts.world_size = 4;
    EXPECT_EQ(choose_device(wants("auto"), facts).device, c10::Device(c10::kCUDA, 0));
  }
}

TEST(ChooseDevice, RefusesRanksThatSeeTheSameGpuAloneUnlessTheyMayShareIt) {
  const std::vector<std::string> cards = {"0000:1B:00.0", "0000:43:00.0", "0000:1B:00.0"};
  for (const int rank : {0, 1, 2})
    EXPECT_THAT(refusal(wants("auto"), isolated(cards, rank)),
                AllOf(HasSubstr("on node a, local ranks 0 and 2 have the same GPU"),
                      HasSubstr("0000:1B:00.0"), HasSubstr("distributed.share_gpu=true")))
        << "every rank says the same";
  EXPECT_THAT(refusal(wants("auto"), isolated({"0000:1B:00.0", "0000:1B:00.0"}, 0)),
              HasSubstr("1 GPU for 2 ranks"));

  config::DistributedConfig shares = wants("auto");
  shares.share_gpu = true;
  const device::DeviceChoice choice = choose_device(shares, isolated(cards, 1));
  EXPECT_EQ(choice.device, c10::Device(c10::kCUDA, 0));
  EXPECT_THAT(choice.nccl_settings, testing::Contains(Pair("NCCL_HOSTID", "a-rank-1")));
}

TEST(ChooseDevice, TakesAnotherNumberWhereTheFirstIsTaken) {
  NodeFacts facts = node(2, 2, 1);
  facts.seen = {{{"1b", "1b"}}, {{"1b", "1b"}, {"43", "43"}}};
  EXPECT_EQ(choose_device(wants("auto"), facts).device, c10::Device(c10::kCUDA, 1));
}

TEST(ChooseDevice, RefusesTwoPartsOfOneCardBecauseNcclDoes) {
  NodeFacts facts = node(1, 2);
  facts.seen = {{{"1b", "mig-1"}}, {{"1b", "mig-2"}}};
  EXPECT_THAT(refusal(wants("auto"), facts), HasSubstr("or parts of it"));
}

TEST(ChooseDevice, LetsRanksShareGpusWhereItIsAskedFor) {
  config::DistributedConfig config = wants("cuda");
  config.share_gpu = true;
  for (const int rank : {0, 1, 2, 3}) {
    const device::DeviceChoice choice = choose_device(config, node(2, 4, rank));
    EXPECT_EQ(choice.device.index(), rank % 2);
    device::EnvironmentSettings expected = settings_for_shared_gpu(node(2, 4, rank));
    ASSERT_FALSE(expected.empty());
    expected.emplace_back("NCCL_GRAPH_REGISTER", "0");
    EXPECT_EQ(choice.nccl_settings, expected);
  }
  EXPECT_THAT(choose_device(config, node(1, 1)).nccl_settings, IsEmpty())
      << "a single rank needs no settings";
  EXPECT_THAT(choose_device(wants("cuda"), node(4, 4)).nccl_settings,
              ElementsAre(Pair("NCCL_GRAPH_REGISTER", "0")))
      << "sharing was not requested";
}

TEST(SharedGpu, MakesEachRankAHostOfItsOwnOnTheLoopback) {
  EXPECT_THAT(settings_for_shared_gpu(node(1, 2, 0)),
              ElementsAre(Pair("NCCL_HOSTID", "a-rank-0"), Pair("NCCL_SOCKET_IFNAME", "lo"),
                          Pair("NCCL_IB_DISABLE", "1")));
  EXPECT_THAT(settings_for_shared_gpu(node(1, 2, 1)),
              testing::Contains(Pair("NCCL_HOSTID", "a-rank-1")));
}

TEST(SharedGpu, NeedsNothingWhereEveryRankHasAGpu) {
  EXPECT_THAT(settings_for_shared_gpu(node(2, 2)), IsEmpty());
}

// The network settings must be equal on all ranks, so they are left to NCCL if nodes may differ.
TEST(SharedGpu, LeavesTheNetworkAloneOnSeveralNodes) {
  NodeFacts one_of_two = node(1, 2, 1);
  one_of_two.world_size = 4;
  one_of_two.rank = 3;
  EXPECT_THAT(settings_for_shared_gpu(one_of_two), ElementsAre(Pair("NCCL_HOSTID", "a-rank-3")));
}

// Each rank checks all pairs of ranks, including those on other nodes.
TEST(SharedGpu, IsAskedForByAllRanksWhereNcclAllowsIt) {
  for (const int gpus : {1, 2}) {
    NodeFacts facts = node(gpus, 2);
    facts.nccl_version = kAllowsSharing;
    EXPECT_THAT(settings_for_shared_gpu(facts),
                ElementsAre(Pair("NCCL_MULTI_RANK_GPU_ENABLE", "1")));
  }
}

// cuDNN does not exist on the CPU, but the same lines set its flags for a GPU.
TEST(ApplyDevice, AsksCudnnForTheSameBitsWhereTheRunDoes) {
  for (const bool reproducible : {true, false}) {
    apply_device(device::DeviceChoice{}, config::Precision::fp32, reproducible);
    EXPECT_EQ(at::globalContext().deterministicCuDNN(), reproducible);
    EXPECT_FALSE(at::globalContext().benchmarkCuDNN()) << "no autotuning on the CPU";
  }
}

TEST(ApplyDevice, SetsWhatNcclNeedsUnlessTheUserHas) {
  ::unsetenv("NCCL_HOSTID");
  ::setenv("NCCL_SOCKET_IFNAME", "eth0", 1);
  device::DeviceChoice choice;
  choice.nccl_settings = {{"NCCL_HOSTID", "a-rank-1"}, {"NCCL_SOCKET_IFNAME", "lo"}};
  apply_device(choice, config::Precision::fp32, false);
  EXPECT_STREQ(std::getenv("NCCL_HOSTID"), "a-rank-1");
  EXPECT_STREQ(std::getenv("NCCL_SOCKET_IFNAME"), "eth0");
  ::unsetenv("NCCL_HOSTID");
  ::unsetenv("NCCL_SOCKET_IFNAME");
}

}  // namespace
}  // namespace vae_dist::run

#include "run/assign_gpus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/thread_communicator.hpp"

namespace vae_dist::run {
namespace {

using testing::ElementsAre;

device::GpuIdentity gpu(const std::string& card, const std::string& part = "") {
  return {"0000:" + card + ":00.0", "uuid-" + card + part};
}

// A rank that sees these cards.
std::vector<device::GpuIdentity> sees(const std::vector<std::string>& cards) {
  std::vector<device::GpuIdentity> out;
  for (const std::string& card : cards) out.push_back(gpu(card));
  return out;
}

TEST(AssignGpus, GivesEachRankThatOfItsLocalRankWhereAllSeeAll) {
  const auto all = sees({"1b", "43", "52", "9d"});
  const GpuAssignment assigned = assign_gpus({all, all, all, all});
  EXPECT_THAT(assigned.gpus, ElementsAre(0, 1, 2, 3));
  EXPECT_FALSE(assigned.shared);
  EXPECT_THAT(assign_gpus({all, all}).gpus, ElementsAre(0, 1));
}

TEST(AssignGpus, GivesEachRankItsOwnNumber0WhereItSeesOneAlone) {
  const GpuAssignment assigned = assign_gpus({sees({"9d"}), sees({"1b"}), sees({"43"})});
  EXPECT_THAT(assigned.gpus, ElementsAre(0, 0, 0));
  EXPECT_FALSE(assigned.shared);
}

TEST(AssignGpus, NamesTwoRanksThatSeeTheSameOneAlone) {
  const GpuAssignment assigned =
      assign_gpus({sees({"1b"}), sees({"43"}), sees({"52"}), sees({"43"})});
  EXPECT_THAT(assigned.gpus, ElementsAre(0, 0, 0, 0));
  ASSERT_TRUE(assigned.shared);
  EXPECT_EQ(assigned.shared->first, 1u);
  EXPECT_EQ(assigned.shared->second, 3u);
  EXPECT_EQ(assigned.shared->pci_bus_id, "0000:43:00.0");
}

TEST(AssignGpus, FindsOneForEachRankWhereSomeSeeSeveral) {
  // Each rank but the last would take what only the next one can have.
  const GpuAssignment assigned =
      assign_gpus({sees({"1b", "43"}), sees({"1b", "52"}), sees({"52", "9d"}), sees({"1b"})});
  EXPECT_THAT(assigned.gpus, ElementsAre(1, 1, 1, 0));
  EXPECT_FALSE(assigned.shared);
  EXPECT_THAT(assign_gpus({sees({"1b"}), sees({"1b", "43"})}).gpus, ElementsAre(0, 1));
  EXPECT_THAT(assign_gpus({sees({"43", "1b"}), sees({"43"})}).gpus, ElementsAre(1, 0));
}

// As today: with two GPUs, ranks 2 and 3 share those of ranks 0 and 1.
TEST(AssignGpus, LetsRanksShareInTurnsWhereThereAreTooFew) {
  const auto all = sees({"1b", "43"});
  const GpuAssignment assigned = assign_gpus({all, all, all, all});
  EXPECT_THAT(assigned.gpus, ElementsAre(0, 1, 0, 1));
  ASSERT_TRUE(assigned.shared);
  EXPECT_EQ(assigned.shared->second, 2u);
}

TEST(AssignGpus, CountsPartsOfOneCardAsShared) {
  const GpuAssignment parts = assign_gpus({{gpu("1b", "-mig-1")}, {gpu("1b", "-mig-2")}});
  EXPECT_THAT(parts.gpus, ElementsAre(0, 0));
  ASSERT_TRUE(parts.shared);
  EXPECT_EQ(parts.shared->pci_bus_id, "0000:1b:00.0");
  EXPECT_FALSE(assign_gpus({{gpu("1b", "-mig-1")}, {gpu("43", "-mig-1")}}).shared);
}

TEST(AssignGpus, LeavesOutRanksThatSeeNone) {
  const GpuAssignment assigned = assign_gpus({{}, sees({"1b"}), {}});
  EXPECT_THAT(assigned.gpus, ElementsAre(-1, 0, -1));
  EXPECT_FALSE(assigned.shared);
}

TEST(SeenGpus, AreToldToAllRanksOfTheNode) {
  const SeenGpus told = {sees({"1b", "43"}), {}, sees({"9d"})};
  comm::run_thread_ranks(3, [&](comm::CpuCommunicator& node) {
    const SeenGpus heard = gather_seen_gpus(node, told[static_cast<std::size_t>(node.rank())]);
    EXPECT_EQ(heard, told);
  });
}

}  // namespace
}  // namespace vae_dist::run

// Runs the checks of collective_checks.hpp with real MPI: mpirun -np N mpi_collectives N. Every
// rank runs every check; one failure on any rank makes mpirun return non-zero.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <memory>

#include "collective_checks.hpp"
#include "comm/agreement.hpp"
#include "comm/mpi_world.hpp"

namespace vae_dist::comm {
namespace {

const MpiWorld* the_world = nullptr;

class Mpi : public testing::Test {
 protected:
  std::unique_ptr<CpuCommunicator> comm_ = the_world->make_communicator();
};

TEST_F(Mpi, EveryRankKnowsItsPlace) {
  EXPECT_STREQ(comm_->name(), "mpi");
  EXPECT_EQ(comm_->rank(), the_world->rank());
  EXPECT_EQ(comm_->size(), the_world->size());
  // mpirun starts all ranks on this node.
  EXPECT_EQ(the_world->local_size(), the_world->size());
  EXPECT_EQ(the_world->local_rank(), the_world->rank());
}

TEST_F(Mpi, CollectivesEqualStraightSumsAndCopies) { check_collectives(*comm_); }

TEST_F(Mpi, SumsHaveTheSameBitsOnEveryRank) { check_same_bits_on_every_rank(*comm_); }

TEST_F(Mpi, StartedSumsGoOnWhileOthersAreMade) { check_started_sums(*comm_); }

TEST_F(Mpi, PairsExchangeBuffersOfAnyLength) { check_exchanges(*comm_); }

TEST_F(Mpi, DuplicatesAreCommunicatorsOfTheirOwn) { check_duplicates(*comm_); }

TEST_F(Mpi, TheTreeSumsInItsOrderBitForBit) { check_tree(*comm_); }

TEST_F(Mpi, HostSumsEqualStraightSumsInEveryModeAndType) { check_host_sums(*comm_); }

TEST_F(Mpi, HostSumsLeaveTheSameBitsOnEveryRankAndEveryTime) {
  check_host_sums_have_one_result(*comm_);
}

TEST_F(Mpi, SumsInSharedMemoryEqualStraightSums) {
  ASSERT_TRUE(comm_->on_one_node());
  check_node_sums(*comm_);
}

TEST_F(Mpi, SumsInSharedMemoryHaveTheBitsOfTheTreeOnEveryRank) { check_node_sum_bits(*comm_); }

TEST_F(Mpi, SumsRoundedToBfloat16AreAsCloseAsPromised) { check_bf16_error(*comm_); }

TEST_F(Mpi, TextsOfAnyLengthReachEveryRank) { check_texts(*comm_); }

// Messages of two communicators never mix, even if ranks use them in different orders.
TEST_F(Mpi, CommunicatorsAreApart) {
  const auto other = the_world->make_communicator();
  std::vector<double> here = values_of_rank<double>(comm_->rank(), 9),
                      there = values_of_rank<double>(comm_->rank(), 9);
  const bool here_first = comm_->rank() % 2 == 0;
  const auto first = here_first ? comm_->start_all_reduce_sum(buffer_of(here))
                                : other->start_all_reduce_sum(buffer_of(there));
  const auto second = here_first ? other->start_all_reduce_sum(buffer_of(there))
                                 : comm_->start_all_reduce_sum(buffer_of(here));
  first->wait();
  second->wait();
  EXPECT_EQ(here, straight_sum<double>(comm_->size(), 9));
  EXPECT_EQ(there, here);
}

TEST_F(Mpi, AnErrorOfOneRankIsToldOnAll) {
  const int last = comm_->size() - 1;
  try {
    agree(*comm_, [&] {
      if (comm_->rank() == last) throw base::BadInput("no such file");
    });
    ADD_FAILURE() << "the error was lost";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), base::ExitCode::bad_input);
    EXPECT_EQ(error.what(), last == 0 ? std::string("no such file")
                                      : base::text("rank ", last, ": no such file"));
  }
}

}  // namespace
}  // namespace vae_dist::comm

int main(int argc, char** argv) {
  vae_dist::comm::MpiWorld world(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2 || world.size() != std::atoi(argv[1])) {
    std::cerr << "mpi_collectives: " << world.size()
              << " ranks were started; pass their number as the only argument\n";
    return EXIT_FAILURE;
  }
  vae_dist::comm::the_world = &world;
  return RUN_ALL_TESTS();
}

// A rank of a test program with mpirun, which reports its failure on stderr as the program does.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "comm/collective_log.hpp"
#include "comm/mpi_world.hpp"
#include "run/rank_failure.hpp"

namespace vae_dist {

struct FailingRank {
  FailingRank(int argc, char** argv) : world(argc, argv) {}

  comm::MpiWorld world;
  comm::CollectiveLog log;
  std::unique_ptr<comm::CpuCommunicator> all_ranks = world.make_communicator();
  run::RankFailure failure{world, log,
                           [this](const std::exception& error, const std::string& details) {
                             std::fprintf(stderr, "%s\n%s",
                                          base::describe(error, world.rank()).c_str(),
                                          details.c_str());
                           },
                           [] {}};
};

}  // namespace vae_dist

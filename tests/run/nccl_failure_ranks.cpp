// A program for mpirun whose ranks use an NCCL that is replaced (tests/comm/fake_nccl.hpp). It
// fails by itself, on one rank or on all, while the main thread waits, as it does for an event of
// the GPU.
//   nccl_failure_ranks one|all
#include <cstdio>
#include <string>
#include <thread>

#include "../comm/fake_nccl.hpp"
#include "comm/nccl_communicator.hpp"
#include "run/rank_failure.hpp"

int main(int argc, char** argv) {
  using namespace vae_dist;
  const comm::MpiWorld world(argc, argv);
  comm::CollectiveLog log;
  const auto all_ranks = world.make_communicator();
  run::RankFailure failure(
      world, log,
      [&](const std::exception& error, const std::string& details) {
        std::fprintf(stderr, "%s\n%s", base::describe(error, world.rank()).c_str(),
                     details.c_str());
      },
      [] {});
  const auto nccl = comm::make_nccl_communicator(*all_ranks, nullptr);
  failure.watchdog().enter("gradient exchange", 5, base::Seconds(3600));
  all_ranks->barrier();
  if (argv[1] == std::string("all") || world.rank() == 1)
    comm::FakeNccl::instance().poll_result = ncclRemoteError;
  std::this_thread::sleep_for(std::chrono::hours(1));
}

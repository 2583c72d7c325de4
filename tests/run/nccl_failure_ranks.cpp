// A program for mpirun whose ranks use an NCCL that is replaced (tests/comm/fake_nccl.hpp). It
// fails by itself, on one rank or on all, while the main thread waits, as it does for an event of
// the GPU.
//   nccl_failure_ranks one|all
#include <string>
#include <thread>

#include "../comm/fake_nccl.hpp"
#include "../failing_rank.hpp"
#include "comm/nccl_communicator.hpp"

int main(int argc, char** argv) {
  using namespace vae_dist;
  FailingRank rank(argc, argv);
  const auto nccl = comm::make_nccl_communicator(*rank.all_ranks, nullptr);
  rank.failure.watchdog().enter("gradient exchange", 5, base::Seconds(3600));
  rank.all_ranks->barrier();
  if (argv[1] == std::string("all") || rank.world.rank() == 1)
    comm::FakeNccl::instance().poll_result = ncclRemoteError;
  std::this_thread::sleep_for(std::chrono::hours(1));
}

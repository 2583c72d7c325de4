// Runs three ranks under mpirun: rank 1 stays in its loader while the others wait for it. Prints
// the watchdog's message and exits with its code.
#include <cstdio>
#include <thread>

#include "comm/logged_communicator.hpp"
#include "comm/watchdog.hpp"

int main(int argc, char** argv) {
  using namespace vae_dist;
  using namespace vae_dist::comm;
  MpiWorld world(argc, argv);
  CollectiveLog log;
  const auto all_ranks = make_logged_communicator(world.make_communicator(), "main", log);
  Watchdog watchdog(world, log, [&](const base::Error& error, const std::string& details) {
    std::fprintf(stderr, "rank %d: %s\n%s", world.rank(), error.what(), details.c_str());
    std::fflush(stderr);
    world.abort(error.code());
  });
  for (int step = 1;; ++step) {
    watchdog.enter("waiting for data", step, std::nullopt);
    if (world.rank() == 1 && step == 3) std::this_thread::sleep_for(std::chrono::hours(1));
    watchdog.enter("gradient exchange", step, base::Seconds(3));
    all_ranks->barrier();
  }
}

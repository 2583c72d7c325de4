// Three ranks under mpirun: rank 1 stays in its loader while the others wait for it. Prints what the watchdog says and ends with its code.
#include <cstdio>
#include <thread>

#include "comm/watchdog.hpp"

int main(int argc, char** argv) {
  using namespace vae_dist;
  MpiWorld world(argc, argv);
  const auto host = world.make_communicator();
  Watchdog watchdog(world, [&](const Error& error) {
    std::fprintf(stderr, "rank %d: %s\n", world.rank(), error.what());
    std::fflush(stderr);
    world.abort(error.code());
  });
  for (int step = 1;; ++step) {
    watchdog.enter("waiting for data", step, std::nullopt);
    if (world.rank() == 1 && step == 3) std::this_thread::sleep_for(std::chrono::seconds(60));
    watchdog.enter("gradient exchange", step, Seconds(1));
    host->barrier();
  }
}

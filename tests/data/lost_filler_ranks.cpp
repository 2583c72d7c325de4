// Two ranks under mpirun that stream from FILE. Once both have their first samples, rank 1 stops or
// kills itself. Rank 0 waits for the chunks of rank 1 and prints the error that it gets.
//   lost_filler_ranks FILE stop|kill
#include <signal.h>

#include <cstdio>
#include <string>

#include "comm/mpi_world.hpp"
#include "data/chunk_ring.hpp"

using namespace vae_dist;
using namespace vae_dist::data;

int main(int argc, char** argv) {
  const comm::MpiWorld world(argc, argv);
  signal(SIGTERM, SIG_IGN);  // mpirun sends it to rank 0 when rank 1 is dead
  const auto all = world.make_communicator(), node = world.make_node_communicator();
  SampleSource source;
  source.files = {argv[1]};
  const SampleDataset dataset = SampleDataset::open(source);
  const OrderPlan plan{.seed = 5, .global_batch = 1, .window_chunks = 1};
  ChunkRing ring(dataset, {.order = plan, .patience = base::Seconds(3)}, *node, *all);
  const EpochOrder order(plan, 0, std::make_shared<SampleChunks>(dataset.chunks()));
  ring.need(order, 0, 0, 1);
  all->barrier();
  if (world.rank() == 1) raise(argv[2] == std::string("stop") ? SIGSTOP : SIGKILL);
  try {
    for (std::int64_t position = 0; position < dataset.size(); ++position)
      ring.need(order, 0, position, position + 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "told: %s\n", error.what());
    std::fflush(stderr);
    world.abort(base::exit_code(error));
  }
}

// Compares our all-reduces with MPI_Allreduce on the same buffers, in turns, in one run:
//   mpirun -np 2 build/tests/bench/bench_all_reduce [turns]
// Prints the median time of each and the ratio of MPI's time to it (above 1: ours is faster). bf16
// moves half the bytes; "shared" sums in memory that the ranks of a node share.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "base/power_of_two.hpp"
#include "bench/over_ranks.hpp"
#include "comm/cpu_all_reduce.hpp"
#include "comm/mpi_world.hpp"
#include "comm/node_sum.hpp"

namespace {

using namespace vae_dist;
using namespace vae_dist::bench;

constexpr std::size_t kMostBytes = 25 << 20;

struct Contestant {
  const char* name;
  std::function<void(comm::Buffer)> sum;
  std::vector<double> seconds;
  void* own = nullptr;  // memory of its own that it sums, or null
};

double timed(comm::CpuCommunicator& comm, const Contestant& contestant, comm::Buffer buffer) {
  comm.barrier();
  const base::Stopwatch watch;
  contestant.sum(buffer);
  return watch.elapsed().count();
}

}  // namespace

int main(int argc, char** argv) {
  comm::MpiWorld world(argc, argv);
  const auto comm = world.make_communicator();
  const int turns = argc > 1 ? std::atoi(argv[1]) : 41;
  std::vector<std::byte> scratch;
  std::vector<Contestant> contestants = {
      {"MPI_Allreduce", [&](comm::Buffer buffer) { comm->all_reduce_sum(buffer); }, {}},
      {"fast",
       [&](comm::Buffer buffer) {
         comm::all_reduce_on_cpu(*comm, buffer, comm::SumOrder::fast, comm::Wire::exact, scratch);
       },
       {}}};
  if (base::is_power_of_two(world.size()))
    contestants.push_back({"reproducible",
                           [&](comm::Buffer buffer) {
                             comm::all_reduce_on_cpu(*comm, buffer, comm::SumOrder::tree,
                                                     comm::Wire::exact, scratch);
                           },
                           {}});
  contestants.push_back({"bf16",
                         [&](comm::Buffer buffer) {
                           comm::all_reduce_on_cpu(*comm, buffer, comm::SumOrder::fast,
                                                   comm::Wire::bf16, scratch);
                         },
                         {}});

  std::unique_ptr<comm::NodeSum> node_sum;
  if (comm->on_one_node()) {
    node_sum = std::make_unique<comm::NodeSum>(*comm, kMostBytes);
    contestants.push_back(
        {"shared", [&](comm::Buffer buffer) { node_sum->sum(buffer); }, {}, node_sum->data()});
  }

  if (world.rank() == 0) {
    std::printf("%4s", "MiB");
    for (const Contestant& contestant : contestants) std::printf("  %20s", contestant.name);
    std::printf("   (%d ranks, fp32, medians of %d)\n", world.size(), turns);
  }
  for (const int mib : {1, 2, 4, 8, 16, 25}) {
    std::vector<float> values(std::size_t{1 << 18} * static_cast<std::size_t>(mib));
    const comm::Buffer buffer{values.data(), static_cast<std::int64_t>(values.size()),
                              comm::DataType::float32};
    for (Contestant& contestant : contestants) contestant.seconds.clear();
    for (int turn = 0; turn <= turns; ++turn)
      for (Contestant& contestant : contestants) {
        comm::Buffer summed = buffer;
        if (contestant.own) summed.data = contestant.own;
        std::fill_n(static_cast<float*>(summed.data), summed.count, 1.0F);
        const double seconds = timed(*comm, contestant, summed);
        if (turn > 0) contestant.seconds.push_back(seconds);  // the first turn has cold buffers
      }
    if (world.rank() != 0) continue;
    std::printf("%4d", mib);
    for (const Contestant& contestant : contestants)
      std::printf("  %11.2f ms (%4.2f)", 1e3 * median(contestant.seconds),
                  median(contestants.front().seconds) / median(contestant.seconds));
    std::printf("\n");
  }
}

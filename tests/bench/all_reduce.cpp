// The tree all-reduce beside MPI_Allreduce on the same buffers, in turns, in one run:
//   mpirun -np 2 build/tests/bench/bench_all_reduce
// Prints the median time of each and the ratio (above 1: the tree is faster).
#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/clock.hpp"
#include "comm/mpi_world.hpp"
#include "comm/tree_all_reduce.hpp"

namespace {

using namespace vae_dist;

constexpr int kTurns = 41;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

template <typename Collective>
double timed(Communicator& comm, Collective collective) {
  comm.barrier();
  const Stopwatch watch;
  collective();
  return watch.elapsed().count();
}

}  // namespace

int main(int argc, char** argv) {
  MpiWorld world(argc, argv);
  const auto comm = world.make_communicator();
  if (world.rank() == 0) std::printf("%8s %14s %14s %8s   (%d ranks, fp32, medians of %d)\n", "MiB", "MPI_Allreduce", "tree", "ratio", world.size(), kTurns);
  for (const int mib : {1, 2, 4, 8, 16, 25}) {
    const std::int64_t count = std::int64_t{mib} * (1 << 20) / 4;
    std::vector<float> values(static_cast<std::size_t>(count), 1.0F), scratch(static_cast<std::size_t>(count / 2 + 1));
    const Buffer buffer{values.data(), count, DataType::float32};
    std::vector<double> mpi, tree;
    for (int turn = 0; turn < kTurns; ++turn) {
      std::fill(values.begin(), values.end(), 1.0F);
      mpi.push_back(timed(*comm, [&] { comm->all_reduce_sum(buffer); }));
      tree.push_back(timed(*comm, [&] { tree_all_reduce_sum(*comm, buffer, {scratch.data(), count / 2 + 1, DataType::float32}); }));
    }
    if (world.rank() == 0) std::printf("%8d %11.2f ms %11.2f ms %8.2f\n", mib, 1e3 * median(mpi), 1e3 * median(tree), median(mpi) / median(tree));
  }
}

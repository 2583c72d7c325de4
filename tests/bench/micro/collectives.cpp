// The CPU all-reduces of gradients, between ranks that are threads of this process. This measures
// their additions, roundings and copies in one memory, and how ranks wait for each other. It
// involves no network and no other process (for MPI's, see tests/bench/all_reduce.cpp). bytes: of
// the vector.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "comm/cpu_all_reduce.hpp"
#include "comm/thread_communicator.hpp"

namespace vae_dist::bench {
namespace {

constexpr std::int64_t kKib = 1024;

// All ranks sum equally often; only the time of rank 0 counts.
void sum_over_threads(benchmark::State& state, comm::SumOrder order, comm::Wire wire) {
  const auto ranks = static_cast<int>(state.range(0));
  const std::int64_t count = state.range(1) * kKib / static_cast<std::int64_t>(sizeof(float));
  comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
    std::vector<float> values(static_cast<std::size_t>(count));  // zeros, whose sums stay finite
    std::vector<std::byte> scratch;
    const auto sum = [&] {
      comm::all_reduce_on_cpu(comm, {values.data(), count, comm::DataType::float32}, order, wire,
                              scratch);
    };
    sum();  // warm-up: touches the memory
    comm.barrier();
    if (comm.rank() == 0) {
      for ([[maybe_unused]] auto _ : state) sum();
    } else {
      for (benchmark::IterationCount i = 0; i < state.max_iterations; ++i) sum();
    }
  });
  state.SetBytesProcessed(state.iterations() * count * static_cast<std::int64_t>(sizeof(float)));
}

// Ranks and KiB: a model's last bucket, its first, and a full one.
void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"ranks", "KiB"})->ArgsProduct({{2}, {16, kKib, 25 * kKib}})->UseRealTime();
}

BENCHMARK_CAPTURE(sum_over_threads, fast, comm::SumOrder::fast, comm::Wire::exact)
    ->Name("all_reduce/fast")
    ->Apply(sizes);
BENCHMARK_CAPTURE(sum_over_threads, tree, comm::SumOrder::tree, comm::Wire::exact)
    ->Name("all_reduce/tree")
    ->Apply(sizes);
BENCHMARK_CAPTURE(sum_over_threads, bf16, comm::SumOrder::fast, comm::Wire::bf16)
    ->Name("all_reduce/bf16")
    ->Apply(sizes);

}  // namespace
}  // namespace vae_dist::bench

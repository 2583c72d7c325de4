// Micro-benchmarks of the parts of a step (Google Benchmark), each in a single thread unless its
// name says otherwise:
//   build/tests/bench/bench_micro [--benchmark_filter=REGEX]
// They show what a change does to one part. Use `vae_dist bench` for the time of a whole step.
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "base/keep_freed_memory.hpp"

int main(int argc, char** argv) {
  vae_dist::base::keep_freed_memory();  // as in training
  at::set_num_threads(1);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

// Micro-benchmarks of what a step is made of (Google Benchmark), each in one thread of its own
// unless its name says otherwise:
//   build/tests/bench/bench_micro [--benchmark_filter=REGEX]
// They are for finding out what a change does to one part; what a whole step takes is `vae_dist
// bench`'s to say.
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

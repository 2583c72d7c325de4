// The bucket plan, which a run computes once, for as many tensors as a model has. items: tensors.
#include "parallel/bucket_plan.hpp"

#include <benchmark/benchmark.h>

namespace vae_dist::bench {
namespace {

void plan(benchmark::State& state) {
  std::vector<parallel::ArenaSlot> slots;
  // Sizes as in a convolutional network: a large tensor among small ones.
  for (std::int64_t i = 0; i < state.range(0); ++i)
    parallel::append_slot(slots, "tensor", {i % 4 == 0 ? 256 * 1024 : 256}, sizeof(float));
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(parallel::plan_buckets(slots, sizeof(float), parallel::BucketCaps{}));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

BENCHMARK(plan)->Name("bucket_plan")->ArgName("tensors")->Arg(64)->Arg(4096);

}  // namespace
}  // namespace vae_dist::bench

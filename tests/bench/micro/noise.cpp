// Philox: the speed of drawing a run's random numbers. items: numbers.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/keyed_random.hpp"

namespace vae_dist::bench {
namespace {

constexpr std::int64_t kLatent = 128;  // noise values per sample for the default model

template <void (*fill)(base::PhiloxKey, std::uint64_t, std::uint32_t, std::span<float>)>
void draw(benchmark::State& state) {
  const base::PhiloxKey key = base::random_key(1, base::Purpose::noise, 0);
  std::vector<float> values(kLatent);
  std::uint64_t sample = 0;
  for ([[maybe_unused]] auto _ : state) {
    fill(key, sample++, 0, values);
    benchmark::DoNotOptimize(values.data());
  }
  state.SetItemsProcessed(state.iterations() * kLatent);
}

BENCHMARK(draw<base::fill_uniform>)->Name("noise/uniform");
BENCHMARK(draw<base::fill_normal>)->Name("noise/normal");

}  // namespace
}  // namespace vae_dist::bench

// Philox: how fast the numbers of a run are drawn. items: numbers.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/keyed_random.hpp"

namespace vae_dist {
namespace {

constexpr std::int64_t kLatent = 128;  // a sample's noise for the default model

template <void (*fill)(PhiloxKey, std::uint64_t, std::uint32_t, std::span<float>)>
void draw(benchmark::State& state) {
  const PhiloxKey key = random_key(1, Purpose::noise, 0);
  std::vector<float> values(kLatent);
  std::uint64_t sample = 0;
  for ([[maybe_unused]] auto _ : state) {
    fill(key, sample++, 0, values);
    benchmark::DoNotOptimize(values.data());
  }
  state.SetItemsProcessed(state.iterations() * kLatent);
}

BENCHMARK(draw<fill_uniform>)->Name("noise/uniform");
BENCHMARK(draw<fill_normal>)->Name("noise/normal");

}  // namespace
}  // namespace vae_dist

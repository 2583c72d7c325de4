// Measures how random shuffling in windows of chunks still is: 1,000,000 samples in chunks of 64,
// batches of 256.
//   bench_shuffle
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "data/epoch_order.hpp"

int main() {
  using namespace vae_dist;
  constexpr std::int64_t kChunks = 15625, kChunk = 64, kBatch = 256, kSamples = kChunks * kChunk;
  const auto chunks = std::make_shared<data::SampleChunks>(
      kChunks, kChunk, std::vector<data::SampleChunks::Irregular>{});
  std::printf("%8s %26s %28s\n", "window", "chunks that a batch touches",
              "distance of file neighbours");
  for (const std::int64_t window : {0, 1, 4, 16, 85, 340, 1000}) {
    const data::EpochOrder order({.seed = 1265, .window_chunks = window}, 0, chunks);
    std::vector<std::int64_t> position(kSamples);
    double touched = 0;
    for (std::int64_t batch = 0; batch < kSamples / kBatch; ++batch) {
      std::set<std::int64_t> of_batch;
      for (std::int64_t i = batch * kBatch; i < (batch + 1) * kBatch; ++i) {
        const std::int64_t sample = order.at(i);
        position[static_cast<std::size_t>(sample)] = i;
        of_batch.insert(chunks->chunk_of(sample));
      }
      touched += static_cast<double>(of_batch.size()) / static_cast<double>(kSamples / kBatch);
    }
    double apart = 0;
    for (std::size_t s = 0; s + 1 < position.size(); ++s)
      apart += std::fabs(static_cast<double>(position[s + 1] - position[s])) /
               static_cast<double>(kSamples - 1);
    std::printf("%8ld %26.1f %28.0f\n", static_cast<long>(window), touched, apart);
  }
}

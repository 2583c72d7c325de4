#include "data/epoch_order.hpp"

#include <algorithm>

namespace vae_dist::data {
namespace {

SampleChunks in_order(const SampleChunks& chunks, const SampleOrder& order) {
  std::vector<SampleChunks::Irregular> irregular = chunks.irregular();
  for (auto& i : irregular) i.chunk = order.position_of(i.chunk);
  return SampleChunks(chunks.count(), chunks.regular_size(), std::move(irregular));
}

}  // namespace

EpochOrder::EpochOrder(std::uint64_t seed, std::uint64_t epoch,
                       std::shared_ptr<const SampleChunks> chunks, std::int64_t window_chunks)
    : chunks_(std::move(chunks)), samples_(chunks_->samples()) {
  if (window_chunks == 0) {
    all_.emplace(seed, epoch, samples_);
    return;
  }
  const SampleOrder order(base::random_key(seed, base::Purpose::chunk_order, epoch),
                          chunks_->count());
  const base::PhiloxKey key = base::random_key(seed, base::Purpose::window_order, epoch);
  windows_.emplace(Windows{order, in_order(*chunks_, order),
                           (chunks_->count() + window_chunks - 1) / window_chunks,
                           static_cast<std::uint64_t>(key[0]) << 32 | key[1]});
}

std::int64_t EpochOrder::first_turn(std::int64_t window) const {
  return static_cast<std::int64_t>(static_cast<__int128>(window) * chunks_->count() /
                                   windows_->count);
}

std::int64_t EpochOrder::window_at(std::int64_t turn) const {
  std::int64_t window =
      static_cast<std::int64_t>(static_cast<__int128>(turn) * windows_->count / chunks_->count());
  while (window + 1 < windows_->count && first_turn(window + 1) <= turn) ++window;
  return window;
}

EpochOrder::Turns EpochOrder::window_of(std::int64_t position) const {
  const std::int64_t window = window_at(windows_->in_turn.chunk_of(position));
  return {first_turn(window), first_turn(window + 1)};
}

std::int64_t EpochOrder::at(std::int64_t position) const {
  if (all_) return all_->at(position);
  const SampleChunks& in_turn = windows_->in_turn;
  const std::int64_t window = window_at(in_turn.chunk_of(position));
  const std::int64_t begin = in_turn.first_sample(first_turn(window)),
                     end = in_turn.first_sample(first_turn(window + 1));
  const SampleOrder within(base::random_key(windows_->seed, base::Purpose::window_order,
                                            static_cast<std::uint64_t>(window)),
                           end - begin);
  const std::int64_t place = begin + within.at(position - begin), turn = in_turn.chunk_of(place);
  return chunks_->first_sample(chunk_at(turn)) + place - in_turn.first_sample(turn);
}

}  // namespace vae_dist::data

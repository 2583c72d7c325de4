#include "data/window_order.hpp"

#include <utility>

namespace vae_dist::data {
namespace {

constexpr int kWindowBits = 40;  // a part has fewer windows than this many bits can count

}  // namespace

WindowOrder::WindowOrder(RowPart pieces, std::int64_t window_chunks, std::uint64_t seed,
                         std::int64_t part)
    : pieces_(std::move(pieces)),
      count_(window_chunks == 0 ? 1 : (pieces_.turns() + window_chunks - 1) / window_chunks),
      seed_(seed),
      part_(part) {}

std::int64_t WindowOrder::first_turn(std::int64_t window) const {
  return static_cast<std::int64_t>(static_cast<__int128>(window) * turns() / count_);
}

WindowOrder::Turns WindowOrder::turns_of(std::int64_t window) const {
  return {first_turn(window), first_turn(window + 1)};
}

std::int64_t WindowOrder::first_position(std::int64_t window) const {
  return pieces_.in_turn().first_sample(first_turn(window));
}

std::int64_t WindowOrder::window_at(std::int64_t position) const {
  const std::int64_t turn = pieces_.in_turn().chunk_of(position);
  std::int64_t window = static_cast<std::int64_t>(static_cast<__int128>(turn) * count_ / turns());
  while (window + 1 < count_ && first_turn(window + 1) <= turn) ++window;
  return window;
}

std::int64_t WindowOrder::at(std::int64_t position) const {
  const std::int64_t window = window_at(position), begin = first_position(window),
                     end = first_position(window + 1);
  const auto number =
      static_cast<std::uint64_t>(part_) << kWindowBits | static_cast<std::uint64_t>(window);
  const SampleOrder within(base::random_key(seed_, base::Purpose::window_order, number),
                           end - begin);
  const std::int64_t place = begin + within.at(position - begin),
                     turn = pieces_.in_turn().chunk_of(place);
  return pieces_.piece(turn).first + place - pieces_.in_turn().first_sample(turn);
}

}  // namespace vae_dist::data

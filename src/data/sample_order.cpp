#include "data/sample_order.hpp"

#include <bit>
#include <stdexcept>

namespace vae_dist::data {
namespace {
constexpr std::uint32_t kRounds = 6;
}

SampleOrder::SampleOrder(std::uint64_t seed, std::uint64_t epoch, std::int64_t samples)
    : SampleOrder(base::random_key(seed, base::Purpose::order, epoch), samples) {}

SampleOrder::SampleOrder(base::PhiloxKey key, std::int64_t samples) : key_(key), samples_(samples) {
  if (samples < 1) throw std::invalid_argument("a sample order needs at least one sample");
  const auto bits = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(samples - 1)));
  half_bits_ = (bits + 1) / 2;
}

std::uint64_t SampleOrder::mixed(std::uint64_t half, std::uint32_t round) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  return base::philox({static_cast<std::uint32_t>(half), round, 0, 0}, key_)[0] & mask;
}

std::uint64_t SampleOrder::encipher(std::uint64_t value) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t left = value >> half_bits_, right = value & mask;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const std::uint64_t next = left ^ mixed(right, round);
    left = right;
    right = next;
  }
  return left << half_bits_ | right;
}

std::uint64_t SampleOrder::decipher(std::uint64_t value) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t left = value >> half_bits_, right = value & mask;
  for (std::uint32_t round = kRounds; round-- > 0;) {
    const std::uint64_t previous = right ^ mixed(left, round);
    right = left;
    left = previous;
  }
  return left << half_bits_ | right;
}

std::int64_t SampleOrder::at(std::int64_t position) const {
  // The domain is at most four times as large as [0, N): at worst four steps on average.
  auto value = static_cast<std::uint64_t>(position);
  do {
    value = encipher(value);
  } while (value >= static_cast<std::uint64_t>(samples_));
  return static_cast<std::int64_t>(value);
}

std::int64_t SampleOrder::position_of(std::int64_t sample) const {
  auto value = static_cast<std::uint64_t>(sample);
  do {
    value = decipher(value);
  } while (value >= static_cast<std::uint64_t>(samples_));
  return static_cast<std::int64_t>(value);
}

}  // namespace vae_dist::data

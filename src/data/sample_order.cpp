#include "data/sample_order.hpp"

#include <bit>
#include <stdexcept>

namespace vae_dist {
namespace {
constexpr std::uint32_t kRounds = 6;
}

SampleOrder::SampleOrder(std::uint64_t seed, std::uint64_t epoch, std::int64_t samples) : key_(random_key(seed, Purpose::order, epoch)), samples_(samples) {
  if (samples < 1) throw std::invalid_argument("a sample order needs at least one sample");
  const auto bits = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(samples - 1)));
  half_bits_ = (bits + 1) / 2;
}

std::uint64_t SampleOrder::encipher(std::uint64_t value) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t left = value >> half_bits_, right = value & mask;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const std::uint64_t next = left ^ (philox({static_cast<std::uint32_t>(right), round, 0, 0}, key_)[0] & mask);
    left = right;
    right = next;
  }
  return left << half_bits_ | right;
}

std::int64_t SampleOrder::at(std::int64_t position) const {
  // The domain is at most four times as large as [0, N): four steps on average at worst.
  auto value = static_cast<std::uint64_t>(position);
  do {
    value = encipher(value);
  } while (value >= static_cast<std::uint64_t>(samples_));
  return static_cast<std::int64_t>(value);
}

}  // namespace vae_dist

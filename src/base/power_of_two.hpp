// Recognises powers of two, which the binary trees of sums need.
#pragma once

#include <bit>
#include <cstdint>

namespace vae_dist::base {

/// Returns whether `number` is 1, 2, 4, 8, ...
constexpr bool is_power_of_two(std::int64_t number) {
  return number > 0 && std::has_single_bit(static_cast<std::uint64_t>(number));
}

}  // namespace vae_dist::base

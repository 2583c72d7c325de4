// Converts fp32 to bfloat16 and back. bfloat16 is the upper half of the bits of fp32: the same
// range with 7 mantissa bits.
#pragma once

#include <bit>
#include <cstdint>

namespace vae_dist::comm {

struct Bfloat16 {
  std::uint16_t bits = 0;
};

/// Rounds to nearest, ties to even: the relative error is at most 2^-8 if the fp32 value is normal.
/// NaN stays NaN and infinity stays infinity.
inline Bfloat16 to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  // Rounding up could carry the mantissa of a NaN over into infinity or zero.
  const std::uint32_t rounded = (bits + 0x7fffU + (bits >> 16 & 1U)) >> 16,
                      nan = bits >> 16 | 0x0040U;
  return {static_cast<std::uint16_t>((bits & 0x7fffffffU) > 0x7f800000U ? nan : rounded)};
}

inline float to_float(Bfloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

}  // namespace vae_dist::comm

// fp32 as bfloat16 and back: the upper half of the bits, so fp32's range with 7 bits behind the
// point.
#pragma once

#include <bit>
#include <cstdint>

namespace vae_dist::comm {

struct Bfloat16 {
  std::uint16_t bits = 0;
};

/// To nearest, ties to even: the relative error is at most 2^-8 where fp32 is normal. NaN stays
/// NaN, infinity infinity.
inline Bfloat16 to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  // Rounding up would carry a NaN's mantissa over into infinity or zero.
  const std::uint32_t rounded = (bits + 0x7fffU + (bits >> 16 & 1U)) >> 16,
                      nan = bits >> 16 | 0x0040U;
  return {static_cast<std::uint16_t>((bits & 0x7fffffffU) > 0x7f800000U ? nan : rounded)};
}

inline float to_float(Bfloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

}  // namespace vae_dist::comm

// Rounds fp32 to bfloat16 inside of loops.
#pragma once

#include <c10/util/BFloat16.h>

#include <bit>
#include <cstdint>

#include "kernels/cloned.hpp"

namespace vae_dist::kernels {

/// Rounds to nearest, ties to even. Leaves out the check for NaN that costs a quarter of a loop's
/// speed: the carry into the upper half can only make another number of a NaN whose lower half is
/// not zero. Neither the CPU's own NaN (0xffc00000) nor one that was bfloat16 before has such.
VAE_DIST_INLINED c10::BFloat16 rounded(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t up = bits + 0x7fff + ((bits >> 16) & 1);
  return {static_cast<std::uint16_t>(up >> 16), c10::BFloat16::from_bits()};
}

}  // namespace vae_dist::kernels

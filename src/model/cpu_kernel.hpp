// What the hand-written CPU kernels of this folder share: one source for every instruction set, and element types that are computed in wider ones.
#pragma once

#include <bit>
#include <cstdint>

#include <c10/util/BFloat16.h>

// The compiler makes the function once for each of these, and the machine chooses when the program starts. Only plain functions can be cloned:
// templates are inlined into them (VAE_DIST_INLINED).
#if defined(__x86_64__) && defined(__GNUC__)
#define VAE_DIST_CLONED __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define VAE_DIST_CLONED
#endif
#define VAE_DIST_INLINED [[gnu::always_inline]] inline

namespace vae_dist {

/// The type that values of T are computed in.
template <typename T>
struct Wide {
  using type = T;
};
template <>
struct Wide<c10::BFloat16> {
  using type = float;
};

VAE_DIST_INLINED float widen(c10::BFloat16 value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value.x) << 16); }
VAE_DIST_INLINED float widen(float value) { return value; }
VAE_DIST_INLINED double widen(double value) { return value; }

/// Rounded to nearest, ties to even; without a branch, so that loops over it become vector code.
VAE_DIST_INLINED void narrow(float value, c10::BFloat16& out) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  out.x = static_cast<std::uint16_t>(value != value ? 0x7fc0u : rounded);
}
VAE_DIST_INLINED void narrow(float value, float& out) { out = value; }
VAE_DIST_INLINED void narrow(double value, double& out) { out = value; }

}  // namespace vae_dist

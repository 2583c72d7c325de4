// Random numbers as pure functions of a key and a counter: the same (seed, purpose, epoch, sample,
// draw) gives the same numbers on every rank and thread, whatever was drawn before.
//
// Generator: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
// 3", SC 2011). key = mix(seed, purpose, epoch), counter = {block, draw, sample index (low, high)}.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace vae_dist::base {

/// What random numbers are drawn for. The values are part of the format of a run and never change.
enum class Purpose : std::uint32_t {
  init = 1,
  order = 2,
  noise = 3,
  flip = 4,
  binarize = 5,
  dequantize = 6,
  evaluation = 7,
  prior = 8,
  chunk_order = 9,
  window_order = 10,
  held_out = 11,
  piece_order = 12,
  crop = 13,
  codes = 14,
  network = 15
};

using PhiloxKey = std::array<std::uint32_t, 2>;
using PhiloxCounter = std::array<std::uint32_t, 4>;

/// The Philox 4x32-10 bijection.
PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key);

/// Mixes the three arguments into a key (with the finalizer of SplitMix64 between them; Steele,
/// Lea, Flood: OOPSLA 2014).
PhiloxKey random_key(std::uint64_t seed, Purpose purpose, std::uint64_t epoch);

/// Returns block `block` of the numbers for (key, sample, draw): four 32-bit words.
PhiloxCounter random_block(PhiloxKey key, std::uint64_t sample, std::uint32_t draw,
                           std::uint32_t block);

/// Fills `out` with uniform numbers in [0, 1), 24 bits each.
void fill_uniform(PhiloxKey key, std::uint64_t sample, std::uint32_t draw, std::span<float> out);

/// Fills `out` with standard normal numbers by the method of Box and Muller (1958), computed in
/// double and rounded once.
void fill_normal(PhiloxKey key, std::uint64_t sample, std::uint32_t draw, std::span<float> out);

}  // namespace vae_dist::base

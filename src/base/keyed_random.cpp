#include "base/keyed_random.hpp"

#include <cmath>
#include <numbers>

namespace vae_dist::base {
namespace {

std::uint64_t split_mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

// Calls put(index, word) for the first `count` 32-bit words.
template <typename Put>
void for_each_word(PhiloxKey key, std::uint64_t sample, std::uint32_t draw, std::size_t count,
                   Put put) {
  for (std::size_t first = 0; first < count; first += 4) {
    const PhiloxCounter words =
        random_block(key, sample, draw, static_cast<std::uint32_t>(first / 4));
    for (std::size_t i = 0; i < 4 && first + i < count; ++i) put(first + i, words[i]);
  }
}

}  // namespace

PhiloxCounter philox(PhiloxCounter c, PhiloxKey key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * c[0], product1 = kMultiplier1 * c[2];
    c = {static_cast<std::uint32_t>(product1 >> 32) ^ c[1] ^ key[0],
         static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ c[3] ^ key[1],
         static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return c;
}

PhiloxKey random_key(std::uint64_t seed, Purpose purpose, std::uint64_t epoch) {
  const std::uint64_t mixed =
      split_mix(split_mix(split_mix(seed) ^ static_cast<std::uint64_t>(purpose)) ^ epoch);
  return {static_cast<std::uint32_t>(mixed), static_cast<std::uint32_t>(mixed >> 32)};
}

PhiloxCounter random_block(PhiloxKey key, std::uint64_t sample, std::uint32_t draw,
                           std::uint32_t block) {
  return philox(
      {block, draw, static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(sample >> 32)},
      key);
}

void fill_uniform(PhiloxKey key, std::uint64_t sample, std::uint32_t draw, std::span<float> out) {
  for_each_word(key, sample, draw, out.size(), [&](std::size_t i, std::uint32_t word) {
    out[i] = static_cast<float>(word >> 8) * 0x1p-24f;
  });
}

void fill_normal(PhiloxKey key, std::uint64_t sample, std::uint32_t draw, std::span<float> out) {
  for (std::size_t first = 0; first < out.size(); first += 4) {
    const PhiloxCounter words =
        random_block(key, sample, draw, static_cast<std::uint32_t>(first / 4));
    for (std::size_t pair = 0; pair < 4 && first + pair < out.size(); pair += 2) {
      const double u = (words[pair] + 1.0) * 0x1p-32;  // in (0, 1], so the logarithm is finite
      const double angle = 2.0 * std::numbers::pi * (words[pair + 1] * 0x1p-32);
      const double radius = std::sqrt(-2.0 * std::log(u));
      out[first + pair] = static_cast<float>(radius * std::cos(angle));
      if (first + pair + 1 < out.size())
        out[first + pair + 1] = static_cast<float>(radius * std::sin(angle));
    }
  }
}

}  // namespace vae_dist::base

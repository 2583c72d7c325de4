// XXH3 (64 bits): fingerprints of files, weights and datasets. The hash is not cryptographic: it
// detects accidental changes, not attacks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vae_dist::base {

std::uint64_t hash_bytes(const void* data, std::size_t bytes, std::uint64_t seed = 0);

inline std::uint64_t hash_text(std::string_view value, std::uint64_t seed = 0) {
  return hash_bytes(value.data(), value.size(), seed);
}

/// Returns the hash as 16 hexadecimal digits.
std::string hash_name(std::uint64_t hash);

}  // namespace vae_dist::base

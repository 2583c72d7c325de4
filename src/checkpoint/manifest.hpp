// The manifest of a checkpoint lists its files with their lengths and hashes. It contains a hash of
// itself, so a damaged manifest is detected like a damaged file. This program verifies the XXH3,
// which is as fast as memory; the SHA-256 is for other readers, who have it in their standard
// library.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace vae_dist::checkpoint {

struct Manifest {
  struct File {
    std::uint64_t bytes = 0;
    std::string xxh3;         ///< 16 hexadecimal digits
    std::string sha256 = {};  ///< 64 hexadecimal digits; empty in manifests from before it existed
  };

  std::int64_t step = 0;
  std::map<std::string, File> files;
  /// The survivors of a failure wrote it, without comparing their states through MPI.
  bool after_failure = false;
};

/// Returns the manifest entry of a file with these bytes.
Manifest::File describe_file(std::string_view bytes);

/// Returns whether `bytes` have the length and the XXH3 of the entry.
bool matches(std::string_view bytes, const Manifest::File& file);

/// Formats the manifest: {"files": {name: {"bytes", "sha256", "xxh3"}}, "format": 1, "step",
/// "xxh3": hash of this text without that member}, and "after_failure": true if it is.
std::string to_json(const Manifest& manifest);

/// Parses a manifest. Throws BadInput naming `name` (a path) if it is damaged or its format is
/// newer than 1.
Manifest manifest_from_json(std::string_view bytes, const std::string& name);

}  // namespace vae_dist::checkpoint

// Identifies a file, to detect that a reopened file is not the one that was opened before.
#pragma once

#include <cstdint>
#include <string>

namespace vae_dist::hdf5 {

struct FileIdentity {
  std::uint64_t device = 0, inode = 0;
  std::int64_t size = 0,
               changed_ns =
                   0;  ///< bytes; last change of the content, in nanoseconds since the epoch

  /// Returns the identity of an existing file. Throws BadInput with the system's reason.
  static FileIdentity of(const std::string& path);
  static FileIdentity of(int descriptor, const std::string& path);

  bool operator==(const FileIdentity&) const = default;
};

}  // namespace vae_dist::hdf5

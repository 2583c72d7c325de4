// Whether a file that is opened again is the one that was looked at.
#pragma once

#include <cstdint>
#include <string>

namespace vae_dist::hdf5 {

struct FileIdentity {
  std::uint64_t device = 0, inode = 0;
  std::int64_t size = 0,
               changed_ns =
                   0;  ///< bytes; nanoseconds since the epoch, of the last change of its content

  /// Of a file that is there. Throws BadInput with the system's reason.
  static FileIdentity of(const std::string& path);
  static FileIdentity of(int descriptor, const std::string& path);

  bool operator==(const FileIdentity&) const = default;
};

}  // namespace vae_dist::hdf5

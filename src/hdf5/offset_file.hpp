// A file that is read at offsets, past HDF5 and its lock. Of all such files only some are open at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "hdf5/file_identity.hpp"

namespace vae_dist::hdf5 {

class OffsetFile {
 public:
  /// Throws BadInput with the system's reason where the file cannot be read.
  explicit OffsetFile(std::string path);
  ~OffsetFile();
  OffsetFile(const OffsetFile&) = delete;
  OffsetFile& operator=(const OffsetFile&) = delete;

  const std::string& path() const { return path_; }
  std::int64_t size() const { return identity_.size; }  ///< bytes

  /// Fills `out` from `offset` on. Safe from several threads. Throws Failure: the file ends before,
  /// cannot be read, or was changed since it was opened first.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

  /// The system shall read this part into its page cache. Returns at once.
  void will_need(std::uint64_t offset, std::uint64_t bytes) const;

 private:
  using Descriptor = std::shared_ptr<const int>;
  Descriptor descriptor() const;

  std::string path_;
  FileIdentity identity_;
  mutable Descriptor
      open_;  // guarded by the lock of all files of this kind; whoever reads keeps a copy
};

}  // namespace vae_dist::hdf5

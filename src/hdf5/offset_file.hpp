// A file that is read at offsets, bypassing HDF5 and its lock. Only a limited number of such files
// is open at a time.
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
  /// Throws BadInput with the system's reason if the file cannot be read.
  explicit OffsetFile(std::string path);
  ~OffsetFile();
  OffsetFile(const OffsetFile&) = delete;
  OffsetFile& operator=(const OffsetFile&) = delete;

  const std::string& path() const { return path_; }
  const FileIdentity& identity() const { return identity_; }
  std::int64_t size() const { return identity_.size; }  ///< bytes

  /// Fills `out` from `offset` on. Thread-safe. Throws Failure if the file ends too early, cannot
  /// be read, or has changed since it was first opened.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

  /// Asks the system to read this part into its page cache. Returns at once.
  void will_need(std::uint64_t offset, std::uint64_t bytes) const;

 private:
  using Descriptor = std::shared_ptr<const int>;
  Descriptor descriptor() const;

  std::string path_;
  FileIdentity identity_;
  mutable Descriptor open_;  // guarded by the lock that all OffsetFiles share; readers keep a copy
};

}  // namespace vae_dist::hdf5

// A file under construction. It gets its final name only when it is complete.
#pragma once

#include <string>

namespace vae_dist::hdf5 {

/// Write to path(), then call commit(). Without commit(), the destructor removes the file.
class PartialFile {
 public:
  /// Creates the parent directory if needed. Throws BadInput if that fails, or if `target` is a
  /// directory or a file that is not HDF5: a dataset may be created again, but a swapped argument
  /// must not destroy somebody's file.
  explicit PartialFile(const std::string& target);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();

  const std::string& path() const { return path_; }  ///< `target`.partial.<pid>

  /// Makes the content durable and renames the file to the target.
  void commit();

 private:
  std::string target_, path_;
};

}  // namespace vae_dist::hdf5

// A file that is being made: it takes its name only when it is complete.
#pragma once

#include <string>

namespace vae_dist::datasets {

/// Write to path(), then commit(). Without commit() the destructor removes what there is.
class PartialFile {
 public:
  /// Makes the parent directory when there is none. Throws BadInput when it cannot, and when
  /// `target` is a directory or a file that is no HDF5 file: a dataset may be made again, but a
  /// swapped argument must not cost somebody a file.
  explicit PartialFile(const std::string& target);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();

  const std::string& path() const { return path_; }  ///< `target`.partial.<pid>

  /// Makes the content durable and gives it the target's name.
  void commit();

 private:
  std::string target_, path_;
};

}  // namespace vae_dist::datasets

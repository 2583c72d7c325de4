// Asks the system to read files into its page cache before they are needed. Chunks are read one at
// a time under HDF5's lock, so every read from a cold disk would stall the readers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vae_dist::hdf5 {

class PageCache {
 public:
  /// Takes the files that will be read from beginning to end, in about this order. Skips files that
  /// cannot be opened. No file stays open. Of very many files, which are small, none is read ahead.
  explicit PageCache(const std::vector<std::string>& files);

  /// Reports that `share` of all bytes has been read. The system then starts to read the bytes that
  /// follow. Returns at once. Not thread-safe.
  void will_need(double share);

 private:
  struct File {
    std::string path;
    std::int64_t first, size;  // bytes
  };
  std::vector<File> files_;
  std::int64_t size_ = 0, asked_ = 0;
};

}  // namespace vae_dist::hdf5

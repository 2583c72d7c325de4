// Asks the system to read files into its page cache ahead of their use: chunks are read one at a
// time under HDF5's lock, and a cold disk would be waited for each time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vae_dist::hdf5 {

class PageCache {
 public:
  /// Files that will be read from begin to end, about in this order. One that cannot be opened is
  /// left out. None of them stays open.
  explicit PageCache(const std::vector<std::string>& files);

  /// `share` of all bytes has been read: the system starts to read what comes next. Returns at
  /// once. For one thread.
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

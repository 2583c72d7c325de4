#include "hdf5/page_cache.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace vae_dist::hdf5 {
namespace {

constexpr std::int64_t kAhead = std::int64_t{64} << 20, kStep = std::int64_t{8} << 20;
constexpr std::size_t kMostFiles = 1024;

}  // namespace

PageCache::PageCache(const std::vector<std::string>& files) {
  if (files.size() > kMostFiles) return;
  for (const std::string& file : files) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) continue;
    files_.push_back({file, size_, status.st_size});
    size_ += status.st_size;
  }
}

void PageCache::will_need(double share) {
  const std::int64_t wanted =
      std::min(size_, static_cast<std::int64_t>(share * static_cast<double>(size_)) + kAhead);
  while (asked_ < wanted) {
    const std::int64_t end = asked_ + kStep;
    for (const File& file : files_) {
      const std::int64_t from = std::max(asked_, file.first),
                         to = std::min(end, file.first + file.size);
      if (from >= to) continue;
      const int descriptor = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
      if (descriptor < 0) continue;
      ::posix_fadvise(descriptor, from - file.first, to - from, POSIX_FADV_WILLNEED);
      ::close(descriptor);
    }
    asked_ = end;
  }
}

}  // namespace vae_dist::hdf5

#include "hdf5/offset_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/descriptor_limit.hpp"
#include "base/error.hpp"
#include "hdf5/least_recently_used.hpp"

namespace vae_dist::hdf5 {
namespace {

std::mutex& files_mutex() {
  static std::mutex one;
  return one;
}

LeastRecentlyUsed<const OffsetFile>& open_files() {
  static LeastRecentlyUsed<const OffsetFile> one;
  return one;
}

std::shared_ptr<const int> open_read_only(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    throw base::BadInput(base::text("cannot read ", path, ": ", std::strerror(errno)));
  return std::shared_ptr<const int>(new int(descriptor), [](const int* d) {
    ::close(*d);
    delete d;
  });
}

}  // namespace

OffsetFile::OffsetFile(std::string path) : path_(std::move(path)) {
  open_ = open_read_only(path_);
  identity_ = FileIdentity::of(*open_, path_);
  descriptor();  // counts it among the open ones
}

OffsetFile::~OffsetFile() {
  const std::lock_guard lock(files_mutex());
  open_files().forget(this);
}

OffsetFile::Descriptor OffsetFile::descriptor() const {
  const std::lock_guard lock(files_mutex());
  if (!open_) {
    open_ = open_read_only(path_);
    if (FileIdentity::of(*open_, path_) != identity_) {
      open_.reset();
      throw base::Failure(base::text(path_, " was changed or replaced while it was in use"));
    }
  }
  if (const OffsetFile* const oldest = open_files().use(this, base::descriptors_for_data()))
    oldest->open_.reset();
  return open_;
}

void OffsetFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  const Descriptor open = descriptor();
  for (std::size_t done = 0; done < out.size();) {
    const ssize_t bytes =
        ::pread(*open, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0)
      throw base::Failure(
          base::text("cannot read ", path_, " at byte ", offset + done, ": ",
                     bytes == 0 ? "the file ends before this byte" : std::strerror(errno)));
    done += static_cast<std::size_t>(bytes);
  }
}

void OffsetFile::will_need(std::uint64_t offset, std::uint64_t bytes) const {
  ::posix_fadvise(*descriptor(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                  POSIX_FADV_WILLNEED);
}

}  // namespace vae_dist::hdf5

#include "base/durable_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.hpp"
#include "base/write_all.hpp"

namespace vae_dist::base {
namespace {

class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags)
      : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (fd_ < 0) throw Failure(text("cannot open ", path_, ": ", std::strerror(errno)));
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  void write_all(std::string_view bytes) {
    if (!base::write_all(fd_, bytes))
      throw Failure(text("cannot write ", path_, ": ", std::strerror(errno)));
  }

  void sync() {
    if (::fsync(fd_) != 0) throw Failure(text("cannot fsync ", path_, ": ", std::strerror(errno)));
  }

  // Some file systems report a failed write only here.
  void close() {
    const int result = ::close(fd_);
    fd_ = -1;
    if (result != 0) throw Failure(text("cannot close ", path_, ": ", std::strerror(errno)));
  }

 private:
  const std::filesystem::path& path_;
  int fd_;
};

}  // namespace

void write_and_sync(const std::filesystem::path& path, std::string_view bytes) {
  Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC);
  file.write_all(bytes);
  file.sync();
  file.close();
}

void sync_directory(const std::filesystem::path& directory) {
  Descriptor handle(directory, O_RDONLY | O_DIRECTORY);
  handle.sync();
}

void replace_file(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path parent =
      path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const std::filesystem::path scratch =
      parent / text(".", path.filename().string(), ".", ::getpid());
  try {
    write_and_sync(scratch, bytes);
    if (std::rename(scratch.c_str(), path.c_str()) != 0)
      throw Failure(text("cannot rename ", scratch, " to ", path, ": ", std::strerror(errno)));
  } catch (...) {
    ::unlink(scratch.c_str());
    throw;
  }
  sync_directory(parent);
}

std::string read_file(const std::filesystem::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) throw BadInput(text("cannot read ", path, ": ", std::strerror(errno)));
  std::string bytes;
  char block[65536];
  std::size_t got = 0;
  while ((got = std::fread(block, 1, sizeof block, file)) > 0) bytes.append(block, got);
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) throw BadInput(text("cannot read ", path, ": ", std::strerror(errno)));
  return bytes;
}

}  // namespace vae_dist::base

#include "hdf5/file_identity.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/error.hpp"

namespace vae_dist::hdf5 {
namespace {

FileIdentity identity(int result, const struct stat& status, const std::string& path) {
  if (result != 0)
    throw base::BadInput(base::text("cannot read ", path, ": ", std::strerror(errno)));
  return {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino),
          static_cast<std::int64_t>(status.st_size),
          std::int64_t{1'000'000'000} * status.st_mtim.tv_sec + status.st_mtim.tv_nsec};
}

}  // namespace

FileIdentity FileIdentity::of(const std::string& path) {
  struct stat status{};
  return identity(::stat(path.c_str(), &status), status, path);
}

FileIdentity FileIdentity::of(int descriptor, const std::string& path) {
  struct stat status{};
  return identity(::fstat(descriptor, &status), status, path);
}

}  // namespace vae_dist::hdf5

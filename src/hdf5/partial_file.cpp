#include "hdf5/partial_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/durable_file.hpp"
#include "base/error.hpp"

namespace vae_dist::hdf5 {
namespace {

std::filesystem::path directory_of(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

bool is_hdf5(const std::string& path) {
  constexpr char kSignature[] = "\x89HDF\r\n\x1a\n";
  char start[8] = {};
  std::ifstream(path, std::ios::binary).read(start, sizeof start);
  return std::memcmp(start, kSignature, sizeof start) == 0;
}

}  // namespace

PartialFile::PartialFile(const std::string& target)
    : target_(target), path_(base::text(target, ".partial.", ::getpid())) {
  std::error_code error;
  std::filesystem::create_directories(directory_of(target), error);
  if (error)
    throw base::BadInput(base::text("cannot create the directory ", directory_of(target).string(),
                                    ": ", error.message()));
  if (std::filesystem::is_directory(target, error))
    throw base::BadInput(base::text("cannot write ", target, ": it is a directory"));
  if (std::filesystem::exists(target, error) && !is_hdf5(target))
    throw base::BadInput(base::text(target,
                                    " exists and is not an HDF5 file, so it is not overwritten; "
                                    "choose another name, or remove the file first"));
}

PartialFile::~PartialFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

void PartialFile::commit() {
  const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  const int reason = errno;
  if (file >= 0) ::close(file);
  if (!synced) throw base::Failure(base::text("cannot fsync ", path_, ": ", std::strerror(reason)));
  if (std::rename(path_.c_str(), target_.c_str()) != 0)
    throw base::Failure(
        base::text("cannot rename ", path_, " to ", target_, ": ", std::strerror(errno)));
  path_.clear();
  base::sync_directory(directory_of(target_));
}

}  // namespace vae_dist::hdf5

#include "run/run_directory.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.hpp"

namespace vae_dist::run {

namespace {

void make(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw base::BadInput(base::text("cannot create the run directory ", folder, ": ",
                                    error.message(), ". Choose another with run.directory."));
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    throw base::BadInput(base::text("cannot write to the run directory ", folder, ": ",
                                    std::strerror(errno), ". Choose another with run.directory."));
}

}  // namespace

std::filesystem::path RunDirectory::create_root() const {
  std::filesystem::path first;
  std::error_code ignored;
  for (auto folder = path_; !folder.empty() && !std::filesystem::exists(folder, ignored);
       folder = folder.parent_path())
    first = folder;
  make(path_);
  return first;
}

void RunDirectory::create() const {
  for (const auto& folder : {path_, checkpoints(), pictures(), errors()}) make(folder);
}

}  // namespace vae_dist::run

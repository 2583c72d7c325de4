#include "train/run_directory.hpp"

#include <cerrno>
#include <cstring>
#include <unistd.h>

#include "base/error.hpp"

namespace vae_dist {

namespace {

bool make(const std::filesystem::path& folder) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(folder, error);
  if (error) throw BadInput(text("cannot make the run directory ", folder, ": ", error.message(), ". Choose another with run.directory."));
  if (::access(folder.c_str(), W_OK | X_OK) != 0) throw BadInput(text("cannot write to the run directory ", folder, ": ", std::strerror(errno), ". Choose another with run.directory."));
  return made;
}

}  // namespace

bool RunDirectory::create_root() const { return make(path_); }

void RunDirectory::create() const {
  for (const auto& folder : {path_, checkpoints(), pictures(), errors()}) make(folder);
}

}  // namespace vae_dist

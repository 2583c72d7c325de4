#include "base/modified.hpp"

#include <sys/stat.h>

namespace vae_dist::base {

std::optional<Seconds> modified(const std::filesystem::path& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return std::nullopt;
  return Seconds(static_cast<double>(status.st_mtim.tv_sec) +
                 1e-9 * static_cast<double>(status.st_mtim.tv_nsec));
}

}  // namespace vae_dist::base

#include "base/user_name.hpp"

#include <pwd.h>
#include <unistd.h>

namespace vae_dist::base {

std::string user_name() {
  const passwd* const entry = ::getpwuid(::geteuid());
  return entry != nullptr && entry->pw_name != nullptr && *entry->pw_name != '\0'
             ? entry->pw_name
             : std::to_string(::geteuid());
}

}  // namespace vae_dist::base

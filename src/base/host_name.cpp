#include "base/host_name.hpp"

#include <unistd.h>

#include <array>

namespace vae_dist::base {

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace vae_dist::base

#include "base/descriptor_limit.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace vae_dist::base {
namespace {

constexpr rlim_t kEnough = rlim_t{1} << 20;  // caps an unlimited hard limit

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = std::min(limit.rlim_max, kEnough);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<std::size_t>(std::min(limit.rlim_cur, kEnough));
}

std::size_t descriptors_for_data() {
  // More open files do not make reading faster.
  constexpr std::size_t kLeast = 16, kMost = 256;
  return std::clamp(descriptor_limit() / 8, kLeast, kMost);
}

}  // namespace vae_dist::base

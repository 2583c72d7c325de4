#include "data/signs_of_life.hpp"

#include <signal.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "base/error.hpp"

namespace vae_dist::data {

std::uint64_t process_namespace() {
  struct stat status{};
  return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

bool is_there(std::int32_t process) {
  if (::kill(process, 0) != 0 && errno == ESRCH) return false;
  std::ifstream file(base::text("/proc/", process, "/stat"));
  std::string stat;
  std::getline(file, stat);
  const std::size_t name_end = stat.rfind(')');  // the name may contain any character
  return name_end == std::string::npos || name_end + 2 >= stat.size() ||
         (stat[name_end + 2] != 'Z' && stat[name_end + 2] != 'X');
}

void Pulses::look() {
  if (since_look_.restart() > base::Seconds(1)) since_.assign(since_.size(), {});
}

base::Seconds Pulses::silence(int i, std::int64_t now) {
  const auto at = static_cast<std::size_t>(i);
  if (last_[at] != now) since_[at].restart();
  last_[at] = now;
  return since_[at].elapsed();
}

}  // namespace vae_dist::data

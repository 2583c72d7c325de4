#include "base/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace vae_dist::base {
namespace {

constexpr int kNone = -1;

// Opens the terminal of the mpirun that started this rank. A rank's stderr is a pipe to mpirun (on
// other hosts to a daemon), which forwards every byte immediately.
int terminal_of_mpirun() {
  struct stat status{};
  if (std::getenv("OMPI_COMM_WORLD_RANK") == nullptr || ::fstat(STDERR_FILENO, &status) != 0 ||
      !S_ISFIFO(status.st_mode))
    return kNone;
  const std::string path =
      "/proc/" + std::to_string(::getppid()) + "/fd/" + std::to_string(STDERR_FILENO);
  const int fd = ::open(path.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || ::isatty(fd) == 1) return fd;
  ::close(fd);
  return kNone;
}

int find_terminal() {
  const char* const kind = std::getenv("TERM");
  if (kind == nullptr || std::string(kind) == "dumb") return kNone;
  return ::isatty(STDERR_FILENO) == 1 ? STDERR_FILENO : terminal_of_mpirun();
}

int terminal() {
  static const int fd = find_terminal();
  return fd;
}

}  // namespace

bool on_terminal() { return terminal() >= 0; }

std::size_t terminal_columns() {
  winsize size{};
  return on_terminal() && ::ioctl(terminal(), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace vae_dist::base

#include "launcher/failure_report.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/terminal.hpp"

namespace vae_dist::launcher {
namespace {

// Uses no buffers and no locks, because the process may be in any state.
void write_raw(int fd, const std::string& message) {
  std::size_t done = 0;
  while (done < message.size()) {
    const ssize_t n = ::write(fd, message.data() + done, message.size() - done);
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace

void FailureReport::print(const std::exception& error) const { tell(base::describe(error) + "\n"); }

void FailureReport::fail(const std::exception& error, const std::string& details) const {
  tell(base::describe(error, world_size_ > 1 ? rank_ : -1) + "\n" + details);
}

void FailureReport::tell(const std::string& message) const {
  if (base::on_terminal()) write_raw(STDERR_FILENO, "\r\x1b[J");  // clears a status line
  write_raw(STDERR_FILENO, message);
  if (directory_.empty()) return;
  const std::string path = directory_ + "/rank_" + std::to_string(rank_) + ".txt";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return;
  write_raw(fd, message);
  ::close(fd);
}

}  // namespace vae_dist::launcher

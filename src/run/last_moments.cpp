#include "run/last_moments.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "run/stop_signal.hpp"

namespace vae_dist::run {
namespace {

// Returns whether the descriptor becomes readable within `time`; null waits without a limit.
bool readable(pollfd& descriptor, const base::Seconds* time) {
  const base::Stopwatch waited;
  while (true) {
    const double left = time ? std::max(0.0, (*time - waited.elapsed()).count()) : 0;
    const int found =
        ::poll(&descriptor, 1, time ? static_cast<int>(1000 * std::min(left, 1e6)) : -1);
    if (found > 0) return true;
    if (found == 0 && (!time || waited.elapsed() >= *time)) return false;
    if (found < 0 && errno != EINTR) return false;
  }
}

void wait_and_speak(int mpirun_ends, int over, base::Seconds after,
                    const std::function<void()>& last_words) {
  pollfd both[] = {{mpirun_ends, POLLIN, 0}, {over, POLLIN, 0}};
  while (::poll(both, 2, -1) < 0)
    if (errno != EINTR) return;
  if (both[1].revents != 0) return;
  pollfd end = {over, POLLIN, 0};
  if (!readable(end, &after)) last_words();
}

}  // namespace

LastMoments::LastMoments(base::Seconds after, std::function<void()> last_words) {
  const int mpirun_ends = mpirun_ends_descriptor();
  if (mpirun_ends < 0) return;
  over_ = ::eventfd(0, EFD_CLOEXEC);
  if (over_ >= 0)
    thread_ = std::thread(wait_and_speak, mpirun_ends, over_, after, std::move(last_words));
}

LastMoments::~LastMoments() {
  if (over_ < 0) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(over_, &one, sizeof one);
  thread_.join();
  ::close(over_);
}

}  // namespace vae_dist::run

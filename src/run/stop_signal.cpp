#include "run/stop_signal.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

namespace vae_dist::run {
namespace {

volatile std::sig_atomic_t requested = 0, ends = 0;
pid_t the_mpirun = 0;
int ends_descriptor = -1;

void request(int) { requested = 1; }

void on_sigcont(int, siginfo_t* info, void*) {
  if (info->si_pid != the_mpirun) return;
  ends = 1;
  requested = 1;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(ends_descriptor, &one, sizeof one);
}

}  // namespace

void install_stop_signals(pid_t mpirun) {
  struct sigaction action{};
  action.sa_handler = request;
  action.sa_flags = SA_RESTART;  // resume interrupted reads and writes
  sigaction(SIGUSR1, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);

  // A process started in the background or under nohup ignores SIGINT and must keep doing so.
  struct sigaction before{};
  sigaction(SIGINT, nullptr, &before);
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  if (before.sa_handler != SIG_IGN) sigaction(SIGINT, &action, nullptr);

  if (mpirun <= 0 || ends_descriptor >= 0) return;
  ends_descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (ends_descriptor < 0) return;
  the_mpirun = mpirun;
  struct sigaction continues{};
  continues.sa_sigaction = on_sigcont;
  continues.sa_flags = SA_RESTART | SA_SIGINFO;
  sigaction(SIGCONT, &continues, nullptr);
}

bool stop_requested() { return requested != 0; }

bool mpirun_ends() { return ends != 0; }

int mpirun_ends_descriptor() { return ends_descriptor; }

}  // namespace vae_dist::run

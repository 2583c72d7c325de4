#include "run/terminate_handler.hpp"

#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/attempt.hpp"
#include "base/error.hpp"
#include "comm/nccl_communicator.hpp"
#include "run/standby_thread.hpp"

namespace vae_dist::run {
namespace {

// A rank that may be a consequence of another one's failure waits 2 s for that rank to say so, and
// as long again before it reports.
constexpr base::Seconds kTimeToTell{6};
constexpr base::Seconds kTimeToEnd{15};       // for all but saving
constexpr base::Seconds kTimeForTheRest{20};  // until the alarm ends the process
constexpr std::chrono::milliseconds kPause{5};

constexpr char kHowItEscaped[] =
    "(The exception escaped where nothing can catch it: from a destructor, from another function "
    "that must not throw, or from a thread without a handler.)\n";
constexpr std::string_view kNoMemoryToTell =
    "vae_dist: an exception escaped where nothing can catch it, and there is no memory to say "
    "which\n";

struct Ways {
  std::mutex mutex;  // held while the process ends, so that what is in use cannot be destroyed
  const comm::MpiWorld* world = nullptr;
  TerminateHandler::Tell tell;
  EndAfterTerminate::End end;
  std::unique_ptr<StandbyThread> ender;
  std::terminate_handler before = nullptr;

  // Set by the terminated thread before `ender` goes.
  std::exception_ptr exception;
  std::atomic<std::thread::id> terminated;

  std::atomic<bool> begun = false, told = false;
  std::atomic<double> allowed = 0;  // s
};

// Never destroyed, because a thread may terminate while static objects are being destroyed.
Ways& ways() {
  static auto* const all = new Ways;
  return *all;
}

// Calls `use` with the exception, as an error of a failed rank whatever it was.
template <typename Use>
void with_error(const std::exception_ptr& exception, Use use) {
  try {
    if (!exception)
      throw base::Failure("std::terminate was called, and there is no exception that says why");
    std::rethrow_exception(exception);
  } catch (const base::Error& error) {
    if (error.code() == base::ExitCode::rank_failed) return use(error);
    use(base::Failure(error.what(), error.where()));
  } catch (const std::exception& error) {
    use(error);
  } catch (...) {
    use(base::Failure("an exception of an unknown type was thrown"));
  }
}

// Runs in the thread that waits for it.
void end_for_terminated_thread() {
  Ways& all = ways();
  const std::lock_guard lock(all.mutex);
  with_error(all.exception, [&](const std::exception& error) {
    if (all.end) return all.end(all.terminated, error, kHowItEscaped);
    all.tell(error, kHowItEscaped);
    all.told = true;
    comm::abort_nccl_communicators();
    all.world->abort(base::ExitCode::rank_failed);
  });
}

void tell_without_help() noexcept {
  Ways& all = ways();
  const bool told = base::attempt([&] {
    with_error(all.exception, [&](const std::exception& error) { all.tell(error, kHowItEscaped); });
  });
  if (told) return;
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, kNoMemoryToTell.data(), kNoMemoryToTell.size());
}

// An alarm ends the process if all else hangs. One that another thread has set for that stays.
void set_alarm(base::Seconds limit) noexcept {
  itimerval set{};
  ::getitimer(ITIMER_REAL, &set);
  if (set.it_value.tv_sec > 0 || set.it_value.tv_usec > 0) return;
  std::signal(SIGALRM, [](int) { ::_exit(static_cast<int>(base::ExitCode::rank_failed)); });
  ::alarm(static_cast<unsigned>(limit.count()));
}

[[noreturn]] void end_this_process() noexcept {
  Ways& all = ways();
  if (all.begun.exchange(true)) {
    // Whatever failed in the terminated thread after it had begun, no more is to be expected of it.
    if (all.terminated.load() == std::this_thread::get_id())
      all.world->abort(base::ExitCode::rank_failed);
    while (true) std::this_thread::sleep_for(std::chrono::hours(1));
  }
  all.terminated = std::this_thread::get_id();
  all.exception = std::current_exception();
  const base::Seconds limit = kTimeToEnd + base::Seconds(all.allowed);
  set_alarm(limit + kTimeForTheRest);

  all.ender->go();
  const base::Stopwatch since;
  while (!all.told && since.elapsed() < kTimeToTell) std::this_thread::sleep_for(kPause);
  if (!all.told) tell_without_help();
  // The other thread ends the process, unless a lock of this one is in its way.
  while (since.elapsed() < limit) std::this_thread::sleep_for(kPause);
  all.world->abort(base::ExitCode::rank_failed);
}

}  // namespace

TerminateHandler::TerminateHandler(const comm::MpiWorld& world, Tell tell) {
  Ways& all = ways();
  const std::lock_guard lock(all.mutex);
  all.begun = all.told = false;
  all.ender = std::make_unique<StandbyThread>(end_for_terminated_thread);
  all.world = &world;
  all.tell = std::move(tell);
  all.before = std::set_terminate(end_this_process);
}

TerminateHandler::~TerminateHandler() {
  Ways& all = ways();
  // If another thread has begun to end the process, it needs what would be destroyed here.
  while (all.begun.exchange(true)) std::this_thread::sleep_for(std::chrono::hours(1));
  const std::lock_guard lock(all.mutex);
  std::set_terminate(all.before);
  all.ender.reset();
  all.tell = {};
  all.world = nullptr;
}

EndAfterTerminate::EndAfterTerminate(End end) {
  const std::lock_guard lock(ways().mutex);
  ways().end = std::move(end);
}

EndAfterTerminate::~EndAfterTerminate() {
  const std::lock_guard lock(ways().mutex);
  ways().end = {};
  ways().allowed = 0;
}

void EndAfterTerminate::allow(base::Seconds time) noexcept { ways().allowed = time.count(); }

void EndAfterTerminate::note_report() noexcept { ways().told = true; }

}  // namespace vae_dist::run

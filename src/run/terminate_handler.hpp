// What a process does when an exception escapes where nothing can catch it (std::terminate): in a
// destructor, mostly a deleter that throws while the stack unwinds after a CUDA error, in another
// function that must not throw, or in a thread without a handler. It ends all ranks as a failing
// rank does (rank_failure.hpp), and it ends itself within a limited time whatever happens.
//
// The thread that called std::terminate may hold any lock, may itself be the one that is ending the
// process, and can go on with nothing. So a thread that has been waiting for this reports the
// exception and tells the other ranks. The terminated thread waits for it, reports the exception
// itself if that has not happened, and ends the process.
#pragma once

#include <exception>
#include <functional>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "comm/mpi_world.hpp"

namespace vae_dist::run {

/// Is in force while it lives. There is at most one at a time. Thread-safe.
class TerminateHandler {
 public:
  /// Reports the exception to the user. `details` says how it escaped. Must take no lock.
  using Tell = std::function<void(const std::exception&, const std::string& details)>;

  /// `world` must outlive this object. Throws std::system_error if no thread can be started.
  TerminateHandler(const comm::MpiWorld& world, Tell tell);
  ~TerminateHandler();
  TerminateHandler(const TerminateHandler&) = delete;
  TerminateHandler& operator=(const TerminateHandler&) = delete;
};

/// Says how a run ends after std::terminate, instead of by a report and an abort alone. Does
/// nothing in a process without a TerminateHandler.
class EndAfterTerminate {
 public:
  /// Ends all ranks. Called once, in a thread of its own; may return or wait forever. `terminated`
  /// is the thread that called std::terminate.
  using End = std::function<void(std::thread::id terminated, const std::exception&,
                                 const std::string& details)>;

  explicit EndAfterTerminate(End end);

  /// Does not return once `end` was called.
  ~EndAfterTerminate();
  EndAfterTerminate(const EndAfterTerminate&) = delete;
  EndAfterTerminate& operator=(const EndAfterTerminate&) = delete;

  /// Grants `end` this much time beyond some seconds.
  static void allow(base::Seconds time) noexcept;

  /// Notes that this process has reported why it ends. A terminated thread then reports nothing.
  static void note_report() noexcept;
};

}  // namespace vae_dist::run

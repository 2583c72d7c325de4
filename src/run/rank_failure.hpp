// Ends the whole world when a rank fails after the start. The order is: print its message, notify
// the other ranks, abort the collectives on its device, abort MPI, end the process.
//
// A rank that fails because another rank failed gives that rank time to end the world first, and
// marks its own message as a consequence.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <string>

#include "comm/mpi_world.hpp"
#include "comm/watchdog.hpp"

namespace vae_dist::run {

class RankFailure {
 public:
  /// Reports an error of this rank to the user; `details` holds further lines or is empty.
  using Tell = std::function<void(const std::exception&, const std::string& details)>;

  /// Starts the watchdog, whose findings end the world in the same way. A collective. `world` and
  /// `log` must outlive this object. A rank that fails first calls `last_words` after reporting its
  /// error, from any thread; the call must return within 2 s.
  RankFailure(const comm::MpiWorld& world, const comm::CollectiveLog& log, Tell tell,
              std::function<void()> last_words);

  comm::Watchdog& watchdog() { return watchdog_; }

  /// Thread-safe. The first failure in a process ends it; other threads that fail meanwhile block
  /// until then.
  [[noreturn]] void end_all_ranks(const std::exception& error, const std::string& details = "");

 private:
  const comm::MpiWorld& world_;
  const Tell tell_;
  const std::function<void()> last_words_;
  std::atomic<bool> ending_ = false;
  comm::Watchdog watchdog_;  // declared last because its thread uses all members above
};

}  // namespace vae_dist::run

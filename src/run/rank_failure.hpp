// How a rank that failed after the start ends the whole world, in this order: its message, the news
// to the other ranks, the collectives on its device, MPI, the process.
//
// A rank that fails because another did gives that one time to end it, and marks its message as a
// consequence.
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
  /// Says an error of this rank to people, with lines that tell more (or nothing).
  using Tell = std::function<void(const std::exception&, const std::string& details)>;

  /// Starts the watchdog, whose findings end the world this way too. A collective. `world` and
  /// `log` outlive this. `last_words`: what a rank that fails first still does once it has told its
  /// error, from whatever thread, within 2 s.
  RankFailure(const comm::MpiWorld& world, const comm::CollectiveLog& log, Tell tell,
              std::function<void()> last_words);

  comm::Watchdog& watchdog() { return watchdog_; }

  /// From any thread. The first failure of a process ends it; threads that fail meanwhile wait for
  /// that.
  [[noreturn]] void end_all_ranks(const std::exception& error, const std::string& details = "");

 private:
  const comm::MpiWorld& world_;
  const Tell tell_;
  const std::function<void()> last_words_;
  std::atomic<bool> ending_ = false;
  comm::Watchdog watchdog_;  // last: its thread uses all of the above
};

}  // namespace vae_dist::run

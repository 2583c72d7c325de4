// Ends a run that hangs, and says which rank it waits for.
//
// Each rank has a control thread with a communicator of its own. It knows what its rank is doing
// and since when, answers when another rank asks, and asks all others when its own rank has waited
// too long: who does not answer is not responding, who has started fewer collectives is late.
// Messages are polled with sleeps, so the thread costs next to nothing.
//
// The same thread carries the news that a rank has failed, so that the others know their own
// failures for consequences.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "comm/collective_log.hpp"
#include "comm/mpi_world.hpp"

namespace vae_dist::comm {

class Watchdog {
 public:
  /// Must end the process: other threads are stuck for good. `details`: lines that say more, or
  /// nothing.
  using OnEnd = std::function<void(const base::Error&, const std::string& details)>;

  /// Starts the control thread where there are other ranks. A collective. `on_end` is called from
  /// that thread: when this rank has waited too long, and when another rank has failed and this one
  /// is still there a while later. `log` outlives the watchdog.
  Watchdog(const MpiWorld& world, const CollectiveLog& log, OnEnd on_end);
  ~Watchdog();  ///< not a collective; who is asked after its end does not answer
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// From now on this rank does this. With a `limit`, the rank has waited too long when it is still
  /// at it after that time.
  void enter(const std::string& phase, std::int64_t step, std::optional<base::Seconds> limit);

  /// Tells the other ranks that this one has failed and ends them with `code`. From any thread;
  /// takes a fraction of a second at most.
  void announce_failure(base::ExitCode code);

  /// A rank that has announced its failure; waits for such news up to `patience`. From any thread
  /// but the control thread.
  std::optional<int> failed_rank(base::Seconds patience);

 private:
  class ControlThread;
  std::unique_ptr<ControlThread> thread_;
};

}  // namespace vae_dist::comm

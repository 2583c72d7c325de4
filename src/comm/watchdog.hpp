// Ends a run that hangs and reports which rank it waits for.
//
// Each rank has a control thread with its own communicator. The thread knows what its rank is doing
// and since when. It answers questions of other ranks, and asks all others when its own rank has
// waited too long: a rank that does not answer is not responding, and a rank that has started fewer
// collectives is late. The thread polls for messages and sleeps in between, so it costs next to
// nothing.
//
// The thread also distributes the news that a rank has failed, so that the other ranks can
// recognise their own failures as consequences.
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
  /// Must end the process, because other threads may hang forever. `details`: further lines, or
  /// empty.
  using OnEnd = std::function<void(const base::Error&, const std::string& details)>;

  /// Starts the control thread if there are other ranks. A collective. The thread calls `on_end`
  /// when this rank has waited too long, and when another rank has failed and this one is still
  /// alive a while later. `log` must outlive the watchdog.
  Watchdog(const MpiWorld& world, const CollectiveLog& log, OnEnd on_end);
  ~Watchdog();  ///< not a collective; a rank that is asked afterwards does not answer
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Sets the current phase of this rank. With a `limit`, the rank has waited too long if it is
  /// still in this phase after that time.
  void enter(const std::string& phase, std::int64_t step, std::optional<base::Seconds> limit);

  /// Tells the other ranks that this one has failed and ends them with `code`. Thread-safe; takes a
  /// fraction of a second at most.
  void announce_failure(base::ExitCode code);

  /// Returns a rank that has announced its failure, after waiting for such news for up to
  /// `patience`. Call it from any thread except the control thread.
  std::optional<int> failed_rank(base::Seconds patience);

 private:
  class ControlThread;
  std::unique_ptr<ControlThread> thread_;
};

}  // namespace vae_dist::comm

// Ends a run that hangs and reports which rank it waits for.
//
// Each rank has a control thread with its own communicator. The thread knows what its rank is doing
// and since when. It answers questions of other ranks, and asks all others when its own rank has
// waited too long: a rank that does not answer is not responding, and a rank that has started fewer
// collectives is late. The thread polls for messages and sleeps in between, so it costs next to
// nothing.
//
// The thread also distributes the news that a rank has failed, so that the other ranks can
// recognise their own failures as consequences. It looks for a lost rank when something makes that
// likely, long before a limit has passed. And it asks NCCL whether a communicator has failed, which
// this rank would not notice while it waits for the GPU.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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

  /// What the control thread does about ranks that are lost. It calls these functions, which must
  /// return within milliseconds.
  struct LossAlarm {
    /// Whether a rank may have been lost. Asked at every poll.
    std::function<bool()> suspects;
    /// The ranks whose processes have ended, as far as this rank can see. Asked once suspected.
    std::function<std::vector<int>()> ended;
    /// How long this rank may take to answer before it counts as lost; nothing: its silence proves
    /// nothing.
    std::function<std::optional<base::Seconds>(int rank)> patience;
    /// Called once, with the ranks that were lost.
    std::function<void(const std::vector<int>&)> on_loss;
    /// Called once, when another rank announces its failure.
    std::function<void()> on_failure;
  };

  /// Starts the control thread if there are other ranks. A collective. The thread calls `on_end`
  /// when this rank has waited too long, when one of its NCCL communicators has failed, and when
  /// another rank has failed and this one is still alive a while later. `log` must outlive the
  /// watchdog.
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

  /// From now on looks for lost ranks. No-op without other ranks.
  void look_for_losses(LossAlarm alarm);

  /// Returns a rank that has announced its failure, after waiting for such news for up to
  /// `patience`. Call it from any thread except the control thread.
  std::optional<int> failed_rank(base::Seconds patience);

 private:
  class ControlThread;
  std::unique_ptr<ControlThread> thread_;
};

}  // namespace vae_dist::comm

// Knows at which step the learner's state is, and keeps it there when the run is about to end.
//
// The state of a learner changes in few places: the update at the end of a step, and the exchange
// of weights and their average around an evaluation. Everything else only reads it. When another
// rank has died, the thread that saves what this rank still has closes the gate: a change that has
// begun is finished first, no other begins, and the state stays what it is until the process ends,
// even while the main thread hangs in a collective.
//
// On a GPU the host runs ahead. The gate then keeps the host from starting further updates, and the
// device's own marks (device/update_marks.hpp) tell which of those that were started have run.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "base/clock.hpp"
#include "device/update_marks.hpp"

namespace vae_dist::step {

class UpdateGate {
 public:
  /// The state at which the gate was closed.
  struct Closed {
    std::int64_t step = 0;  ///< steps applied since the run's first start
    bool averages_swapped =
        false;  ///< the parameters hold the averages, and the averages the weights
  };

  explicit UpdateGate(c10::Device device);

  /// Sets the number of steps that the state includes.
  void starts_after(std::int64_t steps);

  /// Begins a change of the state. Never returns once the gate is closed. No-op within a change.
  void begin_change();

  /// Mark on the device's stream where a change that has begun reads the last of the old state, and
  /// where it has written the last of the new one. No-op on the CPU. A captured step records them.
  void mark_begin() {
    if (marks_) marks_->begin();
  }
  void mark_end() {
    if (marks_) marks_->end();
  }

  /// Ends the update that was begun: the state includes `steps` steps.
  void end_update(std::int64_t steps);

  /// Ends an exchange of weights and averages.
  void end_swap();

  /// A change was cut short by an error, so the state is unusable for ever. No-op between changes.
  void cut_short();

  /// Closes the gate for ever. Returns the state, or nothing if a change that had begun was cut
  /// short or did not end within `limit`. Thread-safe; any number of calls.
  std::optional<Closed> close(base::Seconds limit);

  /// Returns the device's counts, and the state after that many changes; nothing on the CPU.
  std::optional<device::UpdateMarks::Counts> counts() const;
  /// Returns the state after the first `changes` changes, if that was not long ago.
  std::optional<Closed> after(std::int64_t changes);

 private:
  void end();

  std::optional<device::UpdateMarks> marks_;  // on a GPU
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t changes_ = 0;
  std::deque<Closed> latest_;  // after the last changes, the latest at the end
  Closed now_;
  bool changing_ = false, cut_short_ = false, closed_ = false;
};

}  // namespace vae_dist::step

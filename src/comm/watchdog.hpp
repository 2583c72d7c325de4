// Ends a run that hangs, and says which rank it waits for.
//
// Each rank has a control thread with a communicator of its own. It knows what its rank is doing and since when, answers when another rank
// asks, and asks all others when its own rank has waited too long: who does not answer is not responding, who is behind is late.
// Messages are polled with sleeps, so the thread costs next to nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "comm/mpi_world.hpp"

namespace vae_dist {

/// What a rank is doing.
struct Activity {
  std::string phase;             ///< "waiting for data", "forward, backward and gradient exchange"
  std::int64_t step = 0;
  double seconds = 0;            ///< since it began
};

class Watchdog {
 public:
  /// Must end the process: other threads are stuck for good.
  using OnTimeout = std::function<void(const Error&)>;

  /// Starts the control thread where there are other ranks. A collective. `on_timeout` is called from that thread.
  Watchdog(const MpiWorld& world, OnTimeout on_timeout);
  ~Watchdog();  ///< not a collective; who is asked after its end does not answer
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// From now on this rank does this. With a `limit`, the rank has waited too long when it is still at it after that time.
  void enter(const std::string& phase, std::int64_t step, std::optional<Seconds> limit);

 private:
  class ControlThread;
  std::unique_ptr<ControlThread> thread_;
};

/// The sentence about a timeout: what did not end, and each rank that it waited for. `others[r]` is empty where rank r did not answer;
/// the entry of `rank` itself is not looked at. Pure.
std::string timeout_message(int rank, const Activity& mine, const std::vector<std::optional<Activity>>& others);

/// Whether `other` is no further than `mine`: in an earlier step, or in another phase of the same.
bool is_behind(const Activity& other, const Activity& mine);

}  // namespace vae_dist

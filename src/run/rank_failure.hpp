// Ends the whole world when a rank fails after the start. The order is: print its message, notify
// the other ranks, let the ranks that are left save the last step (survivors.hpp), abort the
// collectives on its device, abort MPI, end the process.
//
// A rank that was killed tells nobody. mpirun then begins to end the others: their control threads
// find out who is lost, and they save the last step before mpirun kills them.
//
// A rank that fails because another rank failed gives that rank time to end the world first, and
// marks its own message as a consequence.
//
// An exception that escapes where nothing can catch it ends all ranks in the same way, if the
// process has a handler for that (terminate_handler.hpp).
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "comm/mpi_world.hpp"
#include "comm/watchdog.hpp"
#include "run/launcher_facts.hpp"
#include "run/process_identity.hpp"
#include "run/standby_thread.hpp"
#include "run/terminate_handler.hpp"

namespace vae_dist::run {

class RankFailure {
 public:
  /// Reports an error of this rank to the user; `details` holds further lines or is empty.
  using Tell = std::function<void(const std::exception&, const std::string& details)>;

  /// Starts the watchdog, whose findings end the world in the same way. A collective. `world` and
  /// `log` must outlive this object. A rank that fails first calls `last_words` after reporting its
  /// error, from any thread; the call must return within 2 s. All threads that an end needs start
  /// here: make this object before the run takes its memory. Throws std::system_error if they
  /// cannot be started.
  RankFailure(const comm::MpiWorld& world, const comm::CollectiveLog& log, Tell tell,
              std::function<void()> last_words);

  comm::Watchdog& watchdog() { return watchdog_; }

  /// Saves what this rank has left, together with the other survivors, if it has anything.
  /// `has_ended` tells which ranks nobody needs to wait for.
  using SaveLastStep = std::function<void(const std::function<bool(int rank)>& has_ended)>;

  /// From now until the returned object is destroyed, every end of this process by a failure, its
  /// own or that of another rank, first calls `save` once, in a thread of its own, and waits for it
  /// for up to `limit`. `processes`: those of all ranks, by rank. Call it once.
  class Saving {
   public:
    explicit Saving(RankFailure& failure) : failure_(&failure) {}
    ~Saving() { failure_->save_nothing_more(); }
    Saving(const Saving&) = delete;
    Saving& operator=(const Saving&) = delete;

   private:
    RankFailure* failure_;
  };
  [[nodiscard]] Saving save_before_the_end(SaveLastStep save, base::Seconds limit,
                                           std::vector<ProcessIdentity> processes,
                                           const LauncherFacts& launcher);

  /// Thread-safe. The first failure in a process ends it; other threads that fail meanwhile block
  /// until then.
  [[noreturn]] void end_all_ranks(const std::exception& error, const std::string& details = "");

 private:
  void end_for(std::thread::id terminated, const std::exception& error, const std::string& details);
  void tell(const std::exception& error, const std::string& details);
  void save_nothing_more();
  void begin_saving() noexcept;
  void save();
  void wait_until_saved();
  void on_loss(const std::vector<int>& lost);
  void end_after_loss();
  void tell_and_save(const std::exception& error, const std::string& details);

  const comm::MpiWorld& world_;
  const Tell tell_;
  const std::function<void()> last_words_;
  std::atomic<bool> ending_ = false, told_ = false;
  std::atomic<std::thread::id> ending_thread_;

  std::mutex mutex_;
  std::condition_variable saved_;
  SaveLastStep save_;
  base::Seconds limit_{0};
  base::Stopwatch since_begun_;
  std::vector<ProcessIdentity> processes_;
  std::vector<int> lost_;
  base::Stopwatch since_loss_;
  LauncherFacts launcher_;
  bool saving_begun_ = false, saving_ended_ = false;
  StandbyThread saver_, ender_;        // their work uses all members above
  comm::Watchdog watchdog_;            // its thread uses all members above
  EndAfterTerminate after_terminate_;  // declared last because it uses all members above
};

}  // namespace vae_dist::run

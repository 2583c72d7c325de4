// Allows only one run per run directory: a second start that would train into the same directory is
// refused.
//
// runs/<name>/lock.json identifies the holder: host, process and its start time, job and the number
// of its restarts. The modification time of the file is the heartbeat. A holder that was killed
// cannot remove its lock, so the next start checks whether the holder is alive: by its process on
// the same host, by its heartbeat on another host. A restarted job takes the lock over from its
// earlier start, even if that still runs.
//
// vae_launch reads the file too: once it exists, every rank of that start treats SIGUSR1 as a
// request to stop.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "run/process_identity.hpp"

namespace vae_dist::run {

/// The job that started this run, and the number of its restarts. Starts of one job follow one
/// another.
struct JobIdentity {
  std::string id;            ///< empty: unknown
  std::int64_t restart = 0;  ///< grows with every start of the job
};

/// Reads the identity that vae_launch set (VAE_DIST_JOB_ID, VAE_DIST_JOB_RESTART), or else that of
/// Slurm (SLURM_JOB_ID, SLURM_RESTART_COUNT).
JobIdentity job_from_environment();

/// The location of a run's lock.
struct LockLocation {
  std::filesystem::path file;  ///< its directory exists
  /// The outermost directory that was created for this run; empty: none.
  std::filesystem::path made;
};

/// Returns the process that holds a lock; nothing if the file cannot be read or is damaged.
std::optional<ProcessIdentity> lock_holder(const std::filesystem::path& file);

class RunLock {
 public:
  static constexpr base::Seconds kHeartbeat{10};
  static constexpr int kMissedHeartbeats = 3;  ///< missed heartbeats after which a lock is stale

  /// Takes the lock. Throws BadInput, naming the holder, if another run trains in the directory; if
  /// that run is on another host, finding out takes up to three heartbeats. A thread then keeps the
  /// heartbeat. If another start takes the lock over, that thread calls `on_loss` once with a
  /// message: this run must end and write nothing more. `inherits`: the content() of a lock that
  /// another rank of this start holds or held. It is taken over at once, and any other lock is
  /// refused at once.
  RunLock(LockLocation location, const JobIdentity& job,
          std::function<void(const std::string&)> on_loss, base::Seconds heartbeat = kHeartbeat,
          const std::string& inherits = "");

  /// Removes the file if this object still holds the lock, and then the directories that were
  /// created for it as far as they are empty: a refused run leaves no trace.
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  /// Returns the content of the lock's file while this object holds it.
  const std::string& content() const { return content_; }

 private:
  void take(const JobIdentity& job, const std::string& inherits);
  void beat();

  const std::filesystem::path file_;
  const std::filesystem::path made_;
  const std::string content_;  // the content of the file
  const std::function<void(const std::string&)> on_loss_;
  const base::Seconds heartbeat_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread heartbeat_thread_;
};

}  // namespace vae_dist::run

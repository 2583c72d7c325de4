// One run directory, one run: a second start that would train into the same directory is refused.
//
// runs/<name>/lock.json says who trains there: host, process and when it started, job and how often
// that was restarted. Its time of modification is the heartbeat. A holder that was killed cannot
// take its lock away, so who comes next looks: on the same host at the process, from another at the
// heartbeat. A job that was started again takes over from its earlier start, whatever is left of
// that.
//
// vae_launch reads it too: once it is there, every rank of that start takes SIGUSR1 for a request
// to stop.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.hpp"

namespace vae_dist::run {

/// What started this run, and how often it has done so. Starts of one job follow each other.
struct JobIdentity {
  std::string id;            ///< empty: nobody said
  std::int64_t restart = 0;  ///< grows with every start of the job
};

/// As vae_launch says it (VAE_DIST_JOB_ID, VAE_DIST_JOB_RESTART), else Slurm (SLURM_JOB_ID,
/// SLURM_RESTART_COUNT).
JobIdentity job_from_environment();

/// Where a run's lock lies.
struct LockPlace {
  std::filesystem::path file;  ///< its directory is there
  std::filesystem::path made;  ///< the first of the directories on the way to it that were made for
                               ///< this run; empty: none
};

class RunLock {
 public:
  static constexpr base::Seconds kHeartbeat{10};
  static constexpr int kMissed = 3;  ///< heartbeats after which a lock is nobody's

  /// Takes the lock. At the end the directories that were made for it go again, as far as nothing
  /// came into them: a run that is refused leaves no trace. Throws BadInput, naming the holder,
  /// where another run trains; to know that of one on another host takes up to three heartbeats.
  /// From then on a thread keeps the heart beating. `on_loss` is called from it, once, with a
  /// sentence, when another start has taken the lock over: this one must end, and write nothing
  /// more.
  RunLock(LockPlace place, const JobIdentity& job, std::function<void(const std::string&)> on_loss,
          base::Seconds heartbeat = kHeartbeat);

  /// Takes the file away, if it is still this one's.
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  void take(const JobIdentity& job);
  void beat();

  const std::filesystem::path file_;
  const std::filesystem::path made_;
  const std::string mine_;  // its content
  const std::function<void(const std::string&)> on_loss_;
  const base::Seconds heartbeat_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread heart_;
};

}  // namespace vae_dist::run

// Publishes the progress of a run: Prometheus series, metrics.jsonl, TensorBoard's event files and
// the progress line. Every rank has a recorder; only that of rank 0 writes files.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/training_state.hpp"
#include "comm/mpi_world.hpp"
#include "config/config.hpp"
#include "device/energy_meters.hpp"
#include "device/nvml.hpp"
#include "evaluate/evaluation.hpp"
#include "metrics/event_log.hpp"
#include "metrics/progress.hpp"
#include "metrics/run_metrics.hpp"
#include "metrics/service_discovery.hpp"
#include "metrics/step_log.hpp"
#include "run/job_outcome.hpp"
#include "run/run_directory.hpp"
#include "run/run_summary.hpp"

namespace vae_dist::run {

/// Returns the path of the run's service-discovery file for Prometheus, which exists as long as
/// rank 0's recorder.
std::filesystem::path discovery_file(const config::Config& config);

/// Returns the path of a rank's file for node_exporter, which exists as long as its recorder; empty
/// without metrics.textfile.
std::filesystem::path textfile(const config::Config& config, int rank);

/// The run that a recorder publishes.
struct RecordedRun {
  const config::Config& config;
  metrics::RunFacts facts;
  std::int64_t epochs_planned = 0;
  checkpoint::TrainingState start;  ///< the state that the run continues from
  c10::Device device = c10::kCPU;   ///< of this rank
  std::string last_steps = {};      ///< lines of steps before `start` that the log may lack
  std::filesystem::path powercap = device::kPowercap;  ///< where the CPUs' energy meters are
};

class Recorder {
 public:
  /// Starts the exporter and writes the service-discovery file with the addresses of all ranks.
  /// `job_outcome` is notified of every step. A collective on `all_ranks`.
  Recorder(const RecordedRun& run, const comm::MpiWorld& world, comm::CpuCommunicator& all_ranks,
           JobOutcome& job_outcome);

  /// `step.step` is the number of steps done, so it counts from 1.
  void step(const metrics::StepMetrics& step);

  /// Returns the line of metrics.jsonl for a step; empty if it is not due for the log. Thread-safe.
  std::string line(const metrics::StepMetrics& step) const;

  /// `on` names the evaluated samples: "validation" or "training". `collapsed` says whether the
  /// model has learned nothing; it is absent if it is too early to tell.
  void evaluation(std::int64_t step, std::int64_t epoch, const std::string& on,
                  const evaluate::Evaluation& result, double mean_image_mse,
                  std::optional<bool> collapsed);

  /// Logs the mean step times of each rank since the last call. A collective.
  void log_rank_times(std::int64_t step);

  /// Logs the energy that the meters of all ranks have counted since this process began to train,
  /// if there are any. A collective.
  void log_energy(std::int64_t step);

  /// Returns the joules of all ranks as of the last log_energy(); empty without meters.
  std::optional<double> joules() const { return joules_; }

  /// Publishes the best evaluation. `is_new`: it is the last one; otherwise it comes from an
  /// earlier part of the run.
  void best(const ValidationResult& best, bool is_new);

  /// Shows a picture beside the curves. `kind`: "samples". Rank 0 alone.
  void picture(const std::string& kind, std::int64_t step, const std::filesystem::path& png) {
    if (events_) events_->picture(kind, step, png);
  }

  /// Notes that the run has reached its last step.
  void complete(std::int64_t step) {
    if (events_) events_->complete(step);
  }

  void checkpoint(double seconds) { metrics_.record_checkpoint(seconds); }
  void failed_checkpoint() { metrics_.record_failed_checkpoint(); }

  std::optional<int> port() const { return metrics_.port(); }

  /// Returns the address that this rank serves its metrics on.
  const std::string& address() const { return address_; }

 private:
  Recorder(const RecordedRun& run, const comm::MpiWorld& world, comm::CpuCommunicator& all_ranks,
           JobOutcome& job_outcome, const std::shared_ptr<device::GpuSensors>& gpu);
  bool is_due(const metrics::StepMetrics& step) const;
  void write(const metrics::LogRecord& record);

  /// Sums over this rank's steps since the last log_rank_times().
  struct StepTimes {
    double steps = 0, step = 0, data_wait = 0, allreduce_wait = 0;
  };

  comm::CpuCommunicator& all_ranks_;
  JobOutcome& job_outcome_;
  bool is_writer_;
  std::int64_t log_every_, global_batch_, steps_planned_, epochs_planned_, first_step_;
  std::vector<base::Term> extra_terms_;
  std::string address_;                           // for the metrics of this rank
  std::shared_ptr<device::EnergyMeters> energy_;  // null: none that can be read
  base::Stopwatch since_energy_read_;
  std::optional<double> joules_;
  metrics::RunMetrics metrics_;
  metrics::Progress progress_;
  StepTimes times_;
  double read_bytes_ = 0;                                     // by this rank, since it began
  std::vector<std::string> hosts_;                            // of all ranks
  std::unique_ptr<metrics::ServiceDiscoveryFile> discovery_;  // rank 0
  std::unique_ptr<metrics::StepLog> log_;                     // rank 0
  std::unique_ptr<metrics::EventLog> events_;                 // rank 0; null: not wanted
};

}  // namespace vae_dist::run

// Tells the world about a run: Prometheus series, metrics.jsonl and the progress line. Every rank
// has one; rank 0's writes the files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/training_state.hpp"
#include "comm/mpi_world.hpp"
#include "config/config.hpp"
#include "evaluate/evaluation.hpp"
#include "metrics/progress.hpp"
#include "metrics/run_metrics.hpp"
#include "metrics/service_discovery.hpp"
#include "metrics/step_log.hpp"
#include "run/job_end.hpp"
#include "run/run_directory.hpp"

namespace vae_dist::run {

/// The run's file for Prometheus, which the recorder of rank 0 keeps while it lives.
std::filesystem::path discovery_file(const config::Config& config);

/// What is recorded.
struct RecordedRun {
  const config::Config& config;
  metrics::RunFacts facts;
  std::int64_t epochs_planned = 0;
  checkpoint::TrainingState start;  ///< where the run goes on from
  c10::Device device = c10::kCPU;   ///< of this rank
};

class Recorder {
 public:
  /// Starts the exporter and, with all ranks' addresses, the service-discovery file. `job_end`
  /// hears of every step. A collective on `host`.
  Recorder(const RecordedRun& run, const comm::MpiWorld& world, comm::HostCommunicator& host,
           JobEnd& job_end);

  /// `step.step` counts from 1: steps done.
  void step(const metrics::StepMetrics& step);

  /// `on`: "validation" or "training": which samples. `collapsed`: whether the model has learned
  /// nothing; absent: it is too early to tell.
  void evaluation(std::int64_t step, std::int64_t epoch, const std::string& on,
                  const evaluate::Evaluation& result, double mean_image_mse,
                  std::optional<bool> collapsed);

  /// Logs the mean times of each rank's steps since it was last called. A collective.
  void times_of_ranks(std::int64_t step);

  void checkpoint(double seconds) { metrics_.record_checkpoint(seconds); }
  void failed_checkpoint() { metrics_.record_failed_checkpoint(); }

  std::optional<int> port() const { return metrics_.port(); }

  /// The address that this rank serves on.
  const std::string& address() const { return address_; }

 private:
  /// Of this rank's steps since they were last told.
  struct StepTimes {
    double steps = 0, step = 0, data_wait = 0, allreduce_wait = 0;
  };

  comm::HostCommunicator& host_;
  JobEnd& job_end_;
  bool writes_;
  std::int64_t log_every_, global_batch_, steps_planned_, epochs_planned_;
  std::vector<base::Term> other_terms_;
  std::string address_;  // that this rank serves on
  metrics::RunMetrics metrics_;
  metrics::Progress progress_;
  StepTimes times_;
  std::vector<std::string> hosts_;                            // of all ranks
  std::unique_ptr<metrics::ServiceDiscoveryFile> discovery_;  // rank 0
  std::unique_ptr<metrics::StepLog> log_;                     // rank 0
};

}  // namespace vae_dist::run

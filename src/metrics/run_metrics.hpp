// Every Prometheus series of a rank, created once at start, and the /metrics endpoint that serves
// them.
//
// Names start with vae_dist_ and are in base units; counters end in `_total`. All series carry the
// labels `run`, `host`, `user` and, in a job of a batch system, `job_id`; per-rank series also
// carry `rank`. Loss-like series are global (equal on every rank): only rank 0 serves them, without
// `rank`. Rank 0 also writes the checkpoints and alone has their series. The labels are on the
// series, not on the scrape target (service_discovery.hpp), so they do not depend on who scrapes
// and never turn into exported_run or exported_rank. A series appears with its first value: an
// unknown value is absent, not 0.
//
//   RunMetrics metrics({.run = "mnist", .host = "node1", .rank = 0},
//                      {.steps_planned = 1000, .global_batch = 64}, "127.0.0.1", 19400);
//   metrics.record_step({.step = 1, .loss = 0.3, .samples = 64, .step_seconds = 0.05});
//
// Thread safety: one thread may call record_* while scrapes are served.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/energy_readings.hpp"
#include "base/gpu_readings.hpp"
#include "metrics/step_terms.hpp"

namespace vae_dist::metrics {

struct MetricsIdentity {
  std::string run, host;
  int rank = 0, local_rank = 0;
  std::string user = {},
              job_id =
                  {};    ///< distinguish runs of the same name by two people; empty: no such label
  std::string gpu = {};  ///< the value of the label `gpu`; empty: no GPU
  std::function<base::GpuReadings()> read_gpu = {};  ///< called at each scrape; empty: no readings
  std::function<base::EnergyReadings()> read_energy = {};  ///< likewise
};

/// Constant facts of a run.
struct RunFacts {
  std::int64_t steps_planned = 0, global_batch = 0, ranks = 1, replicas = 1;
  std::int64_t restarts = 0;                 ///< how often the run was restarted
  std::vector<base::Term> extra_terms = {};  ///< the objective's (objective/objective.hpp); a term
                                             ///< without a series appears only in the log
  std::vector<std::pair<std::string, std::string>>
      build = {},
      run = {};  ///< labels of vae_dist_build_info and vae_dist_run_info
};

/// The best of all evaluations on the validation rows so far.
struct BestEvaluation {
  std::string measure;  ///< what was compared: the label `measure`
  double value = 0;
  std::int64_t step = 0;
};

class RunMetrics {
 public:
  /// Serves http://address:port/metrics. `port`: the wanted port (the caller adds the local rank).
  /// If it is 0, takes any free port; if it is taken, takes the next free one of the following 100;
  /// if it is empty, there is no endpoint. If the endpoint cannot start, logs a warning and
  /// continues without it. `textfile`: a file that holds the same series (textfile.hpp); empty:
  /// none.
  RunMetrics(const MetricsIdentity& identity, const RunFacts& facts, const std::string& address,
             std::optional<int> port, const std::filesystem::path& textfile = {});
  ~RunMetrics();

  /// Returns the port that is served; empty if there is no endpoint.
  std::optional<int> port() const;

  void record_step(const StepMetrics& step);

  /// Records a checkpoint that took `seconds` to write.
  void record_checkpoint(double seconds);

  /// Records that a checkpoint could not be written.
  void record_failed_checkpoint();

  void record_evaluation(const EvaluationMetrics& evaluation);

  /// Records the best evaluation. `is_new`: the last evaluation is the best; otherwise it is known
  /// from an earlier part of the run.
  void record_best(const BestEvaluation& best, bool is_new);

 private:
  struct Series;
  std::unique_ptr<Series> series_;
};

}  // namespace vae_dist::metrics

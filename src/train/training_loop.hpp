// The loop over steps, and what happens between them.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "checkpoint/checkpoint_writer.hpp"
#include "comm/watchdog.hpp"
#include "step/out_of_memory.hpp"
#include "report/kept_report.hpp"
#include "run/recorder.hpp"
#include "run/run_summary.hpp"
#include "step/learning_rate.hpp"
#include "step/resolved_objective.hpp"
#include "step/step_runner.hpp"

namespace vae_dist::train {

/// What the loop works with; all of it outlives the loop.
struct LoopParts {
  const config::Config& config;
  const data::SampleDataset& train;
  const data::SampleDataset* validation;  ///< may be null
  const step::ReplicaPlan& plan;
  const step::ResolvedObjective& objective;
  const step::LearningRatePlan& learning_rate;
  c10::Device device;
  step::Learner& learner;
  run::Recorder& recorder;
  comm::Watchdog& watchdog;
  comm::HostCommunicator& host;   ///< for everything between steps
  comm::HostCommunicator& flags;  ///< for the agreed flags alone
  comm::HostCommunicator& node;   ///< the ranks that share this one's memory
};

class TrainingLoop {
 public:
  TrainingLoop(const LoopParts& parts, checkpoint::TrainingState state);

  /// Trains to the planned last step, or until any rank was asked to stop. Ends with a checkpoint either way. Throws AgreedError on all
  /// ranks when too many steps in a row were skipped, or when ranks have diverged.
  base::ExitCode run();

  std::int64_t steps_done() const { return state_.step; }

  /// Over all evaluations on the validation rows; those of before a resume count where checkpoint.keep_best noted them.
  std::optional<run::ValidationResult> best_validation() const { return best_validation_; }

 private:
  void enter(const std::string& phase, base::Seconds limit);
  /// What takes long by nature, on every rank; all come out of it together.
  void slowly(const std::string& phase, const std::function<void()>& work);
  void one_step();
  void tell_transport();
  void read_step(const step::DoneStep& done);
  void read_all_steps();
  void end_of_epoch();
  /// Whether this step is one to be evaluated, and has not been.
  bool evaluation_is_due() const;
  void evaluate_now();
  void write_pictures();
  void end_report();
  void save();
  checkpoint::TrainingState saved_state() const;
  std::vector<std::filesystem::path> protected_checkpoints() const;
  void report_checkpoint();
  bool checkpoint_is_due();
  std::string samples_of_step(std::int64_t step) const;

  LoopParts parts_;
  checkpoint::TrainingState state_;
  std::int64_t steps_per_epoch_;
  step::StepRunner runner_;
  step::Wishes agreed_;
  checkpoint::CheckpointWriter writer_;
  report::KeptReport report_;  // rank 0's is written
  std::int64_t skipped_in_a_row_ = 0;
  bool told_transport_ = false;
  std::int64_t last_saved_step_ = -1, evaluated_step_ = -1, pictures_step_ = -1;
  std::string last_failure_;  // rank 0: why the last checkpoint was not written; empty: it was
  std::optional<double> mean_image_mse_;
  std::optional<run::ValidationResult> best_validation_;
  base::Stopwatch since_checkpoint_;
};

}  // namespace vae_dist::train

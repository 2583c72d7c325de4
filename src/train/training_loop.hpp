// Runs the loop over the training steps and the work between them.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "report/kept_report.hpp"
#include "train/checkpoints.hpp"
#include "train/evaluations.hpp"
#include "train/last_step.hpp"
#include "train/loop_parts.hpp"
#include "train/loop_schedule.hpp"
#include "train/skipped_steps.hpp"

namespace vae_dist::train {

class TrainingLoop {
 public:
  /// Continues from `state`. A collective.
  TrainingLoop(const LoopParts& parts, checkpoint::TrainingState state);

  /// Trains to the planned last step, or until any rank is asked to stop. Ends with a checkpoint
  /// either way. Throws AgreedError on all ranks after too many skipped steps in a row, or if ranks
  /// have diverged.
  base::ExitCode run();

  std::int64_t steps_done() const { return state_.step; }

  /// What this rank can still save after a failure. Other threads may ask it.
  LastStep& last_step() { return last_step_; }
  std::optional<run::ValidationResult> best_validation() const {
    return evaluations_.best_validation();
  }

 private:
  void enter(const std::string& phase, base::Seconds limit);
  /// Runs work that takes long by nature. All ranks leave it together. A collective.
  void in_slow_phase(const std::string& phase, const std::function<void()>& work);
  void train();
  void one_step();
  void log_transport();
  void record_step(const step::DoneStep& done);
  void read_all_steps();
  /// Does what is due after this step.
  void evaluate_and_draw();
  bool evaluation_is_due() const {
    return schedule_.evaluates_after(state_.step) && !evaluations_.has_evaluated(state_.step);
  }
  void evaluate();
  void draw_pictures();
  void end_report();
  void save();
  checkpoint::TrainingState saved_state() const;
  bool stops_early_now() const;

  LoopParts parts_;
  LoopSchedule schedule_;
  checkpoint::TrainingState state_;
  step::StepRunner runner_;
  LastStep last_step_;
  step::StepRequests agreed_;
  Evaluations evaluations_;
  Checkpoints checkpoints_;
  SkippedSteps skipped_;
  report::KeptReport report_;  // only that of rank 0 is written
  std::int64_t pictures_step_ = -1;
  bool transport_logged_ = false;
  base::Stopwatch since_checkpoint_;
};

}  // namespace vae_dist::train

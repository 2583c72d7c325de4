// The loop over steps, and what happens between them.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "report/kept_report.hpp"
#include "train/checkpoints.hpp"
#include "train/evaluations.hpp"
#include "train/loop_parts.hpp"
#include "train/loop_schedule.hpp"
#include "train/skipped_steps.hpp"

namespace vae_dist::train {

class TrainingLoop {
 public:
  /// Goes on from `state`. A collective.
  TrainingLoop(const LoopParts& parts, checkpoint::TrainingState state);

  /// Trains to the planned last step, or until any rank was asked to stop. Ends with a checkpoint
  /// either way. Throws AgreedError on all ranks when too many steps in a row were skipped, or when
  /// ranks have diverged.
  base::ExitCode run();

  std::int64_t steps_done() const { return state_.step; }
  std::optional<run::ValidationResult> best_validation() const {
    return evaluations_.best_validation();
  }

 private:
  void enter(const std::string& phase, base::Seconds limit);
  /// What takes long by nature, on every rank; all come out of it together.
  void slowly(const std::string& phase, const std::function<void()>& work);
  void train();
  void one_step();
  void tell_transport();
  void read_step(const step::DoneStep& done);
  void read_all_steps();
  void end_of_epoch();
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
  step::Wishes agreed_;
  Evaluations evaluations_;
  Checkpoints checkpoints_;
  SkippedSteps skipped_;
  report::KeptReport report_;  // rank 0's is written
  std::int64_t pictures_step_ = -1;
  bool told_transport_ = false;
  base::Stopwatch since_checkpoint_;
};

}  // namespace vae_dist::train

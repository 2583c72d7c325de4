#include "train/training_loop.hpp"

#include "base/log.hpp"
#include "comm/agreement.hpp"
#include "comm/nccl_log.hpp"
#include "config/words.hpp"
#include "run/rank_placement.hpp"
#include "run/run_directory.hpp"
#include "run/stop_signal.hpp"
#include "train/early_stop.hpp"
#include "train/pictures.hpp"
#include "train/step_metrics.hpp"

namespace vae_dist::train {
namespace {

step::StepRunnerParts step_parts(const LoopParts& p) {
  return {.config = p.config,
          .train = p.train,
          .plan = p.plan,
          .objective = p.objective,
          .learning_rate = p.learning_rate,
          .device = p.device,
          .learner = p.learner,
          .ranks = p.ranks};
}

}  // namespace

TrainingLoop::TrainingLoop(const LoopParts& parts, checkpoint::TrainingState state)
    : parts_(parts),
      schedule_(loop_schedule(parts.config, parts.learning_rate, parts.validation != nullptr)),
      state_(std::move(state)),
      runner_(step_parts(parts), state_.step),
      last_step_(parts_, runner_, schedule_, state_),
      evaluations_(parts_, state_),
      checkpoints_(parts_, state_.step),
      skipped_(parts_),
      report_(run::RunDirectory(parts.config.run).path()) {}

base::ExitCode TrainingLoop::run() {
  train();
  read_all_steps();
  log::keep_status();
  if (!checkpoints_.has_saved(state_.step)) in_slow_phase("checkpoint", [this] { save(); });
  // The last step counts as saved only once its checkpoint is written, so the evaluation waits for
  // it.
  checkpoints_.wait();
  checkpoints_.report();
  if (state_.step == schedule_.steps_planned && evaluation_is_due())
    in_slow_phase("evaluation", [this] { evaluate(); });
  comm::agree_on_rank_0(parts_.ranks.all, [&] {
    if (!checkpoints_.last_failure().empty())
      throw base::Failure(
          base::text("the last checkpoint was not written: ", checkpoints_.last_failure()));
  });
  if (stops_early_now() && parts_.ranks.all.rank() == 0)
    log::info(base::text(
        "stopped early: train.early_stop.metric ", parts_.config.train.early_stop.metric,
        parts_.compared_by.stop.more_is_better ? " did not rise above its best value, "
                                               : " did not fall below its best value, ",
        *state_.best_stop_metric, ", in ", state_.evaluations_since_best, " evaluations"));
  if (state_.step > 0 && state_.skipped_steps == state_.step && parts_.ranks.all.rank() == 0)
    log::warn(base::text("all ", state_.step,
                         " steps of this run were skipped, so its weights are those that it began "
                         "with: look at the network, the loss and the data"));
  const bool is_done = state_.step == schedule_.steps_planned || stops_early_now();
  // Draws the last pictures, unless they have just been drawn.
  if (is_done && schedule_.draws_pictures() && pictures_step_ != state_.step)
    in_slow_phase("making pictures", [this] { draw_pictures(); });
  parts_.recorder.log_energy(state_.step);
  end_report();
  return is_done ? base::ExitCode::done : base::ExitCode::stopped;
}

void TrainingLoop::train() {
  runner_.restart_clock();
  // Makes up for an evaluation that the run missed when it was stopped. The evaluation of the last
  // step runs once that step has been saved.
  if (state_.step < schedule_.steps_planned && evaluation_is_due())
    in_slow_phase("evaluation", [this] { evaluate(); });
  while (state_.step < schedule_.steps_planned && !agreed_.stop && !stops_early_now()) {
    one_step();
    if (!transport_logged_) log_transport();
    // Save first: steps are the most expensive to lose. An evaluation may run out of memory, and
    // whoever asked for a stop may kill the run soon.
    if (schedule_.saves_after(state_.step, agreed_) && !checkpoints_.has_saved(state_.step))
      in_slow_phase("checkpoint", [this] { save(); });
    if (state_.step < schedule_.steps_planned && !agreed_.stop) evaluate_and_draw();
    checkpoints_.report();
  }
}

void TrainingLoop::enter(const std::string& phase, base::Seconds limit) {
  parts_.watchdog.enter(phase, state_.step + 1, limit);
}

void TrainingLoop::in_slow_phase(const std::string& phase, const std::function<void()>& work) {
  enter(phase, base::Seconds(parts_.config.distributed.slow_timeout_s));
  work();
  // Without the barrier, the first rank to finish would wait for the others in the next step, which
  // has a shorter timeout.
  parts_.ranks.all.barrier();
}

void TrainingLoop::one_step() {
  const config::DistributedConfig& limits = parts_.config.distributed;
  step::StepHooks hooks;
  hooks.enter = [&](step::StepPhase phase) {
    const bool waits = phase == step::StepPhase::waiting_for_data;
    enter(waits ? "waiting for data" : "forward, backward and gradient exchange",
          base::Seconds(phase == step::StepPhase::stepping ? limits.timeout_s
                                                           : limits.slow_timeout_s));
  };
  hooks.requests = [this] {
    step::StepRequests mine;
    mine.stop = run::stop_requested();
    const double minutes = parts_.config.checkpoint.every_minutes;
    mine.checkpoint = parts_.ranks.all.rank() == 0 && minutes > 0 &&
                      since_checkpoint_.elapsed().count() > 60 * minutes;
    if (mine.checkpoint) since_checkpoint_.restart();
    return mine;
  };
  hooks.read = [this](const step::DoneStep& done) { record_step(done); };
  agreed_ = runner_.step(hooks);

  set_step(state_, runner_.steps_done(), schedule_.steps_per_epoch, parts_.plan.global_batch);
}

// NCCL connects the ranks, and chooses the transport, in their first collectives.
void TrainingLoop::log_transport() {
  transport_logged_ = true;
  if (!parts_.device.is_cuda() || parts_.ranks.all.size() == 1) return;
  const std::vector<std::string> chosen = run::by_ranks(
      comm::all_gather_text(parts_.ranks.all, comm::nccl_transport_in(comm::nccl_log())));
  std::string said;
  for (const std::string& one : chosen) said += (said.empty() ? "" : "; ") + one;
  if (!said.empty()) log::info("NCCL carries gradients by " + said);
}

void TrainingLoop::record_step(const step::DoneStep& done) {
  const metrics::StepMetrics step = metrics_of(done, parts_);
  parts_.recorder.step(step);
  skipped_.note(step, state_);
}

void TrainingLoop::read_all_steps() {
  runner_.read_all([this](const step::DoneStep& done) { record_step(done); });
}

void TrainingLoop::evaluate_and_draw() {
  const bool evaluates = evaluation_is_due(), draws = schedule_.draws_after(state_.step);
  if (!evaluates && !draws) return;
  // Makes sure that the checkpoint of this step is on disk before any work that may end the run.
  const auto wait_for_checkpoint = [this] {
    if (checkpoints_.has_saved(state_.step))
      in_slow_phase("checkpoint", [this] { checkpoints_.wait(); });
  };
  if (evaluates) {
    wait_for_checkpoint();
    read_all_steps();
    in_slow_phase("evaluation", [this] { evaluate(); });
  }
  if (draws) {
    wait_for_checkpoint();
    in_slow_phase("making pictures", [this] { draw_pictures(); });
  }
  if (parts_.ranks.all.rank() == 0) report_.refresh();
  // Work between steps must not count as time of the next step.
  runner_.restart_clock();
}

void TrainingLoop::evaluate() {
  const bool is_best = evaluations_.evaluate(state_);
  last_step_.note_evaluated(state_);
  if (checkpoints_.has_saved(state_.step)) {
    checkpoints_.evaluated(saved_state());
  } else if (is_best) {
    in_slow_phase("checkpoint", [this] { save(); });
  }
}

void TrainingLoop::draw_pictures() {
  pictures_step_ = state_.step;
  if (parts_.ranks.all.rank() == 0) write_pictures(parts_, state_.step);
}

void TrainingLoop::end_report() {
  in_slow_phase("writing the report", [this] {
    if (parts_.ranks.all.rank() == 0) report_.finish();
  });
}

void TrainingLoop::save() {
  read_all_steps();  // updates the counts of skipped steps
  checkpoints_.save(saved_state());
  since_checkpoint_.restart();
}

checkpoint::TrainingState TrainingLoop::saved_state() const {
  checkpoint::TrainingState state = state_;
  state.world_size = parts_.plan.world_size;
  state.awaits_evaluation = evaluation_is_due() ? 1 : 0;
  return state;
}

bool TrainingLoop::stops_early_now() const {
  return stops_early(parts_.config.train.early_stop, state_);
}

}  // namespace vae_dist::train

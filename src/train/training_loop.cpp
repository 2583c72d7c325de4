#include "train/training_loop.hpp"

#include "base/log.hpp"
#include "comm/agreement.hpp"
#include "comm/nccl_log.hpp"
#include "config/words.hpp"
#include "run/rank_places.hpp"
#include "run/run_directory.hpp"
#include "run/stop_signal.hpp"
#include "train/early_stop.hpp"
#include "train/pictures.hpp"

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

metrics::StepMetrics metrics_of(const step::DoneStep& done, const LoopParts& parts) {
  metrics::StepMetrics m;
  m.step = done.step;
  m.epoch = done.epoch;
  m.loss = done.values.loss;
  m.reconstruction_loss = done.values.reconstruction;
  m.kld_nats = done.values.kld_nats;
  m.kld_weight = parts.objective.kld_weight;
  m.beta = done.beta;
  m.learning_rate = done.learning_rate;
  m.gradient_norm = done.values.gradient_norm;
  m.skipped = done.values.skipped;
  m.other_terms = done.values.others;
  m.samples = parts.plan.samples_per_rank();
  m.step_seconds = done.step_seconds;
  m.data_wait_seconds = done.data_wait_seconds;
  m.allreduce_wait_seconds = done.allreduce_wait_seconds;
  m.read_bytes = static_cast<std::uint64_t>(done.read_bytes);
  m.allreduce_bytes = parts.learner.bytes_per_step();
  return m;
}

}  // namespace

TrainingLoop::TrainingLoop(const LoopParts& parts, checkpoint::TrainingState state)
    : parts_(parts),
      schedule_(loop_schedule(parts.config, parts.learning_rate, parts.validation != nullptr)),
      state_(std::move(state)),
      runner_(step_parts(parts), state_.step),
      evaluations_(parts_, state_),
      checkpoints_(parts_, state_.step),
      skipped_(parts_),
      report_(run::RunDirectory(parts.config.run).path()) {}

base::ExitCode TrainingLoop::run() {
  train();
  read_all_steps();
  log::keep_status();
  if (!checkpoints_.has_saved(state_.step)) slowly("checkpoint", [this] { save(); });
  // The last step counts as saved only when it is: no evaluation begins before.
  checkpoints_.wait();
  checkpoints_.report();
  if (state_.step == schedule_.steps_planned && evaluation_is_due())
    slowly("evaluation", [this] { evaluate(); });
  comm::agree_on_rank_0(parts_.ranks.host, [&] {
    if (!checkpoints_.last_failure().empty())
      throw base::Failure(
          base::text("the last checkpoint was not written: ", checkpoints_.last_failure()));
  });
  if (stops_early_now() && parts_.ranks.host.rank() == 0)
    log::info(base::text("stopped early: train.early_stop.metric ",
                         config::word(parts_.config.train.early_stop.metric),
                         " was not below its best, ", *state_.best_stop_metric, ", in ",
                         state_.evaluations_since_best, " evaluations"));
  const bool is_done = state_.step == schedule_.steps_planned || stops_early_now();
  // The last pictures, unless the end of an epoch has just made them.
  if (is_done && schedule_.pictures_every_epochs > 0 && pictures_step_ != state_.step)
    slowly("making pictures", [this] { draw_pictures(); });
  end_report();
  return is_done ? base::ExitCode::done : base::ExitCode::stopped;
}

void TrainingLoop::train() {
  runner_.restart_clock();
  // What the run was stopped before; what belongs to the last step comes when that has been saved.
  if (state_.step < schedule_.steps_planned && evaluation_is_due())
    slowly("evaluation", [this] { evaluate(); });
  while (state_.step < schedule_.steps_planned && !agreed_.stop && !stops_early_now()) {
    one_step();
    if (!told_transport_) tell_transport();
    // In the order of what would be lost: the steps first, since they cannot be made again. An
    // evaluation may find no memory, and who asked for a stop may kill soon.
    if (schedule_.saves_after(state_.step, agreed_) && !checkpoints_.has_saved(state_.step))
      slowly("checkpoint", [this] { save(); });
    if (state_.step < schedule_.steps_planned && schedule_.ends_epoch(state_.step) && !agreed_.stop)
      end_of_epoch();
    checkpoints_.report();
  }
}

void TrainingLoop::enter(const std::string& phase, base::Seconds limit) {
  parts_.watchdog.enter(phase, state_.step + 1, limit);
}

void TrainingLoop::slowly(const std::string& phase, const std::function<void()>& work) {
  enter(phase, base::Seconds(parts_.config.distributed.slow_timeout_s));
  work();
  // Who is done with it first would else wait for the others in the next step, where less time is
  // given.
  parts_.ranks.host.barrier();
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
  hooks.wishes = [this] {
    step::Wishes mine;
    mine.stop = run::stop_requested();
    const double minutes = parts_.config.checkpoint.every_minutes;
    mine.checkpoint = parts_.ranks.host.rank() == 0 && minutes > 0 &&
                      since_checkpoint_.elapsed().count() > 60 * minutes;
    if (mine.checkpoint) since_checkpoint_.restart();
    return mine;
  };
  hooks.read = [this](const step::DoneStep& done) { read_step(done); };
  agreed_ = runner_.step(hooks);

  state_.step = runner_.steps_done();
  state_.epoch = state_.step / schedule_.steps_per_epoch;
  state_.position = state_.step % schedule_.steps_per_epoch * parts_.plan.global_batch;
}

// NCCL connects ranks in their first collectives, and chooses by what then.
void TrainingLoop::tell_transport() {
  told_transport_ = true;
  if (!parts_.device.is_cuda() || parts_.ranks.host.size() == 1) return;
  const std::vector<std::string> chosen = run::by_ranks(
      comm::all_gather_text(parts_.ranks.host, comm::nccl_transport_in(comm::nccl_log())));
  std::string said;
  for (const std::string& one : chosen) said += (said.empty() ? "" : "; ") + one;
  if (!said.empty()) log::info("NCCL carries gradients by " + said);
}

void TrainingLoop::read_step(const step::DoneStep& done) {
  const metrics::StepMetrics step = metrics_of(done, parts_);
  parts_.recorder.step(step);
  skipped_.note(step, state_);
}

void TrainingLoop::read_all_steps() {
  runner_.read_all([this](const step::DoneStep& done) { read_step(done); });
}

void TrainingLoop::end_of_epoch() {
  const bool evaluates = evaluation_is_due(), draws = schedule_.draws_after(state_.step);
  // A checkpoint of this step is on the disk before anything comes that may end the run.
  const auto wait_for_checkpoint = [this] {
    if (checkpoints_.has_saved(state_.step)) slowly("checkpoint", [this] { checkpoints_.wait(); });
  };
  if (evaluates) {
    wait_for_checkpoint();
    read_all_steps();
    slowly("evaluation", [this] { evaluate(); });
  }
  if (draws) {
    wait_for_checkpoint();
    slowly("making pictures", [this] { draw_pictures(); });
  }
  if ((evaluates || draws) && parts_.ranks.host.rank() == 0) report_.refresh();
  // What happened between steps is not the next step's time.
  runner_.restart_clock();
}

void TrainingLoop::evaluate() {
  const bool is_best = evaluations_.evaluate(state_);
  if (checkpoints_.has_saved(state_.step)) {
    checkpoints_.evaluated(saved_state());
  } else if (is_best) {
    slowly("checkpoint", [this] { save(); });
  }
}

void TrainingLoop::draw_pictures() {
  pictures_step_ = state_.step;
  if (parts_.ranks.host.rank() == 0) write_pictures(parts_, state_.step);
}

void TrainingLoop::end_report() {
  slowly("writing the report", [this] {
    if (parts_.ranks.host.rank() == 0) report_.finish();
  });
}

void TrainingLoop::save() {
  read_all_steps();  // so that the counts of skipped steps are up to date
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

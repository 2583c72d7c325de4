#include "train/training_loop.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "base/log.hpp"
#include "comm/agreement.hpp"
#include "comm/nccl_log.hpp"
#include "config/load_config.hpp"
#include "data/epoch_order.hpp"
#include "evaluate/collapse_sign.hpp"
#include "evaluate/evaluation_text.hpp"
#include "evaluate/mean_image.hpp"
#include "parallel/replicate.hpp"
#include "step/open_data.hpp"
#include "run/rank_places.hpp"
#include "train/early_stop.hpp"
#include "report/picture_files.hpp"
#include "run/run_directory.hpp"
#include "run/stop_signal.hpp"
#include "inference/evaluation_options.hpp"

namespace vae_dist::train {
namespace {

step::StepRunnerParts step_parts(const LoopParts& p) {
  return {.config = p.config, .train = p.train, .plan = p.plan, .objective = p.objective, .learning_rate = p.learning_rate, .device = p.device, .learner = p.learner, .host = p.host, .flags = p.flags,
          .node = p.node};
}

// Before, a small KL shows nothing yet.
constexpr std::int64_t kStepsToLearnSomething = 500;

// Evaluating on everything after each run would cost more than a short run itself.
constexpr std::int64_t kTrainingSamplesEvaluated = 2000;

}  // namespace

TrainingLoop::TrainingLoop(const LoopParts& parts, checkpoint::TrainingState state)
    : parts_(parts),
      state_(std::move(state)),
      steps_per_epoch_(parts.learning_rate.steps_per_epoch),
      runner_(step_parts(parts), state_.step),
      writer_(run::RunDirectory(parts.config.run).checkpoints(), parts.config.checkpoint.keep),
      report_(run::RunDirectory(parts.config.run).path()) {
  if (state_.best_validation_loss) best_validation_ = {*state_.best_validation_loss, state_.best_step};
  // The run's own directory has the checkpoint that it goes on from, or begins with.
  if (state_.step > 0) last_saved_step_ = state_.step;
  if (!state_.awaits_evaluation) evaluated_step_ = state_.step;
}

base::ExitCode TrainingLoop::run() {
  const std::int64_t planned = parts_.learning_rate.steps_planned;
  runner_.restart_clock();
  // What the run was stopped before; after the last step it comes below.
  if (state_.step < planned && evaluation_is_due()) slowly("evaluation", [this] { evaluate_now(); });
  while (state_.step < planned && !agreed_.stop && !stops_early(parts_.config.train.early_stop, state_)) {
    one_step();
    if (!told_transport_) tell_transport();
    // In the order of what would be lost: the steps first, since they cannot be made again. An evaluation may find no memory, and who asked for a stop may kill soon.
    if (checkpoint_is_due()) slowly("checkpoint", [this] { save(); });
    if (state_.step < planned && state_.position == 0 && !agreed_.stop) end_of_epoch();
    report_checkpoint();
  }
  read_all_steps();
  log::keep_status();
  if (last_saved_step_ != state_.step) slowly("checkpoint", [this] { save(); });
  // The last step counts as saved only when it is: no evaluation begins before.
  writer_.wait();
  report_checkpoint();
  if (state_.step == planned && evaluation_is_due()) slowly("evaluation", [this] { evaluate_now(); });
  comm::agree_on_rank_0(parts_.host, [&] {
    if (!last_failure_.empty()) throw base::Failure(base::text("the last checkpoint was not written: ", last_failure_));
  });
  if (stops_early(parts_.config.train.early_stop, state_)) {
    if (parts_.host.rank() == 0)
      log::info(base::text("stopped early: train.early_stop.metric ", parts_.config.train.early_stop.metric, " was not below its best, ", *state_.best_stop_metric, ", in ",
                     state_.evaluations_since_best, " evaluations"));
  } else if (state_.step < planned) {
    end_report();
    return base::ExitCode::stopped;
  }
  // The last ones, unless the end of an epoch has just made them.
  if (parts_.config.pictures.every_epochs > 0 && pictures_step_ != state_.step) slowly("making pictures", [this] { write_pictures(); });
  end_report();
  return base::ExitCode::done;
}

void TrainingLoop::enter(const std::string& phase, base::Seconds limit) { parts_.watchdog.enter(phase, state_.step + 1, limit); }

void TrainingLoop::slowly(const std::string& phase, const std::function<void()>& work) {
  enter(phase, base::Seconds(parts_.config.distributed.slow_timeout_s));
  work();
  // Who is done with it first would else wait for the others in the next step, where less time is given.
  parts_.host.barrier();
}

void TrainingLoop::one_step() {
  const config::DistributedConfig& limits = parts_.config.distributed;
  step::StepHooks hooks;
  hooks.enter = [&](step::StepPhase phase) {
    const bool waits = phase == step::StepPhase::waiting_for_data;
    enter(waits ? "waiting for data" : "forward, backward and gradient exchange", base::Seconds(phase == step::StepPhase::stepping ? limits.timeout_s : limits.slow_timeout_s));
  };
  hooks.wishes = [this] {
    step::Wishes mine;
    mine.stop = run::stop_requested();
    const double minutes = parts_.config.checkpoint.every_minutes;
    mine.checkpoint = parts_.host.rank() == 0 && minutes > 0 && since_checkpoint_.elapsed().count() > 60 * minutes;
    if (mine.checkpoint) since_checkpoint_.restart();
    return mine;
  };
  hooks.read = [this](const step::DoneStep& done) { read_step(done); };
  agreed_ = runner_.step(hooks);

  state_.step = runner_.steps_done();
  state_.epoch = state_.step / steps_per_epoch_;
  state_.position = state_.step % steps_per_epoch_ * parts_.plan.global_batch;
}

// NCCL connects ranks in their first collectives, and chooses by what then.
void TrainingLoop::tell_transport() {
  told_transport_ = true;
  if (!parts_.device.is_cuda() || parts_.host.size() == 1) return;
  const std::vector<std::string> chosen = run::by_ranks(comm::all_gather_text(parts_.host, comm::nccl_transport_in(comm::nccl_log())));
  std::string said;
  for (const std::string& one : chosen) said += (said.empty() ? "" : "; ") + one;
  if (!said.empty()) log::info("NCCL carries gradients by " + said);
}

void TrainingLoop::read_step(const step::DoneStep& done) {
  metrics::StepMetrics m;
  m.step = done.step;
  m.epoch = done.epoch;
  m.loss = done.values.loss;
  m.reconstruction_loss = done.values.reconstruction;
  m.kld_nats = done.values.kld_nats;
  m.kld_weight = parts_.objective.kld_weight;
  m.beta = done.beta;
  m.learning_rate = done.learning_rate;
  m.gradient_norm = done.values.gradient_norm;
  m.skipped = done.values.skipped;
  m.other_terms = done.values.others;
  m.samples = parts_.plan.samples_per_rank();
  m.step_seconds = done.step_seconds;
  m.data_wait_seconds = done.data_wait_seconds;
  m.allreduce_wait_seconds = done.allreduce_wait_seconds;
  m.read_bytes = done.read_bytes;
  m.allreduce_bytes = parts_.learner.reducer().bytes_per_step();
  parts_.recorder.step(m);

  if (!m.skipped) {
    ++state_.optimizer_step;
    skipped_in_a_row_ = 0;
    return;
  }
  ++state_.skipped_steps;
  if (parts_.host.rank() == 0) log::warn(base::text("step ", m.step, " was skipped on all ranks: loss ", m.loss, ", gradient norm ", m.gradient_norm));
  if (++skipped_in_a_row_ >= parts_.config.train.max_skipped_steps)
    throw comm::AgreedError(base::ExitCode::rank_failed, base::text(skipped_in_a_row_, " steps in a row were skipped (train.max_skipped_steps ", parts_.config.train.max_skipped_steps,
                                                  "), the last with loss ", m.loss, " and gradient norm ", m.gradient_norm, ". Its samples of data.train were ",
                                                  samples_of_step(m.step - 1), ". Try a smaller learning rate, train.gradient_clip_norm, or look at these samples."));
}

void TrainingLoop::read_all_steps() {
  runner_.read_all([this](const step::DoneStep& done) { read_step(done); });
}

std::string TrainingLoop::samples_of_step(std::int64_t step) const {
  const data::EpochOrder order(static_cast<std::uint64_t>(parts_.config.run.seed), static_cast<std::uint64_t>(step / steps_per_epoch_),
                         std::make_shared<data::SampleChunks>(parts_.train.chunks()), *parts_.config.data.shuffle_window_chunks);
  const std::int64_t first = step % steps_per_epoch_ * parts_.plan.global_batch;
  std::string out;
  for (std::int64_t i = 0; i < parts_.plan.global_batch; ++i) out += (i ? ", " : "") + std::to_string(order.at(first + i));
  return out;
}

void TrainingLoop::end_of_epoch() {
  const std::int64_t pictures_every = parts_.config.pictures.every_epochs;
  const bool evaluates = evaluation_is_due(), makes_pictures = pictures_every > 0 && state_.epoch % pictures_every == 0;
  // A checkpoint of this step is on the disk before anything comes that may end the run.
  const auto wait_for_checkpoint = [this] {
    if (last_saved_step_ == state_.step) slowly("checkpoint", [this] { writer_.wait(); });
  };
  if (evaluates) {
    wait_for_checkpoint();
    read_all_steps();
    slowly("evaluation", [this] { evaluate_now(); });
  }
  if (makes_pictures) {
    wait_for_checkpoint();
    slowly("making pictures", [this] { write_pictures(); });
  }
  if ((evaluates || makes_pictures) && parts_.host.rank() == 0) report_.refresh();
  // What happened between steps is not the next step's time.
  runner_.restart_clock();
}

bool TrainingLoop::evaluation_is_due() const {
  if (evaluated_step_ == state_.step) return false;
  const std::int64_t every = parts_.config.evaluate.every_epochs;
  return state_.step == parts_.learning_rate.steps_planned || (parts_.validation && every > 0 && state_.position == 0 && state_.epoch % every == 0);
}

void TrainingLoop::evaluate_now() {
  const data::SampleDataset& data = parts_.validation ? *parts_.validation : parts_.train;
  const std::string on = parts_.validation ? "validation" : "training";
  const std::int64_t samples = parts_.validation ? data.size() : std::min(data.size(), kTrainingSamplesEvaluated);
  const evaluate::EvaluationOptions options = inference::evaluation_options(parts_.config, parts_.objective, data, {0, samples}, state_.step, parts_.device);
  if (!mean_image_mse_) mean_image_mse_ = evaluate::mean_image_mse(data, options.samples, parts_.host);
  const evaluate::Evaluation result = [&] {
    const step::AveragedWeights averaged(parts_.learner.average());
    try {
      return evaluate::evaluate(parts_.learner.model(), parts_.learner.objective(), data, options, parts_.host);
    } catch (const std::exception& error) {
      if (!step::is_out_of_memory(error)) throw;
      throw base::Failure(step::evaluation_out_of_memory_text(error.what(), parts_.config.evaluate.batch));
    }
  }();

  const std::string sign = evaluate::collapse_sign(result, *mean_image_mse_);
  std::optional<bool> collapsed;
  if (result.reconstructs && state_.step >= std::min(steps_per_epoch_, kStepsToLearnSomething)) collapsed = !sign.empty();
  parts_.recorder.evaluation(state_.step, state_.epoch, on, result, *mean_image_mse_, collapsed);
  parts_.recorder.times_of_ranks(state_.step);
  log::info(base::text("step ", state_.step, ", ", on, " (", result.samples, " samples): ", evaluate::evaluation_text(result, *mean_image_mse_)));
  if (parts_.host.rank() == 0 && collapsed.value_or(false)) log::warn(sign);

  if (parts_.validation) note_for_early_stop(parts_.config.train.early_stop, result, state_);
  // A loss that is not finite is never the best.
  if (parts_.validation && result.loss < (best_validation_ ? best_validation_->loss : std::numeric_limits<double>::infinity())) best_validation_ = {result.loss, state_.step};
  evaluated_step_ = state_.step;
  state_.awaits_evaluation = 0;
  const bool best = parts_.validation && parts_.config.checkpoint.keep_best > 0 && result.loss < state_.best_validation_loss.value_or(std::numeric_limits<double>::infinity());
  if (best) {
    state_.best_validation_loss = result.loss;
    state_.best_step = state_.step;
  }
  if (last_saved_step_ == state_.step) {
    if (parts_.host.rank() == 0) writer_.evaluated(saved_state(), protected_checkpoints());
  } else if (best) {
    slowly("checkpoint", [this] { save(); });
  }
}

void TrainingLoop::write_pictures() {
  pictures_step_ = state_.step;
  if (parts_.host.rank() != 0) return;
  const config::PicturesConfig& wanted = parts_.config.pictures;
  const run::RunDirectory directory(parts_.config.run);
  const data::SampleDataset& data = parts_.validation ? *parts_.validation : parts_.train;
  const data::InputFormat format = step::input_format(parts_.config, data, parts_.device);
  const std::string when = base::text("step ", state_.step);
  std::string number = std::to_string(state_.step);
  number.insert(0, 8 - std::min<std::size_t>(8, number.size()), '0');
  const step::AveragedWeights averaged(parts_.learner.average());
  const auto seed = static_cast<std::uint64_t>(parts_.config.run.seed);
  const auto draw = [&](const std::string& kind, const std::string& of, const std::function<void(const std::filesystem::path&, const std::string&)>& write) {
    try {
      write(directory.pictures() / base::text(kind, "_", number, ".png"), base::text(parts_.config.run.name, ": ", of, ", ", when));
    } catch (const std::exception& error) {
      // A picture that cannot be made (a full disk, no memory for it, more pixels than can be drawn) costs that picture, not the run.
      const std::string said = error.what();
      log::warn(base::text("no pictures at ", when, ": ", kind, ": ", said.substr(0, said.find('\n'))));
    }
  };
  model::LatentModel& model = parts_.learner.model();
  if (wanted.samples > 0)
    draw("samples", "samples of the prior", [&](const auto& path, const auto& title) { report::write_sample_grid(path, evaluate::sample_prior(model, wanted.samples, seed), format.low, format.high, title); });
  if (model.latent_kind() == base::LatentKind::none) return;
  if (wanted.reconstructions > 0)
    draw("reconstructions", "reconstructions", [&](const auto& path, const auto& title) {
      report::write_reconstruction_grid(path, evaluate::reconstruct(model, data, 0, std::min(wanted.reconstructions, data.size()), format, evaluate::Latent::mean, seed), format.low, format.high, title);
    });
  if (wanted.traversals > 0)
    draw("traversals", "traversals from row 0", [&](const auto& path, const auto& title) {
      report::write_traversal_grid(path, evaluate::traverse(model, data, format, evaluate::usual_traversal(model, wanted.traversals, seed)), format.low, format.high, title);
    });
}

void TrainingLoop::end_report() {
  slowly("writing the report", [this] {
    if (parts_.host.rank() == 0) report_.finish();
  });
}

bool TrainingLoop::checkpoint_is_due() {
  const std::int64_t every = parts_.config.checkpoint.every_steps;
  return last_saved_step_ != state_.step && (agreed_.checkpoint || agreed_.stop || (every > 0 && state_.step % every == 0));
}

void TrainingLoop::save() {
  read_all_steps();  // so that the counts of skipped steps are up to date
  parallel::require_equal_tensors(parts_.host, base::text("weights and optimizer state after step ", state_.step, " (nothing was saved)"), parts_.learner.state(), base::ExitCode::rank_failed);
  since_checkpoint_.restart();
  last_saved_step_ = state_.step;
  if (parts_.host.rank() != 0) return;

  checkpoint::Checkpoint snapshot;
  snapshot.weights = parts_.learner.weights();
  snapshot.optimizer = parts_.learner.optimizer_state();
  snapshot.state = saved_state();
  snapshot.config_yaml = config::kept_config_yaml(parts_.config);
  writer_.start(std::move(snapshot), protected_checkpoints());
}

checkpoint::TrainingState TrainingLoop::saved_state() const {
  checkpoint::TrainingState state = state_;
  state.world_size = parts_.plan.world_size;
  state.awaits_evaluation = evaluation_is_due() ? 1 : 0;
  return state;
}

std::vector<std::filesystem::path> TrainingLoop::protected_checkpoints() const {
  if (state_.best_step < 0) return {};
  return {checkpoint::checkpoint_directory(run::RunDirectory(parts_.config.run).checkpoints(), state_.best_step)};
}

void TrainingLoop::report_checkpoint() {
  const auto result = writer_.take_result();
  if (!result) return;
  last_failure_ = result->failure;
  if (result->failure.empty()) {
    parts_.recorder.checkpoint(result->seconds);
  } else {
    parts_.recorder.failed_checkpoint();
  }
}

}  // namespace vae_dist::train

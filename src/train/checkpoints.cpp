#include "train/checkpoints.hpp"

#include "base/text.hpp"
#include "config/load_config.hpp"
#include "parallel/replicate.hpp"
#include "run/run_directory.hpp"
#include "run/saving_time.hpp"

namespace vae_dist::train {

Checkpoints::Checkpoints(const LoopParts& parts, std::int64_t first_step)
    : parts_(parts),
      writer_(run::RunDirectory(parts.config.run).checkpoints(), parts.config.checkpoint.keep),
      last_saved_step_(first_step > 0 ? first_step : -1) {}

void Checkpoints::save(const checkpoint::TrainingState& state) {
  parallel::require_equal_tensors(
      parts_.ranks.all,
      base::text("weights and optimizer state after step ", state.step, " (nothing was saved)"),
      parts_.learner.state(), base::ExitCode::rank_failed);
  last_saved_step_ = state.step;
  if (parts_.ranks.all.rank() == 0)
    writer_.start({parts_.learner.weights(), parts_.learner.optimizer_state(), state,
                   config::kept_config_yaml(parts_.config)},
                  best_of(state));
}

void Checkpoints::evaluated(const checkpoint::TrainingState& state) {
  if (parts_.ranks.all.rank() == 0) writer_.evaluated(state, best_of(state));
}

void Checkpoints::report() {
  const auto result = writer_.take_result();
  if (!result) return;
  last_failure_ = result->failure;
  if (result->failure.empty()) {
    parts_.recorder.checkpoint(result->seconds);
    run::write_checkpoint_time(run::RunDirectory(parts_.config.run).checkpoint_time(),
                               base::Seconds(result->seconds));
  } else {
    parts_.recorder.failed_checkpoint();
  }
}

std::vector<std::filesystem::path> Checkpoints::best_of(
    const checkpoint::TrainingState& state) const {
  if (state.best_step < 0) return {};
  return {checkpoint::checkpoint_directory(run::RunDirectory(parts_.config.run).checkpoints(),
                                           state.best_step)};
}

}  // namespace vae_dist::train

#include "train/skipped_steps.hpp"

#include <memory>

#include "base/log.hpp"
#include "comm/agreement.hpp"
#include "input/training_batches.hpp"

namespace vae_dist::train {

void SkippedSteps::note(const metrics::StepMetrics& step, checkpoint::TrainingState& state) {
  if (!step.skipped) {
    ++state.optimizer_step;
    in_a_row_ = 0;
    return;
  }
  ++state.skipped_steps;
  if (parts_.ranks.all.rank() == 0)
    log::warn(base::text("step ", step.step, " was skipped on all ranks: loss ", step.loss,
                         ", gradient norm ", step.gradient_norm));
  if (++in_a_row_ >= parts_.config.train.max_skipped_steps)
    throw comm::AgreedError(
        base::ExitCode::rank_failed,
        base::text(in_a_row_, " steps in a row were skipped (train.max_skipped_steps ",
                   parts_.config.train.max_skipped_steps, "), the last with loss ", step.loss,
                   " and gradient norm ", step.gradient_norm,
                   ". The data.train samples of the last step were ",
                   samples_of_step(step.step - 1),
                   state.skipped_steps == step.step
                       ? ". No step of this run was ever taken: look at the network, the loss, "
                         "train.skip_step_above_norm and these samples."
                       : ". Try a smaller learning rate, set train.gradient_clip_norm, or inspect "
                         "these samples."));
}

std::string SkippedSteps::samples_of_step(std::int64_t step) const {
  const std::int64_t steps_per_epoch = parts_.learning_rate.steps_per_epoch;
  const data::EpochOrder order(input::order_plan(parts_.config, parts_.plan),
                               static_cast<std::uint64_t>(step / steps_per_epoch),
                               std::make_shared<data::SampleChunks>(parts_.train.chunks()));
  const std::int64_t first = step % steps_per_epoch * parts_.plan.global_batch;
  std::string out;
  for (std::int64_t i = 0; i < parts_.plan.global_batch; ++i)
    out += (i ? ", " : "") + std::to_string(order.at(first + i));
  return out;
}

}  // namespace vae_dist::train

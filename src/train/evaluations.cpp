#include "train/evaluations.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"
#include "evaluate/collapse.hpp"
#include "evaluate/evaluation_report.hpp"
#include "evaluate/mean_image.hpp"
#include "inference/evaluated_data.hpp"
#include "step/out_of_memory.hpp"
#include "train/early_stop.hpp"

namespace vae_dist::train {
namespace {

// Before this step, a small KL does not indicate collapse.
constexpr std::int64_t kStepsToLearnSomething = 500;

// Evaluating on all training data would cost more than a short run itself.
constexpr std::int64_t kTrainingSamplesEvaluated = 2000;

evaluate::Evaluation evaluation_of(const LoopParts& parts, const data::SampleDataset& data,
                                   const evaluate::EvaluationOptions& options) {
  const step::AveragedWeights averaged(parts.learner.averages(), &parts.learner.gate());
  try {
    return evaluate::evaluate(parts.learner.model(), parts.learner.objective(), data, options,
                              parts.ranks.all);
  } catch (const std::exception& error) {
    if (!step::is_out_of_memory(error)) throw;
    throw base::Failure(
        step::evaluation_out_of_memory_text(error.what(), parts.config.evaluate.batch));
  }
}

}  // namespace

Evaluations::Evaluations(const LoopParts& parts, const checkpoint::TrainingState& start)
    : parts_(parts) {
  if (start.best_validation) {
    best_validation_ = {parts.compared_by.best, *start.best_validation, start.best_step};
    parts_.recorder.best(*best_validation_, /*is_new=*/false);
  }
  if (!start.awaits_evaluation) evaluated_step_ = start.step;
}

bool Evaluations::evaluate(checkpoint::TrainingState& state) {
  const data::SampleDataset& data = parts_.validation ? *parts_.validation : parts_.train;
  const std::string on = parts_.validation ? "validation" : "training";
  const std::int64_t samples =
      parts_.validation ? data.size() : std::min(data.size(), kTrainingSamplesEvaluated);
  const evaluate::EvaluationOptions options = inference::evaluation_options(
      parts_.config, parts_.objective, data, {0, samples}, state.step, parts_.device);
  comm::CpuCommunicator& all_ranks = parts_.ranks.all;
  if (!mean_image_mse_)
    mean_image_mse_ = evaluate::mean_image_mse(data, options.format, options.samples, all_ranks);
  const evaluate::Evaluation result = evaluation_of(parts_, data, options);

  const std::string sign = evaluate::collapse_sign(result, *mean_image_mse_);
  std::optional<bool> collapsed;
  if (result.reconstructs &&
      state.step >= std::min(parts_.learning_rate.steps_per_epoch, kStepsToLearnSomething))
    collapsed = !sign.empty();
  parts_.recorder.evaluation(state.step, state.epoch, on, result, *mean_image_mse_, collapsed);
  parts_.recorder.log_rank_times(state.step);
  parts_.recorder.log_energy(state.step);
  log::info(base::text("step ", state.step, ", ", on, " (", result.samples,
                       " samples): ", evaluate::evaluation_text(result, *mean_image_mse_)));
  if (all_ranks.rank() == 0 && collapsed.value_or(false)) log::warn(sign);

  evaluated_step_ = state.step;
  state.awaits_evaluation = 0;
  if (!parts_.validation) return false;
  note_for_early_stop(parts_.compared_by.stop, result, state);
  const evaluate::Measure& measure = parts_.compared_by.best;
  const double value = evaluate::value_of(measure, result);
  if (measure.is_better(value,
                        best_validation_ ? std::optional(best_validation_->value) : std::nullopt)) {
    best_validation_ = {measure, value, state.step};
    parts_.recorder.best(*best_validation_, /*is_new=*/true);
  }
  if (parts_.config.checkpoint.keep_best == 0 || !measure.is_better(value, state.best_validation))
    return false;
  state.best_validation = value;
  state.best_step = state.step;
  return true;
}

}  // namespace vae_dist::train

#include "train/early_stop.hpp"

namespace vae_dist::train {

void note_for_early_stop(const evaluate::Measure& metric, const evaluate::Evaluation& result,
                         checkpoint::TrainingState& state) {
  const double value = evaluate::value_of(metric, result);
  if (metric.is_better(value, state.best_stop_metric)) {
    state.best_stop_metric = value;
    state.evaluations_since_best = 0;
  } else {
    ++state.evaluations_since_best;
  }
}

bool stops_early(const config::EarlyStopConfig& config, const checkpoint::TrainingState& state) {
  return config.patience && state.evaluations_since_best >= *config.patience;
}

}  // namespace vae_dist::train

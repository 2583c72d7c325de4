#include "train/early_stop.hpp"

#include <limits>
#include <stdexcept>

namespace vae_dist::train {
namespace {

double metric_of(const std::string& metric, const evaluate::Evaluation& result) {
  if (metric == "validation_loss") return result.loss;
  if (metric == "validation_reconstruction_loss") return result.reconstruction;
  return result.mse;
}

}  // namespace

void note_for_early_stop(const config::EarlyStopConfig& config, const evaluate::Evaluation& result,
                         checkpoint::TrainingState& state) {
  const double metric = metric_of(config.metric, result);
  if (metric < state.best_stop_metric.value_or(std::numeric_limits<double>::infinity())) {
    state.best_stop_metric = metric;
    state.evaluations_since_best = 0;
  } else {
    ++state.evaluations_since_best;
  }
}

bool stops_early(const config::EarlyStopConfig& config, const checkpoint::TrainingState& state) {
  return config.patience && state.evaluations_since_best >= *config.patience;
}

}  // namespace vae_dist::train

// Whether a run has stopped getting better (Prechelt 1998, "Early Stopping - But When?", criterion
// UP).
#pragma once

#include "checkpoint/training_state.hpp"
#include "config/config.hpp"
#include "evaluate/evaluation.hpp"

namespace vae_dist::train {

/// Takes an evaluation on the validation data into the state, the same on every rank. A metric that
/// is no number is not better.
void note_for_early_stop(const config::EarlyStopConfig& config, const evaluate::Evaluation& result,
                         checkpoint::TrainingState& state);

/// After so many evaluations in a row that were no better than the best; never without `patience`.
bool stops_early(const config::EarlyStopConfig& config, const checkpoint::TrainingState& state);

}  // namespace vae_dist::train

// Decides whether a run has stopped improving (Prechelt 1998, "Early Stopping - But When?",
// criterion UP).
#pragma once

#include "checkpoint/training_state.hpp"
#include "config/config.hpp"
#include "evaluate/measure.hpp"

namespace vae_dist::train {

/// Updates the state with an evaluation on the validation data, equally on every rank. `metric` is
/// what train.early_stop.metric names (compared_by.hpp). NaN counts as no improvement.
void note_for_early_stop(const evaluate::Measure& metric, const evaluate::Evaluation& result,
                         checkpoint::TrainingState& state);

/// Returns whether the last `patience` evaluations in a row brought no improvement. Always false
/// without `patience`.
bool stops_early(const config::EarlyStopConfig& config, const checkpoint::TrainingState& state);

}  // namespace vae_dist::train

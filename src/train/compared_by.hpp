// By what a run compares its evaluations: to keep the best checkpoint (checkpoint.best) and to stop
// early (train.early_stop.metric).
#pragma once

#include <string>

#include "checkpoint/training_state.hpp"
#include "config/config.hpp"
#include "evaluate/measure.hpp"

namespace vae_dist::train {

struct ComparedBy {
  evaluate::Measure best, stop;
};

/// Finds the measures that the configuration names among those that this run's evaluations have.
/// Throws BadInput, listing these, if one is not there. A loss whose weights move is compared at
/// the weights that its schedules end with.
ComparedBy compared_by(const config::Config& config, const objective::ObjectiveOptions& objective,
                       const evaluate::EvaluationOptions& options);

/// Forgets the best values in `state` that were noted by another measure: by a program that
/// compared losses of different weights, or before checkpoint.best changed. Notes the measures of
/// this run. Returns what was forgotten, for the log; empty: nothing.
std::string forget_other_measures(const ComparedBy& by, checkpoint::TrainingState& state);

}  // namespace vae_dist::train
